"""The fused products of a recurrence against the plain equations, in values and in every gradient."""

import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.kernels import recurrence
from nmt.kernels.packed_linear import pack_linear
from nmt.kernels.precision import use_onednn
from nmt.kernels.recurrence import FusedRecurrence
from tests.builders import draw_normal

ROW, HIDDEN, FED, POSITIONS = 3, 5, 4, 4

SHRINK = 8
"""Without it a recurrence of products alone grows."""

Given = tuple[Tensor, ...]
"""The weight, what is added (at each position; for a GRU to all), the first cell state and output, and what is fed."""
Recurrence = Callable[[Tensor, Tensor | None, Tensor, Tensor, Tensor], Tensor]


def given(kind: str, dtype: torch.dtype = torch.float64) -> Given:
    size = {"lstm": 4, "gru": 3}.get(kind, 1) * HIDDEN
    shapes = [(size, FED + HIDDEN), (POSITIONS, ROW, size), (ROW, HIDDEN), (ROW, HIDDEN), (POSITIONS, ROW, FED)]
    if kind == "gru":
        shapes = [(size, HIDDEN), (size,), (ROW, HIDDEN), (ROW, HIDDEN), (POSITIONS, ROW, size)]
    return tuple(draw_normal(*shape, seed=seed).to(dtype).requires_grad_() for seed, shape in enumerate(shapes))


def plain_lstm(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    i, f, g, o = gates.chunk(4, 1)
    following = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(following), following


def plain_gru(projected: Tensor, product: Tensor, hidden: Tensor) -> Tensor:
    reset, update = (
        torch.sigmoid(x + u) for x, u in zip(*(t.chunk(3, 1)[:2] for t in (projected, product)), strict=True)
    )
    new = torch.tanh(projected[:, -HIDDEN:] + reset * product[:, -HIDDEN:])
    return (1 - update) * new + update * hidden


def fused(kind: str) -> Recurrence:
    """Every position's output and cell state, one after another."""

    def run(weight: Tensor, added: Tensor | None, cell: Tensor, hidden: Tensor, fed: Tensor) -> Tensor:
        product, seen = FusedRecurrence(weight, POSITIONS, ROW, added), []
        for t in range(POSITIONS):
            if kind == "lstm":
                hidden, cell = product.lstm(cell, fed[t], hidden)
            elif kind == "gru":
                hidden = product.gru(fed[t], hidden)
            elif kind == "tanh":
                hidden = product.tanh(fed[t], hidden)
            else:
                hidden = product.linear(fed[t], hidden) / SHRINK
            seen += [hidden, cell]
        return torch.stack(seen)

    return run


def plain(kind: str) -> Recurrence:
    def run(weight: Tensor, added: Tensor | None, cell: Tensor, hidden: Tensor, fed: Tensor) -> Tensor:
        seen = []
        for t in range(POSITIONS):
            read = hidden if kind == "gru" else torch.cat([fed[t], hidden], 1)
            product = read @ weight.t() + (0 if added is None else added if added.ndim == 1 else added[t])
            if kind == "lstm":
                hidden, cell = plain_lstm(product, cell)
            elif kind == "gru":
                hidden = plain_gru(fed[t], product, hidden)
            else:
                hidden = torch.tanh(product) if kind == "tanh" else product / SHRINK
            seen += [hidden, cell]
        return torch.stack(seen)

    return run


KINDS = pytest.mark.parametrize("kind", ["lstm", "gru", "tanh", "linear"])


@KINDS
@pytest.mark.parametrize("adding", [True, False])
def test_it_is_the_equation_with_its_gradients(kind: str, adding: bool) -> None:
    weight, added, *rest = given(kind)
    more = added if adding else None
    wanted = [weight, *rest, *([added] if adding else [])]
    found, expected = fused(kind)(weight, more, *rest), plain(kind)(weight, more, *rest)
    assert_close(found, expected)
    ours, theirs = (
        torch.autograd.grad(result.square().sum(), wanted, allow_unused=True) for result in (found, expected)
    )
    assert_close(ours, theirs)


@KINDS
def test_the_gradient_is_that_of_finite_differences(kind: str) -> None:
    assert torch.autograd.gradcheck(fused(kind), given(kind))


@pytest.mark.parametrize("seen", [[0], [1], [2, 5], [6], [7]])
def test_gradients_are_those_of_the_equation_whatever_is_read_of_it(seen: list[int]) -> None:
    wanted = given("lstm")
    ours, theirs = (
        torch.autograd.grad(run(*wanted)[seen].square().sum(), wanted, allow_unused=True)
        for run in (fused("lstm"), plain("lstm"))
    )
    assert_close(ours, theirs)


@KINDS
@pytest.mark.parametrize("frozen", range(5))
def test_what_is_frozen_needs_no_gradient(kind: str, frozen: int) -> None:
    inputs = given(kind)
    inputs[frozen].requires_grad_(False)
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    ours, theirs = (
        torch.autograd.grad(run(*inputs).square().sum(), wanted, allow_unused=True)
        for run in (fused(kind), plain(kind))
    )
    assert_close(ours, theirs)


@KINDS
def test_a_second_backward_counts_once_more_and_leaves_the_first(kind: str) -> None:
    wanted = given(kind)
    loss = fused(kind)(*wanted).square().sum()
    first = torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True)
    kept = [None if grad is None else grad.clone() for grad in first]
    second = torch.autograd.grad(3 * loss, wanted, allow_unused=True)
    assert_close(list(first), kept)
    assert_close(list(second), [None if grad is None else 3 * grad for grad in kept])


