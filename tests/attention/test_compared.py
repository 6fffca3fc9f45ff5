"""Additive attention's comparison gives what its equation gives, values and gradients, however it is cut."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention import compared as module
from nmt.attention.compared import LARGEST, compared
from tests.builders import numbers

ROW, SOURCE, SIZE = 3, 7, 5
REACHES = [None, slice(0, 3), slice(2, 5), slice(6, 7)]
"""What is looked at of seven places, at one target position after another."""

Compare = Callable[[Tensor, Tensor], Callable[[Tensor, slice | None], Tensor]]


def written(keys: Tensor, v: Tensor) -> Callable[[Tensor, slice | None], Tensor]:
    """The equation."""

    def scores(asked: Tensor, reach: slice | None) -> Tensor:
        seen = keys if reach is None else keys[:, :, reach]
        return (v[:, None, None] * torch.tanh(asked[:, :, :, None] + seen[:, :, None])).sum(-1)

    return scores


def given(heads: int = 2, scale: float = 1.0, positions: int = len(REACHES)) -> tuple[Tensor, Tensor, Tensor]:
    """keys, queries and v; the heads of the keys lie side by side, as projections leave them."""
    keys = (scale * numbers(ROW, SOURCE, heads, SIZE, seed=1).double()).transpose(1, 2).requires_grad_()
    asked = (scale * numbers(ROW, heads, positions, SIZE, seed=2).double()).requires_grad_()
    return keys, asked, numbers(heads, SIZE, seed=3).double().requires_grad_()


def told(compare: Compare, keys: Tensor, asked: Tensor, v: Tensor) -> Tensor:
    """A number of each target position, which tells its scores apart."""
    scores = compare(keys, v)
    found = [scores(asked[:, :, t : t + 1], reach) for t, reach in enumerate(REACHES)]
    return torch.stack([(each * numbers(*each.shape, seed=4)).sum() + each.square().sum() for each in found])


def check(compare: Compare, *inputs: Tensor) -> None:
    found, expected = (told(way, *inputs) for way in (compare, written))
    assert_close(found, expected)
    assert_close(*(torch.autograd.grad(result.sum(), inputs) for result in (found, expected)))


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("scale", [1.0, 2 * LARGEST], ids=["by exponentials", "too large for them"])
def test_it_is_the_equation_with_its_gradients(heads: int, scale: float) -> None:
    inputs = given(heads, scale)
    assert (inputs[0].abs().max() > LARGEST) == (scale > 1)
    check(compared, *inputs)


@pytest.mark.parametrize("entries", [1, SOURCE * SIZE, 5 * SOURCE * SIZE])
def test_it_may_be_cut_anywhere(monkeypatch: pytest.MonkeyPatch, entries: int) -> None:
    keys, asked, v = given(positions=4)
    whole = compared(keys, v)(asked, None)
    gradients = torch.autograd.grad(whole.square().sum(), (keys, asked, v))
    monkeypatch.setattr(module, "ENTRIES", entries)
    cut = compared(keys, v)(asked, None)
    assert_close(cut, written(keys, v)(asked, None))
    assert_close(cut, whole)
    assert_close(torch.autograd.grad(cut.square().sum(), (keys, asked, v)), gradients)


def test_the_gradient_is_that_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(lambda *inputs: told(compared, *inputs), given())


@pytest.mark.parametrize("reach", [LARGEST, 1.2 * LARGEST], ids=["by exponentials", "too large for them"])
def test_in_single_precision_it_holds_to_the_ends_of_its_range(reach: float) -> None:
    places = reach * torch.tensor([-1.0, -0.95, 0.0, 0.9, 1.0])
    found = compared(places.view(1, 1, -1, 1), torch.ones(1, 1))(places.view(1, 1, -1, 1), None)
    expected = torch.tanh(places.double().unsqueeze(1) + places.double()).float()
    assert_close(found[0, 0], expected, atol=3e-7, rtol=0)


def test_a_second_backward_counts_once_more_and_no_more() -> None:
    inputs = given()
    loss = told(compared, *inputs).sum()
    first = torch.autograd.grad(loss, inputs, retain_graph=True)
    assert_close(torch.autograd.grad(loss, inputs), first)


def test_positions_that_the_loss_does_not_see_add_nothing() -> None:
    inputs = given()
    assert_close(*(torch.autograd.grad(told(way, *inputs)[1], inputs) for way in (compared, written)))


def test_keys_that_are_not_learned_ask_for_nothing() -> None:
    keys, asked, v = given()
    found = told(compared, keys.detach(), asked, v).sum()
    expected = told(written, keys, asked, v).sum()
    assert_close(*(torch.autograd.grad(result, (asked, v)) for result in (found, expected)))


def test_without_gradients_nothing_is_kept() -> None:
    keys, asked, v = given()
    with torch.no_grad():
        found = compared(keys, v)(asked, None)
    assert found.grad_fn is None
    assert_close(found, written(keys, v)(asked, None))


def test_what_is_no_number_stays_none() -> None:
    keys, asked, v = given()
    with torch.no_grad():
        asked[0, 0, 0, 0] = float("nan")
        assert compared(keys, v)(asked, None)[0, 0, 0].isnan().all()
