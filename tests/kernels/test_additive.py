"""Additive attention's comparison gives what its equation gives, values and gradients, however it is cut."""

import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.kernels import additive as module
from nmt.kernels.additive import MAX_ABS, _KeyTape, additive_scores, exp_minus_2x
from tests.builders import draw_normal

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


def given(heads: int = 2, positions: int = len(REACHES)) -> tuple[Tensor, Tensor, Tensor]:
    """keys, queries and v; the heads of the keys lie side by side, as projections leave them."""
    keys = draw_normal(ROW, SOURCE, heads, SIZE, seed=1).double().transpose(1, 2).requires_grad_()
    asked = draw_normal(ROW, heads, positions, SIZE, seed=2).double().requires_grad_()
    return keys, asked, draw_normal(heads, SIZE, seed=3).double().requires_grad_()


def told(compare: Compare, keys: Tensor, asked: Tensor, v: Tensor) -> Tensor:
    """A number of each target position, which tells its scores apart."""
    scores = compare(keys, v)
    found = [scores(asked[:, :, t : t + 1], reach) for t, reach in enumerate(REACHES)]
    return torch.stack([(each * draw_normal(*each.shape, seed=4)).sum() + each.square().sum() for each in found])


def check(compare: Compare, *inputs: Tensor) -> None:
    found, expected = (told(way, *inputs) for way in (compare, written))
    assert_close(found, expected)
    assert_close(*(torch.autograd.grad(result.sum(), inputs) for result in (found, expected)))


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("large", [(), (0,), (1,), (0, 1)], ids=["neither", "keys", "queries", "both"])
def test_it_is_the_equation_with_its_gradients(heads: int, large: tuple[int, ...]) -> None:
    """By exponentials where both are small enough for these, and otherwise without."""
    inputs = given(heads)
    for which in large:
        inputs[which].data.mul_(2 * MAX_ABS)
    assert [exp_minus_2x(tensor.detach()) is None for tensor in inputs[:2]] == [which in large for which in (0, 1)]
    check(additive_scores, *inputs)


@pytest.mark.parametrize("entries", [1, SOURCE * SIZE, 5 * SOURCE * SIZE])
def test_it_may_be_cut_anywhere(monkeypatch: pytest.MonkeyPatch, entries: int) -> None:
    keys, asked, v = given(positions=4)
    whole = additive_scores(keys, v)(asked, None)
    gradients = torch.autograd.grad(whole.square().sum(), (keys, asked, v))
    monkeypatch.setattr(module, "BLOCK_ENTRIES", entries)
    cut = additive_scores(keys, v)(asked, None)
    parts = [part for _, _, part in _KeyTape(keys.detach().transpose(0, 1)).iterate_sigmoids(asked.detach(), None)]
    assert max(part.numel() for part in parts) <= max(entries, 2 * SOURCE * SIZE)  # one query of two heads at least
    assert sum(part.numel() for part in parts) == asked[..., 0].numel() * SOURCE * SIZE
    assert all(part.is_contiguous() for part in parts)  # so that no product copies them
    assert_close(cut, written(keys, v)(asked, None))
    assert_close(cut, whole)
    assert_close(torch.autograd.grad(cut.square().sum(), (keys, asked, v)), gradients)


def test_the_gradient_is_that_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(lambda *inputs: told(additive_scores, *inputs), given())


@pytest.mark.parametrize("reach", [MAX_ABS, 1.2 * MAX_ABS], ids=["by exponentials", "too large for them"])
def test_in_single_precision_it_holds_to_the_ends_of_its_range(reach: float) -> None:
    places = reach * torch.tensor([-1.0, -0.95, 0.0, 0.9, 1.0])
    found = additive_scores(places.view(1, 1, -1, 1), torch.ones(1, 1))(places.view(1, 1, -1, 1), None)
    expected = torch.tanh(places.double().unsqueeze(1) + places.double()).float()
    assert_close(found[0, 0], expected, atol=3e-7, rtol=0)


