"""Temporal convolutions against a plain loop and torch's own, and how far each reaches."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nmt.model.temporal import CausalConvolution, DenseLayer, TemporalBlock, count_layers
from tests.builders import draw_normal, draw_parameters, find_missing_gradients

ROWS, TIME, SIZE, OUTPUT, FILTERS = 2, 13, 3, 5, 2
STATES = draw_normal(ROWS, TIME, SIZE, seed=1)


def make_convolution(dilation: int) -> CausalConvolution:
    made = CausalConvolution(input_size=SIZE, output_size=OUTPUT, dilation=dilation)
    draw_parameters(made)
    return made


def make_block(span: int) -> TemporalBlock:
    made = TemporalBlock(input_size=SIZE, filters=FILTERS, span=span, dropout=0.0)
    draw_parameters(made)
    return made.eval()


def run(block: TemporalBlock, states: Tensor) -> Tensor:
    return block(states, block.start(states))[0].detach()


@pytest.mark.parametrize("dilation", [1, 2, 3, 8, 16])
def test_a_convolution_is_a_loop_over_positions(dilation: int) -> None:
    made = make_convolution(dilation)
    earlier, own = made.linear.weight.detach().split(SIZE, 1)
    found, _ = made(STATES, made.start(STATES))
    for row in range(ROWS):
        for t in range(TIME):
            wanted = own @ STATES[row, t] + made.linear.bias.detach()
            if t >= dilation:
                wanted = wanted + earlier @ STATES[row, t - dilation]
            assert_close(found[row, t].detach(), wanted)


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_a_convolution_is_torchs_with_zeros_before_the_first_position(dilation: int) -> None:
    made = make_convolution(dilation)
    theirs = nn.Conv1d(SIZE, OUTPUT, kernel_size=2, dilation=dilation)
    with torch.no_grad():
        theirs.weight.copy_(torch.stack(made.linear.weight.split(SIZE, 1), -1))
        theirs.bias.copy_(made.linear.bias)  # type: ignore[union-attr]
    padded = nn.functional.pad(STATES.transpose(1, 2), (dilation, 0))
    assert_close(made(STATES, made.start(STATES))[0], theirs(padded).transpose(1, 2))


def test_a_layer_adds_its_gated_filters_to_what_it_reads() -> None:
    layer = DenseLayer(input_size=SIZE, filters=FILTERS, dilation=2, dropout=0.0)
    draw_parameters(layer)
    before = layer.convolution.start(STATES)
    found, outputs = layer(STATES, before)[0], layer.convolution(STATES, before)[0]
    assert torch.equal(found[..., :SIZE], STATES)
    assert_close(found[..., SIZE:], outputs[..., :FILTERS].tanh() * outputs[..., FILTERS:].sigmoid())


@pytest.mark.parametrize("span", [2, 3, 4, 8])
@pytest.mark.parametrize("place", [0, 1, 5, 12])
def test_a_change_reaches_exactly_the_positions_of_the_span(span: int, place: int) -> None:
    block = make_block(span)
    changed = STATES.clone()
    changed[:, place] += 1.0
    reach = 2 ** math.ceil(math.log2(span))
    moved = (run(block, changed) != run(block, STATES)).any(-1).all(0)
    assert moved.nonzero().flatten().tolist() == list(range(place, min(place + reach, TIME)))
    assert not (run(block, changed) != run(block, STATES))[:, : place + reach][:, :place].any()


@pytest.mark.parametrize("parts", [[1] * TIME, [5, 8], [2, 10, 1]])
def test_positions_that_are_read_in_parts_equal_all_at_once(parts: list[int]) -> None:
    block = make_block(span=8)
    inputs, found = block.start(STATES), []
    for part in STATES.split(parts, 1):
        states, inputs = block(part, inputs)
        found.append(states)
    assert_close(torch.cat(found, 1), run(block, STATES))
    assert [each.shape[1] for each in inputs] == [1, 2, 4]


@pytest.mark.parametrize(("span", "layers"), [(2, 1), (3, 2), (4, 2), (5, 3), (32, 5), (33, 6)])
def test_layers_are_as_many_as_the_span_needs(span: int, layers: int) -> None:
    block = make_block(span)
    assert count_layers(span) == len(block.list_layers()) == layers
    assert block.output_size == run(block, STATES).shape[-1] == SIZE + layers * FILTERS


def test_every_parameter_gets_a_gradient() -> None:
    block = make_block(span=8)
    states, _ = block(STATES, block.start(STATES))
    (states * draw_normal(*states.shape, seed=2)).sum().backward()
    assert find_missing_gradients(block) == []
