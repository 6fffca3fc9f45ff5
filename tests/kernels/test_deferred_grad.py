"""A shared matrix gives what the plain product gives, values and gradients, over any number of positions."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.kernels.deferred_grad import DeferredLinearFn, defer_linear, defer_matmul, defer_projection, narrow
from tests.builders import draw_normal

ROW, INPUT, POSITIONS = 3, 5, 4


def plain(weight: Tensor) -> DeferredLinearFn:
    return lambda inputs, added: inputs @ weight.mT + (0 if added is None else added)


def recurrence(
    product: Callable[[Tensor], DeferredLinearFn], weight: Tensor, start: Tensor, added: Tensor | None
) -> Tensor:
    """One position after another, each reading what the one before gave, and all of them in the result."""
    multiply, state, seen = product(weight), start, []
    for _ in range(POSITIONS):
        state = torch.tanh(multiply(state, added))
        seen.append(state)
    return torch.stack(seen)


def given(*batch: int) -> tuple[Tensor, Tensor, Tensor]:
    weight = draw_normal(*batch, INPUT, INPUT, seed=1).double().requires_grad_()
    start = draw_normal(*batch, ROW, INPUT, seed=2).double().requires_grad_()
    return weight, start, draw_normal(ROW, INPUT, seed=3).double().requires_grad_()


@pytest.mark.parametrize("adding", [False, True])
def test_it_is_the_plain_product_with_its_gradients(adding: bool) -> None:
    weight, start, more = given()
    added = more if adding else None
    wanted = [weight, start, more] if adding else [weight, start]
    found, expected = (recurrence(product, weight, start, added) for product in (defer_linear, plain))
    assert_close(found, expected)
    ours, theirs = (torch.autograd.grad(result.pow(2).sum(), wanted) for result in (found, expected))
    assert_close(ours, theirs)


def test_each_sentence_may_have_its_own() -> None:
    weight, start, _ = given(2, 7)
    found, expected = (recurrence(product, weight, start, None) for product in (defer_linear, plain))
    ours, theirs = (torch.autograd.grad(result.pow(2).sum(), [weight, start]) for result in (found, expected))
    assert_close(ours, theirs)


def test_queries_are_mapped_with_the_gradients_of_the_plain_product() -> None:
    weight = draw_normal(INPUT, INPUT, seed=4).double().requires_grad_()
    queries = draw_normal(2, ROW, INPUT, seed=5).double().requires_grad_()

    def positions(project: Callable[[Tensor], Tensor]) -> Tensor:
        found = [queries]
        for _ in range(POSITIONS):
            found.append(torch.tanh(project(found[-1])))
        return torch.stack(found)

    found, expected = positions(defer_projection(weight)), positions(lambda asked: asked @ weight.mT)
    assert_close(found, expected)
    ours, theirs = (torch.autograd.grad(result.pow(2).sum(), [weight, queries]) for result in (found, expected))
    assert_close(ours, theirs)


def test_the_gradient_is_that_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(lambda *inputs: recurrence(defer_linear, *inputs), given())


def test_a_second_backward_counts_once_more_and_no_more() -> None:
    weight, start, _ = given()
    loss = recurrence(defer_linear, weight, start, None).sum()
    first = torch.autograd.grad(loss, [weight, start], retain_graph=True)
    assert_close(torch.autograd.grad(loss, [weight, start]), first)


def test_positions_that_the_loss_does_not_see_add_nothing() -> None:
    weight, start, _ = given()
    found, expected = (recurrence(product, weight, start, None)[1].sum() for product in (defer_linear, plain))
    ours, theirs = (torch.autograd.grad(result, [weight, start]) for result in (found, expected))
    assert_close(ours, theirs)


def test_without_gradients_it_is_a_product_and_nothing_is_kept() -> None:
    weight, start, _ = given()
    with torch.no_grad():
        found = defer_linear(weight)(start, None)
    assert found.grad_fn is None
    assert_close(found, start @ weight.mT)


REACHES = [None, slice(0, 3), slice(2, 5), slice(6, 7)]
"""What is reached of seven places, at one position after another."""


def looked(look: Callable[[Tensor, slice | None], Tensor], asked: Tensor) -> Tensor:
    """What is found at each position of those asked, in one sum that tells all places and positions apart."""
    return torch.stack([look(asked[:, t : t + 1], reach).square().sum((1, 2)) for t, reach in enumerate(REACHES)])


@pytest.mark.parametrize("axis", [-2, -1])
def test_what_is_reached_is_a_part_of_the_plain_product(axis: int) -> None:
    places, size = 7, INPUT
    memory = draw_normal(2, *((places, size) if axis == -2 else (size, places)), seed=6).double().requires_grad_()
    asked = draw_normal(2, len(REACHES), size if axis == -2 else places, seed=7).double().requires_grad_()

    def part(inputs: Tensor, reach: slice | None) -> Tensor:
        return inputs if reach is None or axis == -2 else inputs[..., reach]

    def plain_look(inputs: Tensor, reach: slice | None) -> Tensor:
        return part(inputs, reach) @ narrow(memory, axis, reach).mT

    look = defer_matmul(memory, axis)
    found, expected = looked(lambda inputs, reach: look(part(inputs, reach), reach), asked), looked(plain_look, asked)
    assert_close(found, expected)
    ours, theirs = (torch.autograd.grad(result.sum(), [memory, asked]) for result in (found, expected))
    assert_close(ours, theirs)
    with torch.no_grad():
        unheld = defer_matmul(memory, axis)
        assert_close(looked(lambda inputs, reach: unheld(part(inputs, reach), reach), asked), expected)