@KINDS
def test_a_second_backward_of_other_positions_is_its_own(kind: str) -> None:
    inputs = given(kind)
    wanted = inputs[0]
    found, expected = fused(kind)(*inputs), plain(kind)(*inputs)
    for place in (0, 6, 2):
        ours, theirs = (
            torch.autograd.grad(result[place].sum(), wanted, retain_graph=True) for result in (found, expected)
        )
        assert_close(ours, theirs)


def test_inputs_that_do_not_fill_the_weight_are_refused() -> None:
    weight, added, cell, hidden, _ = given("lstm")
    with pytest.raises(ValueError, match="for 9 inputs was given 5"):
        FusedRecurrence(weight, POSITIONS, ROW, added).lstm(cell, hidden)


@KINDS
def test_what_is_given_stays_as_it_is(kind: str) -> None:
    inputs = given(kind)
    before = [tensor.detach().clone() for tensor in inputs]
    fused(kind)(*inputs).sum().backward()
    assert_close([tensor.detach() for tensor in inputs], before)


@KINDS
def test_packed_weights_and_plain_ones_agree(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = given(kind, torch.float32)
    wanted = plain(kind)(*inputs)
    monkeypatch.setattr(recurrence, "linear_for", lambda weight, rows: pack_linear(weight))
    found = fused(kind)(*inputs)
    assert_close(found, wanted)
    ours, theirs = (torch.autograd.grad(result.square().sum(), inputs, allow_unused=True) for result in (found, wanted))
    assert_close(ours, theirs)


@KINDS
@pytest.mark.parametrize("packs", [False, True])
@pytest.mark.parametrize("added", [torch.float32, torch.bfloat16])
def test_in_bfloat16_only_products_and_what_is_added_are_rounded(
    kind: str, packs: bool, added: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    if packs:
        if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            pytest.skip("needs AVX-512")
        monkeypatch.setattr(recurrence, "linear_for", lambda weight, rows: pack_linear(weight))
    use_onednn(False)
    inputs = given(kind, torch.float32)
    wanted = plain(kind)(*inputs)
    weight, more, *rest = inputs
    with torch.autocast("cpu", torch.bfloat16):
        found = fused(kind)(weight, more.to(added), *rest)
    assert found.dtype == torch.float32
    assert_close(found, wanted, atol=0.05, rtol=0.05)
    ours, theirs = (torch.autograd.grad(result.sum(), inputs, allow_unused=True) for result in (found, wanted))
    for our, their in zip(ours, theirs, strict=True):
        if their is not None:
            assert our.dtype == torch.float32
            assert float(torch.nn.functional.cosine_similarity(our.flatten(), their.flatten(), dim=0)) > 0.99


@KINDS
@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("taken", [False, True])
def test_nothing_is_kept_when_the_result_is_gone(kind: str, rounded: bool, taken: bool) -> None:
    weight, added, cell, hidden, fed = given(kind, torch.float32)
    with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
        product = FusedRecurrence(weight, POSITIONS, ROW, added)
        one = {"lstm": lambda: product.lstm(cell, fed[0], hidden)[0], "gru": lambda: product.gru(fed[0], hidden)}
        found = one.get(kind, lambda: getattr(product, kind)(fed[0], hidden))()
    kept = weakref.ref(product.tape)
    if taken:
        found.sum().backward()
    del product, found
    assert kept() is None


@KINDS
def test_a_change_of_the_weight_in_between_is_noticed(kind: str) -> None:
    weight, *rest = given(kind)
    held = weight.clone()
    loss = fused(kind)(held, *rest).sum()
    with torch.no_grad():
        held.add_(1)
    with pytest.raises(RuntimeError, match="modified"):
        loss.backward()
