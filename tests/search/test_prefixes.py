"""Hypotheses begin as they are asked to, and n-grams with exempt tokens may repeat: for every search."""

from collections.abc import Callable
from typing import Any

import pytest

from nmt.search.beam import Beam
from nmt.search.constraints import Constraints
from nmt.search.diverse import DiverseBeam
from nmt.search.greedy import Greedy
from nmt.search.protocols import Request
from nmt.search.sampling import Sampling
from nmt.special_tokens import EOS, UNK
from tests.search.test_beam import log_prob_of

pytestmark = pytest.mark.usefixtures("unchecked_shapes")  # those of searches are checked in test_beam.py

SEARCHES: list[Constraints] = [
    Greedy(),
    Beam(size=3, nbest=3),
    Beam(size=2, coverage=0.2, stopping="exact", length_penalty="power"),
    DiverseBeam(size=4, groups=2, nbest=4),
    Sampling(samples=3, seed=5),
    Sampling(samples=2, seed=5, top_k=2, no_repeat_ngram=1, unknown=False),
]
EVERY = pytest.mark.parametrize("search", SEARCHES, ids=lambda search: type(search).__name__)
PREFIXES = [[7, 4], [], [5] * 15, [UNK, 6, 6], [9]]
LENGTHS = (3, 4, 2, 5, 1)


def search_from(made: Any, search: Any, prefixes: list[list[int]] | None, sentences: list[int]) -> Any:
    request = Request(None if prefixes is None else [prefixes[sentence] for sentence in sentences])
    return made.search(lambda *given: search(*given, request), sentences)


@EVERY
def test_hypotheses_begin_with_their_prefix_and_count_it(search: Constraints, toy: Callable[..., Any]) -> None:
    made = toy(2, vocab=11, lengths=LENGTHS, sharpness=2.0)
    found = search_from(made, search, PREFIXES, list(range(len(LENGTHS))))
    for sentence, (prefix, hypotheses) in enumerate(zip(PREFIXES, found, strict=True)):
        assert hypotheses
        for hypothesis in hypotheses:
            assert hypothesis.tokens[: len(prefix)] == prefix
            assert hypothesis.log_prob == pytest.approx(log_prob_of(made, sentence, hypothesis.tokens), abs=1e-3)
            assert hypothesis.weights.shape == (len(hypothesis.tokens) + 1, LENGTHS[sentence])
    assert all(hypothesis.tokens == PREFIXES[2] for hypothesis in found[2])  # longer than the maximum, so it is all


@pytest.mark.parametrize("search", SEARCHES[:4], ids=lambda search: type(search).__name__)
def test_what_others_begin_with_does_not_matter(search: Constraints, toy: Callable[..., Any]) -> None:
    made = toy(4, vocab=11, lengths=LENGTHS, sharpness=2.0)
    together = search_from(made, search, PREFIXES, list(range(len(LENGTHS))))
    for sentence, found in enumerate(together):
        (alone,) = search_from(made, search, PREFIXES, [sentence])
        assert [one.tokens for one in alone] == [one.tokens for one in found]
        assert [one.score for one in alone] == pytest.approx([one.score for one in found], abs=1e-5)
    assert [one.tokens for one in together[1]] == [one.tokens for one in search_from(made, search, None, [1])[0]]


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_best_of_all_that_begin_so(seed: int, toy: Callable[..., Any]) -> None:
    made = toy(seed, lengths=(2, 3))
    rules: dict[str, Any] = {"max_ratio": 1.0, "max_extra": 2, "length_penalty": "power", "alpha": 1.0, "nbest": 300}
    everything = made.search(Beam(size=300, stopping="exact", **rules))
    begun = search_from(made, Beam(size=300, stopping="exact", **rules), [[4], [5, 1]], [0, 1])
    for prefix, free, found in zip([[4], [5, 1]], everything, begun, strict=True):
        expected = [one.tokens for one in free if one.tokens[: len(prefix)] == prefix]
        assert [one.tokens for one in found] == expected


def test_a_prefix_that_is_what_would_be_found_changes_nothing(toy: Callable[..., Any]) -> None:
    made = toy(6, vocab=11, lengths=(4, 6), sharpness=2.0)
    free = made.search(Greedy())
    begun = search_from(made, Greedy(), [one.tokens[:2] for (one,) in free], [0, 1])
    assert [one[:3] for (one,) in begun] == [one[:3] for (one,) in free]


def ngrams(tokens: list[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(tokens[place : place + size]) for place in range(len(tokens) - size + 1)]


@pytest.mark.parametrize("search", [Greedy, Beam, DiverseBeam])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_only_ngrams_with_an_exempt_token_repeat(search: Any, size: int, toy: Callable[..., Any]) -> None:
    exempt, repeated = {4, 5}, 0
    for seed in range(4):
        made = toy(seed, vocab=8, lengths=(9, 5))
        chosen = search(no_repeat_ngram=size, min_ratio=3.0, max_ratio=4.0)
        for hypotheses in made.search(lambda *given, chosen=chosen: chosen(*given, Request(exempt=tuple(exempt)))):
            found = ngrams(hypotheses[0].tokens, size)
            again = [ngram for ngram in found if found.count(ngram) > 1]
            assert all(exempt & set(ngram) for ngram in again)
            repeated += len(again)
    assert repeated  # or nothing would be exempt


def test_end_is_not_taken_for_a_prefix(toy: Callable[..., Any]) -> None:
    made = toy(0, vocab=11, lengths=(3,), sharpness=4.0)
    ((found,),) = search_from(made, Greedy(max_ratio=0.0, max_extra=0), [[8]], [0])
    assert found.tokens == [8]
    assert EOS not in found.tokens
