"""Cells: fused runs against the step-by-step loop, torch's own cells, and the papers' formulas."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.testing import assert_close

from nmt.errors import ConfigError
from nmt.model.cells import CELLS, GRU, LSTM, Carry, Cell, LayerNormGRU, LayerNormLSTM
from tests.builders import draw_normal, make_mask

INPUT, HIDDEN = 5, 7
LENGTH_LISTS = st.lists(st.integers(1, 9), min_size=1, max_size=5)


def cell_of(name: str, seed: int = 0) -> Cell:
    """A cell all of whose parameters, biases and gains too, are arbitrary numbers."""
    cell = CELLS[name](input_size=INPUT, hidden_size=HIDDEN)
    for number, parameter in enumerate(cell.parameters()):
        parameter.data = draw_normal(*parameter.shape, seed=seed + number, scale=0.5)
    return cell


def carry_of(cell: Cell, rows: int, seed: int = 50) -> Carry:
    return tuple(draw_normal(rows, HIDDEN, seed=seed + part) for part in range(cell.state_tensors))


def layer_norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    unit = centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt()
    return unit * norm.weight + (0.0 if norm.bias is None else norm.bias)


def lstm(cell: LSTM, x: Tensor, carry: Carry) -> Carry:
    h, c = carry
    i, f, g, o = (
        cell.weight_input[k * HIDDEN : (k + 1) * HIDDEN] @ x
        + cell.weight_hidden[k * HIDDEN : (k + 1) * HIDDEN] @ h
        + cell.bias[k * HIDDEN : (k + 1) * HIDDEN]
        for k in range(4)
    )
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru(cell: GRU, x: Tensor, carry: Carry) -> Carry:
    (h,) = carry
    left = (cell.weight_input @ x + cell.bias).split(HIDDEN)
    right = (cell.weight_hidden @ h + cell.bias_hidden).split(HIDDEN)
    r, z = (left[0] + right[0]).sigmoid(), (left[1] + right[1]).sigmoid()
    return ((1 - z) * (left[2] + r * right[2]).tanh() + z * h,)


def layer_norm_lstm(cell: LayerNormLSTM, x: Tensor, carry: Carry) -> Carry:
    h, c = carry
    gates = layer_norm(cell.weight_input @ x, cell.norm_input) + layer_norm(cell.weight_hidden @ h, cell.norm_hidden)
    i, f, g, o = (gates + cell.bias).split(HIDDEN)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * layer_norm(c, cell.norm_cell).tanh(), c


def layer_norm_gru(cell: LayerNormGRU, x: Tensor, carry: Carry) -> Carry:
    (h,) = carry
    left = (layer_norm(cell.weight_input @ x, cell.norm_input) + cell.bias).split(HIDDEN)
    right = layer_norm(cell.weight_hidden @ h, cell.norm_hidden).split(HIDDEN)
    r, z = (left[0] + right[0]).sigmoid(), (left[1] + right[1]).sigmoid()
    return ((1 - z) * (left[2] + r * right[2]).tanh() + z * h,)


FORMULAS = {"lstm": lstm, "gru": gru, "layer_norm_lstm": layer_norm_lstm, "layer_norm_gru": layer_norm_gru}


def test_every_cell_has_a_formula() -> None:
    assert FORMULAS.keys() == CELLS.keys()


@pytest.mark.parametrize("name", CELLS)
def test_a_step_is_its_formula(name: str) -> None:
    cell, inputs = cell_of(name), draw_normal(3, INPUT, seed=40)
    carry = carry_of(cell, 3)
    found = cell.step(cell.project(inputs), carry)
    for row in range(3):
        wanted = FORMULAS[name](cell, inputs[row], tuple(part[row] for part in carry))
        assert_close(tuple(part[row] for part in found), wanted)


@pytest.mark.parametrize("name", CELLS)
@given(lengths=LENGTH_LISTS)
def test_a_run_is_the_loop_of_steps(name: str, lengths: list[int]) -> None:
    cell, real = cell_of(name), make_mask(lengths)
    inputs, carry = draw_normal(*real.shape, INPUT, seed=41), carry_of(cell, len(lengths))
    outputs, last = cell.run(inputs, carry, real)
    wanted, wanted_last = Cell.run(cell, inputs, carry, real)
    assert_close(outputs[real], wanted[real])
    assert_close(last, wanted_last)


@pytest.mark.parametrize("name", CELLS)
@given(lengths=LENGTH_LISTS)
def test_a_run_ends_with_the_last_real_carry_whatever_the_padding(name: str, lengths: list[int]) -> None:
    cell, real = cell_of(name), make_mask(lengths)
    inputs, carry = draw_normal(*real.shape, INPUT, seed=42), carry_of(cell, len(lengths))
    _, last = cell.run(inputs.masked_fill(~real.unsqueeze(-1), 100.0), carry, real)
    for row, length in enumerate(lengths):
        first = tuple(part[row : row + 1] for part in carry)
        _, alone = cell.run(inputs[row : row + 1, :length], first)
        assert_close(tuple(part[row : row + 1] for part in last), alone)


@pytest.mark.parametrize("name", CELLS)
def test_a_run_without_a_mask_is_one_in_which_all_is_real(name: str) -> None:
    cell, inputs = cell_of(name), draw_normal(3, 4, INPUT, seed=43)
    real = torch.ones(3, 4, dtype=torch.bool)
    assert_close(cell.run(inputs, carry_of(cell, 3)), cell.run(inputs, carry_of(cell, 3), real))


@pytest.mark.parametrize("name", CELLS)
def test_a_run_has_the_gradients_of_the_loop_of_steps(name: str) -> None:
    cell, real = cell_of(name), make_mask([3, 6, 1])
    gradients = []
    for run in (cell.run, lambda *given: Cell.run(cell, *given)):
        inputs = draw_normal(3, 6, INPUT, seed=44).requires_grad_()
        carry = tuple(part.requires_grad_() for part in carry_of(cell, 3))
        outputs, last = run(inputs, carry, real)
        weighted = (outputs * real.unsqueeze(-1) * draw_normal(3, 6, HIDDEN, seed=45)).sum()
        loss = weighted + sum((part * draw_normal(3, HIDDEN, seed=46)).sum() for part in last)
        gradients.append(torch.autograd.grad(loss, [inputs, *carry, *cell.parameters()]))
    assert_close(gradients[0], gradients[1])
    assert all(gradient.any() for gradient in gradients[0])


@pytest.mark.parametrize("name", ["lstm", "gru"])
@given(lengths=LENGTH_LISTS)
def test_a_run_is_that_of_torch_on_packed_sequences(name: str, lengths: list[int]) -> None:
    cell, real = cell_of(name), make_mask(lengths)
    torch_cell = {"lstm": nn.LSTM, "gru": nn.GRU}[name](INPUT, HIDDEN, batch_first=True)
    torch_cell.weight_ih_l0.data = cell.weight_input.data
    torch_cell.weight_hh_l0.data = cell.weight_hidden.data
    torch_cell.bias_ih_l0.data = cell.bias.data
    torch_cell.bias_hh_l0.data = cell.bias_hidden.data if isinstance(cell, GRU) else torch.zeros_like(cell.bias)
    inputs, carry = draw_normal(*real.shape, INPUT, seed=47), carry_of(cell, len(lengths))
    packed = pack_padded_sequence(inputs, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    start = tuple(part.unsqueeze(0) for part in carry)
    wanted, ended = torch_cell(packed, start if name == "lstm" else start[0])
    outputs, last = cell.run(inputs, carry, real)
    assert_close(outputs * real.unsqueeze(-1), pad_packed_sequence(wanted, batch_first=True)[0])
    assert_close(last, tuple(part[0] for part in (ended if name == "lstm" else (ended,))))


@pytest.mark.parametrize("name", CELLS)
def test_recurrent_blocks_start_orthogonal_and_lstms_start_remembering(name: str) -> None:
    cell = CELLS[name](input_size=INPUT, hidden_size=HIDDEN)
    for block in cell.weight_hidden.split(HIDDEN):
        assert_close(block @ block.t(), torch.eye(HIDDEN))
    forget = cell.bias[HIDDEN : 2 * HIDDEN]
    assert_close(forget, torch.ones(HIDDEN) if cell.state_tensors == 2 else torch.zeros(HIDDEN))
    assert cell.bias.sum() == forget.sum()


@pytest.mark.parametrize("name", CELLS)
def test_the_first_carry_is_zero(name: str) -> None:
    cell = cell_of(name)
    start = cell.initial_state(draw_normal(1), 3)
    assert len(start) == cell.state_tensors
    assert all(part.shape == (3, HIDDEN) and not part.any() for part in start)


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_of_no_size_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"hidden_size .* at least 1; got 0"):
        CELLS[name](input_size=INPUT, hidden_size=0)