def test_a_second_backward_counts_once_more_and_no_more() -> None:
    inputs = given()
    loss = told(additive_scores, *inputs).sum()
    first = torch.autograd.grad(loss, inputs, retain_graph=True)
    assert_close(torch.autograd.grad(loss, inputs), first)


def test_positions_that_the_loss_does_not_see_add_nothing() -> None:
    inputs = given()
    assert_close(*(torch.autograd.grad(told(way, *inputs)[1], inputs) for way in (additive_scores, written)))


def test_keys_that_are_not_learned_ask_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, asked, v = given()
    monkeypatch.delattr(_KeyTape, "accumulate")
    found = told(additive_scores, keys.detach(), asked, v).sum()
    expected = told(written, keys, asked, v).sum()
    assert_close(*(torch.autograd.grad(result, (asked, v)) for result in (found, expected)))


def test_without_gradients_nothing_is_kept() -> None:
    keys, asked, v = given()
    with torch.no_grad():
        found = additive_scores(keys, v)(asked, None)
    assert found.grad_fn is None
    assert_close(found, written(keys, v)(asked, None))


@pytest.mark.parametrize("taken", [False, True])
def test_nothing_is_kept_when_the_result_is_gone(monkeypatch: pytest.MonkeyPatch, taken: bool) -> None:
    made: list[weakref.ref[_KeyTape]] = []

    def noted(self: _KeyTape, keys: Tensor) -> None:
        made.append(weakref.ref(self))
        begin(self, keys)

    begin = _KeyTape.__init__
    monkeypatch.setattr(_KeyTape, "__init__", noted)
    inputs = given()
    found = told(additive_scores, *inputs).sum()
    if taken:
        found.backward()
    assert made[0]() is not None
    del found
    assert made[0]() is None


@pytest.mark.parametrize("which", [0, 2], ids=["keys", "v"])
def test_a_change_in_between_is_noticed(which: int) -> None:
    inputs = [tensor.clone() for tensor in given(heads=1)]
    loss = told(additive_scores, *inputs).sum()
    with torch.no_grad():
        inputs[which].add_(1)
    with pytest.raises(RuntimeError, match="modified"):
        loss.backward()


def test_short_keys_and_queries_are_compared_in_single_precision() -> None:
    """As `torch.autocast` leaves them: what is lost is only their own rounding."""
    keys, asked, v = (tensor.detach().to(torch.bfloat16) for tensor in given())
    precise = [tensor.float().requires_grad_() for tensor in (keys, asked, v)]
    short = [keys.requires_grad_(), asked.requires_grad_(), precise[2].detach().clone().requires_grad_()]
    with torch.autocast("cpu", torch.bfloat16):
        found = told(additive_scores, *short)
    expected = told(written, *precise)
    assert found.dtype == torch.float32
    assert_close(found, expected, atol=1e-4, rtol=1e-4)
    ours, theirs = (
        torch.autograd.grad(result.sum(), inputs) for result, inputs in ((found, short), (expected, precise))
    )
    assert [grad.dtype for grad in ours] == [tensor.dtype for tensor in short]
    assert_close([grad.float() for grad in ours[:2]], list(theirs[:2]), atol=1e-2, rtol=1e-2)
    assert_close(ours[2], theirs[2], atol=1e-4, rtol=1e-4)


def test_no_queries_have_no_gradient() -> None:
    keys, asked, v = given(positions=0)
    found = additive_scores(keys, v)(asked, None)
    assert found.shape == (ROW, 2, 0, SOURCE)
    to_query, to_v = torch.autograd.grad(found.sum(), (asked, v))
    assert to_query.shape == asked.shape
    assert_close(to_v, torch.zeros_like(v))


def test_what_is_no_number_stays_none() -> None:
    keys, asked, v = given()
    with torch.no_grad():
        asked[0, 0, 0, 0] = float("nan")
        assert additive_scores(keys, v)(asked, None)[0, 0, 0].isnan().all()
