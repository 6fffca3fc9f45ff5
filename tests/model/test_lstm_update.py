"""The fused update of the LSTM against its equation, in values and gradients."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.model.lstm_update import lstm_update
from tests.builders import numbers

ROW, HIDDEN = 3, 5


def plain(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    i, f, g, o = gates.chunk(4, 1)
    following = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(following), following


def given() -> tuple[Tensor, Tensor]:
    gates = numbers(ROW, 4 * HIDDEN, seed=1).double().requires_grad_()
    return gates, numbers(ROW, HIDDEN, seed=2).double().requires_grad_()


@pytest.mark.parametrize("gradients", [True, False])
def test_it_is_the_equation(gradients: bool) -> None:
    with torch.set_grad_enabled(gradients):
        assert_close(lstm_update(*given()), plain(*given()))


def test_the_gradient_is_that_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(lstm_update, given())


@pytest.mark.parametrize("seen", [(0,), (1,), (0, 1)])
def test_gradients_are_those_of_the_equation_whatever_is_read_of_it(seen: tuple[int, ...]) -> None:
    wanted = given()
    ours, theirs = (
        torch.autograd.grad([(update(*wanted)[part] ** 2).sum() for part in seen], wanted, allow_unused=True)
        for update in (lstm_update, plain)
    )
    assert_close(ours, theirs)


def test_a_cell_state_without_gradient_is_read_all_the_same() -> None:
    gates, cell = given()
    ours, theirs = (
        torch.autograd.grad(update(gates, cell.detach())[0].sum(), gates) for update in (lstm_update, plain)
    )
    assert_close(ours, theirs)


def test_what_is_given_stays_as_it_is() -> None:
    gates, cell = given()
    before = gates.detach().clone(), cell.detach().clone()
    sum(part.sum() for part in lstm_update(gates, cell)).backward()
    assert_close((gates.detach(), cell.detach()), before)
