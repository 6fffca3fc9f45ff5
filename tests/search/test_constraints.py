import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import ConfigError
from nmt.search.beam import Beam
from nmt.search.constraints import Constraints
from nmt.search.searches import SEARCHES
from nmt.special_tokens import BOS, EOS, PAD, UNK

pytestmark = pytest.mark.usefixtures("unchecked_shapes")  # those of searches are checked in test_beam.py

SEEDS = range(6)
EVERY = pytest.mark.parametrize("name", SEARCHES)


def ngrams(tokens: list[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(tokens[place : place + size]) for place in range(len(tokens) - size + 1)]


@given(
    produced=st.lists(st.integers(4, 6), max_size=9),
    size=st.integers(1, 4),
    least=st.floats(0, 2),
    extra=st.integers(0, 5),
    unknown=st.booleans(),
    length=st.integers(1, 6),
)
def test_a_token_is_allowed_where_a_reader_of_the_rules_says_so(
    produced: list[int], size: int, least: float, extra: int, unknown: bool, length: int
) -> None:
    constraints = Constraints(min_ratio=least, max_ratio=2.0, max_extra=extra, no_repeat_ngram=size, unknown=unknown)
    limits = constraints.compute_limits(torch.tensor([length]))
    most = math.floor(2.0 * (length - 1) + extra)
    fewest = min(most, math.ceil(least * (length - 1)))
    assert (limits.minimum.tolist(), limits.maximum.tolist()) == ([fewest], [most])

    old = set(ngrams(produced, size))
    allowed = set()
    if len(produced) < most:
        tail = produced[len(produced) - size + 1 :] if size > 1 else []
        enough = len(produced) >= size - 1
        real = [UNK, *range(4, 9)] if unknown else range(4, 9)
        allowed = {token for token in real if not (enough and (*tail, token) in old)}
    if len(produced) >= fewest or not allowed:
        allowed.add(EOS)
    log_probs = torch.randn(1, 1, 9).log_softmax(-1)
    confined = log_probs.clone()
    constraints.apply(confined, torch.tensor([[produced]]).long(), limits)
    found = confined[0, 0]
    assert {token for token in range(9) if found[token] > -math.inf} == allowed
    assert torch.equal(found[sorted(allowed)], log_probs[0, 0, sorted(allowed)])


@EVERY
@pytest.mark.parametrize("seed", SEEDS)
def test_lengths_stay_within_their_limits(name: str, seed: int, toy: Callable[..., Any]) -> None:
    made = toy(seed, lengths=(1, 3, 5, 7))
    search = SEARCHES[name](min_ratio=0.75, max_ratio=1.0, max_extra=1)
    for length, hypotheses in zip((1, 3, 5, 7), made.search(search), strict=True):
        for hypothesis in hypotheses:
            assert math.ceil(0.75 * (length - 1)) <= len(hypothesis.tokens) <= length


@EVERY
def test_a_maximum_of_nothing_gives_the_empty_hypothesis_with_the_cost_of_ending(
    name: str, toy: Callable[..., Any]
) -> None:
    made = toy(0, lengths=(3, 5))
    for sentence, (hypothesis,) in enumerate(made.search(SEARCHES[name](max_ratio=0.0, max_extra=0))):
        log_probs, weights = made.after(sentence, [])
        assert hypothesis.tokens == []
        assert hypothesis.log_prob == pytest.approx(log_probs[EOS])
        assert hypothesis.weights.tolist() == [pytest.approx(weights)]


@EVERY
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("unknown", [True, False])
def test_control_symbols_are_never_produced(name: str, seed: int, unknown: bool, toy: Callable[..., Any]) -> None:
    found = toy(seed, lengths=(4, 6, 3)).search(SEARCHES[name](unknown=unknown))
    produced = {token for hypotheses in found for hypothesis in hypotheses for token in hypothesis.tokens}
    assert not produced & ({PAD, BOS, EOS} if unknown else {PAD, BOS, EOS, UNK})


@EVERY
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_ngram_is_repeated(name: str, seed: int, size: int, toy: Callable[..., Any]) -> None:
    search = SEARCHES[name](no_repeat_ngram=size, min_ratio=2.0, max_ratio=3.0)
    for hypothesis, *_ in toy(seed, lengths=(4, 6, 3)).search(search):
        found = ngrams(hypothesis.tokens, size)
        assert len(set(found)) == len(found)


@EVERY
def test_a_hypothesis_with_nowhere_to_go_ends_below_its_minimum(name: str, toy: Callable[..., Any]) -> None:
    ((hypothesis, *_),) = toy(0, lengths=(9,)).search(SEARCHES[name](no_repeat_ngram=1, min_ratio=1.0))
    assert sorted(hypothesis.tokens) == [UNK, 4, 5]
    assert hypothesis.log_prob > -math.inf


@EVERY
def test_numbers_that_are_none_do_not_keep_a_search_from_ending(name: str) -> None:
    def step(tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        return torch.full((len(tokens), 7), torch.nan), state, None

    found = SEARCHES[name](max_extra=3)(step, (), (), torch.tensor([2, 4]))
    assert [len(hypotheses) for hypotheses in found] == [1, 1]


@EVERY
def test_a_model_that_allows_nothing_gives_an_empty_hypothesis_of_no_probability(name: str) -> None:
    def step(tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        log_probs = torch.full((len(tokens), 7), -torch.inf)
        log_probs[:, PAD] = 0.0
        return log_probs, state, None

    for (hypothesis,) in SEARCHES[name](max_extra=3)(step, (), (), torch.tensor([2, 4])):
        assert hypothesis.log_prob == -math.inf
        assert PAD not in hypothesis.tokens


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_ratio": -0.1},
        {"min_ratio": 2.0, "max_ratio": 1.0},
        {"max_ratio": math.inf},
        {"max_ratio": math.nan},
        {"max_extra": -1},
        {"no_repeat_ngram": 0},
    ],
)
@EVERY
def test_settings_out_of_range_are_refused(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SEARCHES[name](**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"nbest": 0},
        {"size": 3, "nbest": 4},
        {"alpha": -0.1},
        {"coverage": math.nan},
    ],
)
def test_a_beam_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=list(wrong)[-1]):
        Beam(**wrong)
