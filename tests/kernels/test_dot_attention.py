"""Where attention is computed by one function of torch: the contexts are those of its equation, which weights show."""

from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from nmt.attention import scored
from nmt.attention.scored import ScoredAttention
from nmt.kernels import dot_attention, precision
from nmt.kernels.dot_attention import attend_by_dot
from nmt.kernels.switch import disable_kernels
from tests.builders import Mix, build_attention, draw_normal, make_mask, make_mix, make_positions

LENGTHS = [4, 1, 6]
PLAIN = [
    make_mix(score, scope, heads=heads)
    for score, heads in (("scaled_dot", 1), ("scaled_dot", 4), ("rotary", 2))
    for scope in ("global", "causal", "window", "alibi")
]
OTHERS = [
    make_mix("dot", heads=2),
    make_mix("scaled_dot", "local_p", heads=2),
    make_mix("scaled_dot", normalizer="sparsemax", heads=2),
    Mix("scaled_dot", "global", (), "softmax", 2, history="coverage"),
    Mix("scaled_dot", "global", (), "softmax", 2, selection="sampled"),
]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many target positions each call of the kernel had."""
    found: list[int] = []

    def count(queries: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        found.append(queries.shape[2])
        return attend_by_dot(queries, *others)

    monkeypatch.setattr(scored, "attend_by_dot", count)
    return found


def attend(mix: Mix, targets: int, beam: int = 1) -> Callable[..., scored.Attended]:
    attention, query_size = build_attention(mix)
    attention.eval()
    assert isinstance(attention, ScoredAttention)
    memory = attention.remember(draw_normal(3, 6, attention.context_size), make_mask(LENGTHS))
    query = draw_normal(3 * beam, targets, query_size, seed=1)

    def look(keep_weights: bool) -> scored.Attended:
        past = attention.start(memory)
        return attention(query, memory, make_positions(3 * beam, targets, 2), past, keep_weights=keep_weights)

    return look


@pytest.mark.parametrize(("targets", "beam"), [(5, 1), (1, 2)])
@pytest.mark.parametrize("mix", PLAIN, ids=str)
def test_contexts_without_weights_are_those_with_them(mix: Mix, targets: int, beam: int, calls: list[int]) -> None:
    look = attend(mix, targets, beam)
    found, wanted = look(False), look(True)
    assert calls == [targets * beam]
    assert found.weights is None
    assert_close(found.context, wanted.context)


@pytest.mark.parametrize("mix", OTHERS, ids=str)
def test_other_parts_are_computed_as_they_are_written(mix: Mix, calls: list[int]) -> None:
    look = attend(mix, 1)
    assert_close(look(False).context, look(True).context)
    assert calls == []


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_what_is_not_a_number_stays_none_in_its_row(number: float) -> None:
    queries, keys = draw_normal(2, 1, 3, 4), draw_normal(2, 1, 5, 4, seed=1)
    queries[1, 0, 2] = number
    found = attend_by_dot(queries, keys, keys, torch.zeros(2, 1, 1, 5))
    with disable_kernels("dot_attention"):
        wanted = attend_by_dot(queries, keys, keys, torch.zeros(2, 1, 1, 5))
    assert wanted[1, 0, 2].isnan().all()
    assert_close(found, wanted, equal_nan=True)


def test_in_a_shorter_format_contexts_are_still_in_single_precision() -> None:
    queries, keys = draw_normal(2, 1, 3, 4).bfloat16(), draw_normal(2, 1, 5, 4, seed=1)
    bias = torch.zeros(2, 1, 1, 5)
    with torch.autocast("cpu", torch.bfloat16), precision.amx_bfloat16():
        found = attend_by_dot(queries, keys, keys, bias)
    assert found.dtype == torch.float32
    assert_close(found, dot_attention.attend_by_dot_reference(queries.float(), keys, keys, bias))
