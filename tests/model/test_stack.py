"""Stacks: running all positions layer by layer equals stepping through them."""

import pytest
import torch
from torch.testing import assert_close

from nmt.errors import ConfigError
from nmt.model.cells import CELLS, Carry
from nmt.model.stack import Stack
from tests.builders import draw_normal, find_missing_gradients

INPUT, HIDDEN = 5, 7


def stack_of(cell: str, layers: int, residual: bool, dropout: float = 0.0) -> Stack:
    torch.manual_seed(0)
    return Stack(
        cell=cell, input_size=INPUT, hidden_size=HIDDEN, layers=layers, dropout=dropout, residual=residual
    ).eval()


def carries_of(stack: Stack, rows: int) -> tuple[Carry, ...]:
    return tuple(
        tuple(draw_normal(rows, HIDDEN, seed=10 * layer + part) for part in range(stack.get_cell(0).state_tensors))
        for layer in range(len(stack.cells))
    )


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_a_run_equals_its_steps(cell: str, layers: int, residual: bool) -> None:
    stack = stack_of(cell, layers, residual, dropout=0.5)
    inputs, carries = draw_normal(3, 4, INPUT, seed=1), carries_of(stack, 3)
    outputs, last = stack.run(inputs, carries)
    known, fed = inputs[..., :2], inputs[..., 2:]  # the sum of what is projected before, and of what is fed
    first = stack.get_cell(0)
    projected = stack.project(torch.cat([known, torch.zeros_like(fed)], -1))
    feed = first.weight_input[:, 2:]
    for t in range(4):
        output, carries = stack.step(projected[:, t] + fed[:, t] @ feed.t(), carries)
        assert_close(outputs[:, t], output)
    assert_close(last, carries)


def test_a_residual_stack_adds_what_each_layer_reads() -> None:
    stack = stack_of("gru", 3, residual=True)
    outputs, _ = stack.run(draw_normal(2, 4, INPUT, seed=1), carries_of(stack, 2))
    below, _ = stack.get_cell(0).run(draw_normal(2, 4, INPUT, seed=1), carries_of(stack, 2)[0])
    for layer in (1, 2):
        below = below + stack.get_cell(layer).run(below, carries_of(stack, 2)[layer])[0]
    assert_close(outputs, below)


def test_dropout_is_between_layers_and_only_in_training() -> None:
    inputs = draw_normal(2, 4, INPUT, seed=1)
    one, two = stack_of("lstm", 1, False, dropout=0.9).train(), stack_of("lstm", 2, False, dropout=0.9).train()
    assert_close(one.run(inputs, carries_of(one, 2)), one.run(inputs, carries_of(one, 2)))
    first, second = (two.run(inputs, carries_of(two, 2))[0] for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("cell", CELLS)
def test_every_parameter_gets_a_gradient(cell: str) -> None:
    stack = stack_of(cell, 2, residual=True)
    outputs, _ = stack.run(draw_normal(3, 4, INPUT, seed=1), carries_of(stack, 3))
    (outputs * draw_normal(3, 4, HIDDEN, seed=2)).sum().backward()
    assert find_missing_gradients(stack) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": 0}, r"model\.decoder\.layers must be at least 1; got 0"),
        ({"dropout": 1.0}, r"model\.decoder\.dropout must be at least 0 and below 1; got 1\.0"),
        ({"dropout": -0.1}, r"model\.decoder\.dropout must be at least 0 and below 1; got -0\.1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, float], message: str) -> None:
    given = {"cell": "gru", "input_size": 3, "hidden_size": 3, "layers": 1, "dropout": 0.0, "residual": False}
    with pytest.raises(ConfigError, match=message):
        Stack(**{**given, **settings})
