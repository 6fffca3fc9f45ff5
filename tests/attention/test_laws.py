"""What every attention obeys, whatever score, scope, normalizer and heads it is put together from."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.attention import Attended, Attention
from nmt.attention.score import SCORES
from nmt.attention.scored import ScoredAttention
from nmt.trees import select_rows
from tests.builders import (
    MEMORY_SIZE,
    MIXES,
    PAIRWISE_MIXES,
    Mix,
    build_attention,
    draw_normal,
    find_missing_gradients,
    make_mask,
    make_positions,
    take_row,
)

LENGTHS = [7, 1, 11, 2]
"""A source of one piece, one longer than all of `location`'s positions, and one within a window."""
TARGET = 5


class Case(NamedTuple):
    attention: Attention
    states: Tensor
    queries: Tensor


def case_of(mix: Mix, lengths: list[int], target: int = TARGET, seed: int = 1) -> Case:
    attention, query_size = build_attention(mix)
    states = draw_normal(len(lengths), max(lengths), MEMORY_SIZE, seed=seed) * make_mask(lengths).unsqueeze(-1)
    return Case(attention, states, draw_normal(len(lengths), target, query_size, seed=seed + 1))


@pytest.fixture(scope="module", params=PAIRWISE_MIXES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return case_of(request.param, LENGTHS)


def attend(case: Case, lengths: list[int], first: int = 0) -> Attended:
    positions = make_positions(*case.queries.shape[:2], first)
    memory = case.attention.remember(case.states, make_mask(lengths))
    return case.attention(case.queries, memory, positions, keep_weights=True)


@pytest.mark.parametrize("first", [0, 1000], ids=["near", "far"])
def test_weights_sum_to_one_and_only_a_gain_lowers_them(case: Case, first: int) -> None:
    weights = attend(case, LENGTHS, first).weights
    sums = weights.sum(-1)
    assert weights.min() >= 0
    gain = case.attention.scope(
        case.queries, make_positions(*case.queries.shape[:2], first), torch.tensor(LENGTHS), max(LENGTHS)
    ).factor
    if gain is None:
        assert_close(sums, torch.ones_like(sums))
    else:
        assert sums.min() > 0
        assert sums.max() <= 1 + 1e-6


def test_weights_are_zero_outside_the_scope_and_on_padding(case: Case) -> None:
    weights = attend(case, LENGTHS).weights
    allowed = make_mask(LENGTHS)[:, None, None, :].expand_as(weights)
    window = case.attention.scope(
        case.queries, make_positions(*case.queries.shape[:2]), torch.tensor(LENGTHS), max(LENGTHS)
    )
    bias = window.bias
    if bias is not None:
        allowed = allowed & bias.isfinite()
    assert not weights[~allowed].any()
    assert weights[allowed].any()


def test_context_is_the_weighted_sum_of_values(case: Case) -> None:
    context, weights, *_ = attend(case, LENGTHS)
    values = case.attention.value(case.states).unflatten(-1, (case.attention.heads, -1))
    assert_close(context, torch.einsum("rhts,rshv->rthv", weights, values).flatten(2))


def test_padding_is_invisible(case: Case) -> None:
    padded = case.states.masked_fill(~make_mask(LENGTHS).unsqueeze(-1), 1e4)
    longer = torch.cat([padded, padded.new_full((len(LENGTHS), 3, MEMORY_SIZE), 1e4)], 1)
    mask = torch.cat([make_mask(LENGTHS), torch.zeros(len(LENGTHS), 3, dtype=torch.bool)], 1)
    memory = case.attention.remember(longer, mask)
    positions = make_positions(*case.queries.shape[:2])
    context, weights, *_ = case.attention(case.queries, memory, positions, keep_weights=True)
    wanted = attend(case, LENGTHS)
    assert_close(context, wanted.context)
    assert_close(weights[..., : max(LENGTHS)], wanted.weights)


def test_rows_are_independent(case: Case) -> None:
    together = attend(case, LENGTHS)
    for row, length in enumerate(LENGTHS):
        single = Case(case.attention, take_row(case.states, row, length), case.queries[row : row + 1])
        context, weights, *_ = attend(single, [length])
        assert_close(context, together.context[row : row + 1])
        assert_close(weights, together.weights[row : row + 1, ..., :length])


def test_take_commutes_with_attending(case: Case) -> None:
    rows = torch.tensor([2, 0, 2, 1])
    memory = case.attention.remember(case.states, make_mask(LENGTHS))
    positions = make_positions(*case.queries.shape[:2])
    after = select_rows(case.attention(case.queries, memory, positions, keep_weights=True), rows)
    before = case.attention(select_rows(case.queries, rows), select_rows(memory, rows), positions, keep_weights=True)
    assert_close(before, after)


def test_one_target_position_at_a_time_equals_all_at_once(case: Case) -> None:
    memory = case.attention.remember(case.states, make_mask(LENGTHS))
    positions = make_positions(*case.queries.shape[:2])
    steps, past = [], ()
    for t in range(TARGET):
        query = case.queries[:, t : t + 1]
        steps.append(case.attention(query, memory, positions[:, t : t + 1], past, keep_weights=True))
        past = steps[-1].past
    together = attend(case, LENGTHS)
    assert_close(torch.cat([step.context for step in steps], 1), together.context)
    assert_close(torch.cat([step.weights for step in steps], 2), together.weights)


def test_every_parameter_and_input_gets_a_finite_gradient(case: Case) -> None:
    case.attention.zero_grad()
    states, queries = case.states.clone().requires_grad_(), case.queries.clone().requires_grad_()
    context, *_ = attend(Case(case.attention, states, queries), LENGTHS)
    (context * draw_normal(*context.shape, seed=3)).sum().backward()
    assert isinstance(case.attention, ScoredAttention)
    if case.attention.normalizer.reads_scores:
        assert find_missing_gradients(case.attention) == []
    assert states.grad is not None
    assert states.grad.isfinite().all()
    assert states.grad[make_mask(LENGTHS)].any()
    assert queries.grad is not None
    assert queries.grad.isfinite().all()
    assert queries.grad.any() or not case.attention.normalizer.reads_scores


LAWS: tuple[Callable[[Case], None], ...] = (
    *(partial(test_weights_sum_to_one_and_only_a_gain_lowers_them, first=first) for first in (0, 1000)),
    test_weights_are_zero_outside_the_scope_and_on_padding,
    test_context_is_the_weighted_sum_of_values,
    test_padding_is_invisible,
    test_rows_are_independent,
    test_take_commutes_with_attending,
    test_one_target_position_at_a_time_equals_all_at_once,
    test_every_parameter_and_input_gets_a_finite_gradient,
)


@pytest.mark.slow
@pytest.mark.parametrize("score", SCORES)
def test_all_other_mixes_obey_the_same_laws(score: str) -> None:
    """One test for many, since pytest takes longer to list thousands than the default tests take to run here."""
    for mix in MIXES:
        if mix.score == score and mix not in PAIRWISE_MIXES:
            for law in LAWS:
                try:
                    law(case_of(mix, LENGTHS))
                except AssertionError as problem:
                    problem.add_note(str(mix))
                    raise


@given(
    mix=st.sampled_from(MIXES),
    lengths=st.lists(st.integers(1, 17), min_size=1, max_size=4),
    first=st.integers(0, 40),
    scale=st.sampled_from([0.0, 1.0, 100.0]),
)
def test_nothing_is_ever_nan(mix: Mix, lengths: list[int], first: int, scale: float) -> None:
    case = case_of(mix, lengths, target=2)
    states, queries = (case.states * scale).requires_grad_(), (case.queries * scale).requires_grad_()
    context, weights, *_ = attend(Case(case.attention, states, queries), lengths, first)
    context.sum().backward()
    assert context.isfinite().all()
    assert weights.isfinite().all()
    learned = [states, queries, *case.attention.parameters()]
    assert all(tensor.grad is None or tensor.grad.isfinite().all() for tensor in learned)
