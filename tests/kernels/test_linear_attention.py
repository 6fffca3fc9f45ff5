"""Attention in linear time: the contexts are those of the equation, whose weights show it."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.attention import Attended
from nmt.attention.normalizer import Softmax, Sparsemax
from nmt.attention.scope import Causal, Global, LocalMonotonic, WindowScope
from nmt.attention.score import Favor, Rotary, ScaledDot
from nmt.attention.scored import ScoredAttention
from nmt.attention.self_attention import CausalAttentionParts, SelfAttentionParts
from nmt.kernels.feature_attention import CHUNK, attend_by_features
from nmt.kernels.switch import disable_kernels
from nmt.kernels.window_attention import LEAST_BLOCK, Windows, attend_in_windows
from nmt.masks import log_mask
from tests.builders import draw_normal, find_missing_gradients, make_mask, make_positions

SIZE, LONG = 8, 5 * LEAST_BLOCK + 7
LENGTHS = [LONG, 3, LONG - 40]
FAVOR = partial(Favor, hidden_size=SIZE, features=13)
DOT = partial(ScaledDot, hidden_size=SIZE)
WINDOW = partial(WindowScope, half_width=3)
LINEAR: dict[str, CausalAttentionParts] = {
    "window": SelfAttentionParts(heads=2, score=DOT, scope=WINDOW),
    "window, first positions": SelfAttentionParts(heads=2, score=DOT, scope=partial(WINDOW, globals=5)),
    "rotary": SelfAttentionParts(
        heads=2, score=partial(Rotary, hidden_size=SIZE), scope=partial(WINDOW, half_width=9, globals=1)
    ),
    "local_m": SelfAttentionParts(heads=1, score=DOT, scope=partial(LocalMonotonic, half_width=2)),
    "causal window": CausalAttentionParts(heads=2, score=DOT, scope=partial(WINDOW, globals=2)),
    "favor": SelfAttentionParts(heads=2, score=FAVOR),
    "causal favor": CausalAttentionParts(heads=2, score=FAVOR),
    "favor, one way": SelfAttentionParts(heads=1, score=FAVOR, scope=Causal),
}
OTHERS: dict[str, CausalAttentionParts] = {
    "sparse": SelfAttentionParts(heads=2, score=DOT, scope=WINDOW, normalizer=Sparsemax),
    "favor, sparse": SelfAttentionParts(heads=2, score=FAVOR, normalizer=Sparsemax),
    "favor in a window": SelfAttentionParts(heads=2, score=FAVOR, scope=WINDOW),
    "scaled_dot": SelfAttentionParts(heads=2, score=DOT),
}


def make_attention(parts: CausalAttentionParts, dropout: float = 0.0) -> ScoredAttention:
    torch.manual_seed(1)
    return parts.build(SIZE, "", dropout)


def make_look(attention: ScoredAttention, lengths: list[int] = LENGTHS) -> Callable[[Tensor, bool], Attended]:
    mask, positions = make_mask(lengths), make_positions(len(lengths), max(lengths))

    def look(states: Tensor, keep_weights: bool = False) -> Attended:
        return attention(states, attention.remember(states, mask), positions, keep_weights=keep_weights)

    return look


def draw_states(lengths: list[int] = LENGTHS, scale: float = 1.0) -> Tensor:
    return draw_normal(len(lengths), max(lengths), SIZE, seed=5, scale=scale) * make_mask(lengths).unsqueeze(-1)


def count_kept(look: Callable[[Tensor], Attended], states: Tensor) -> int:
    """How many numbers a look keeps for the gradient."""
    sizes: list[int] = []

    def count(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda kept: kept):
        look(states.requires_grad_())
    return sum(sizes)


@pytest.mark.parametrize("name", LINEAR)
def test_contexts_and_gradients_without_weights_are_those_with_them(name: str) -> None:
    attention, mask = make_attention(LINEAR[name]), make_mask(LENGTHS).unsqueeze(-1)
    look, found = make_look(attention), []
    for keep_weights in (False, True):
        attention.zero_grad()
        states = draw_states().requires_grad_()
        context = look(states, keep_weights).context * mask
        (context * draw_normal(*context.shape, seed=3)).sum().backward()
        assert find_missing_gradients(attention) == []
        found.append((context, states.grad, [each.grad for each in attention.parameters() if each.requires_grad]))
    assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LINEAR)
def test_what_is_kept_grows_with_the_length_and_not_its_square(name: str) -> None:
    kept = [count_kept(make_look(make_attention(LINEAR[name]), [size]), draw_states([size])) for size in (512, 1024)]
    assert kept[1] < 2.1 * kept[0]
    assert count_kept(make_look(make_attention(OTHERS["sparse"]), [512]), draw_states([512])) > 512**2


@pytest.mark.parametrize("name", OTHERS)
def test_other_parts_are_computed_as_they_are_written(name: str) -> None:
    attention = make_attention(OTHERS[name])
    assert attention.linear_form is None
    look, states = make_look(attention), draw_states()
    assert_close(look(states, False).context, look(states, True).context)


@pytest.mark.parametrize("score", [DOT, FAVOR])
def test_queries_from_elsewhere_have_no_neighbours(score: Callable[..., ScaledDot | Favor]) -> None:
    """As many target positions as source positions, and no order that both have."""
    sizes = {"query_size": SIZE, "heads": 2}
    scope = WINDOW(**sizes) if score is DOT else Causal(**sizes)
    attention = ScoredAttention(
        score=score(memory_size=SIZE, **sizes), scope=scope, normalizer=Softmax(), memory_size=SIZE, heads=2
    )
    assert attention.linear_form is None
    attention.scope = Global(**sizes)


@pytest.mark.parametrize("name", ["window, first positions", "causal window"])
def test_dropout_of_weights_is_that_of_the_equation(name: str) -> None:
    attention = make_attention(LINEAR[name], dropout=0.3).train()
    look, states, mask = make_look(attention), draw_states(), make_mask(LENGTHS).unsqueeze(-1)
    found = []
    for kernels in ((), ("window_attention",)):
        with disable_kernels(*kernels):
            torch.manual_seed(7)
            found.append(look(states, False).context * mask)
    assert_close(*found)
    torch.manual_seed(8)
    assert not torch.allclose(found[0], look(states, False).context * mask)
    contexts = torch.stack([look(states, False).context * mask for _ in range(100)])
    whole = look(states, True)
    values = attention.value(states).unflatten(-1, (2, -1))
    wanted = torch.einsum("rhts,rshv->rthv", whole.weights, values).flatten(2) * mask
    assert ((contexts.mean(0) - wanted).abs() <= 6 * contexts.std(0) / 10).float().mean() > 0.999


@pytest.mark.parametrize("name", ["causal window", "causal favor", "favor, one way"])
@pytest.mark.parametrize("t", [0, 2, CHUNK - 1, CHUNK, LONG - 1])
def test_no_position_feels_a_later_one(name: str, t: int) -> None:
    look, states = make_look(make_attention(LINEAR[name]), [LONG]), draw_states([LONG])
    changed = states.clone()
    changed[:, t:] = 3 * draw_normal(1, LONG - t, SIZE, seed=9)
    before, after = look(states, False).context, look(changed, False).context
    assert torch.equal(before[:, :t], after[:, :t])
    assert not torch.equal(before[:, t], after[:, t])


@pytest.mark.parametrize("name", [name for name in LINEAR if "favor" in name])
@pytest.mark.parametrize("scale", [0.0, 10.0, 100.0])
def test_long_vectors_give_finite_contexts_and_gradients(name: str, scale: float) -> None:
    attention = make_attention(LINEAR[name])
    states = draw_states(scale=scale).requires_grad_()
    context = make_look(attention)(states, False).context
    context.sum().backward()
    assert context.isfinite().all()
    assert states.grad is not None
    assert all(
        each.isfinite().all() for each in (states.grad, *(p.grad for p in attention.parameters() if p.grad is not None))
    )


@pytest.mark.parametrize("is_causal", [False, True])
def test_the_largest_of_the_features_do_not_matter(is_causal: bool) -> None:
    """Features of exp(200) and of exp(-200): sums are taken beside the largest so far."""
    queries, keys, values = (draw_normal(1, 1, 3 * CHUNK, SIZE, seed=seed) for seed in (1, 2, 3))
    bias = torch.zeros(1, 3 * CHUNK)
    shift = torch.linspace(-200, 200, 3 * CHUNK).view(1, 1, -1, 1)
    moved = attend_by_features(queries - shift, keys.clone(), values, bias, is_causal=is_causal)
    assert_close(moved, attend_by_features(queries, keys, values, bias, is_causal=is_causal), rtol=1e-4, atol=1e-4)
    wide = attend_by_features(queries, keys + shift, values, bias, is_causal=is_causal)
    with disable_kernels("feature_attention"):
        wanted = attend_by_features(queries, keys + shift, values, bias, is_causal=is_causal)
    assert_close(wide, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("first", [0, 1, 4])
def test_windows_are_a_loop_over_positions(first: int, is_causal: bool) -> None:
    size, half_width = 2 * LEAST_BLOCK + 5, 4
    queries, keys, values = (draw_normal(1, 1, size, SIZE, seed=seed).double() for seed in (1, 2, 3))
    windows = Windows(half_width=half_width, globals=first, is_causal=is_causal)
    found = attend_in_windows(queries, keys, values, log_mask(make_mask([size]), torch.float64), windows)
    for t in range(size):
        seen = [
            s for s in range(size) if (abs(t - s) <= half_width or s < first or t < first) and (s <= t or not is_causal)
        ]
        weights = torch.softmax(torch.stack([queries[0, 0, t] @ keys[0, 0, s] for s in seen]), 0)
        assert_close(found[0, 0, t], sum(w * values[0, 0, s] for w, s in zip(weights, seen, strict=True)))
