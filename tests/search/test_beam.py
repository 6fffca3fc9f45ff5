"""Two oracles that share no code with the search: a list of all translations, and a beam written as plain loops."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nmt.errors import ConfigError
from nmt.search.beam import Beam
from nmt.search.greedy import Greedy
from nmt.special_tokens import EOS, UNK

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

SEEDS = range(8)
RANKINGS: list[dict[str, Any]] = [
    {"length_penalty": "none"},
    {"length_penalty": "average"},
    {"length_penalty": "gnmt", "alpha": 0.6},
    {"length_penalty": "gnmt", "alpha": 2.0},
    {"length_penalty": "none", "coverage": 0.4},
    {"length_penalty": "gnmt", "coverage": 0.3},
    {"length_penalty": "power", "alpha": 1.3, "coverage": 1.0},
]
RULES: list[dict[str, Any]] = [
    {"max_ratio": 1.0, "max_extra": 1},
    {"min_ratio": 0.7, "max_ratio": 1.0, "max_extra": 1},
    {"max_ratio": 1.0, "max_extra": 1, "no_repeat_ngram": 1, "unknown": False},
    {"min_ratio": 1.0, "max_ratio": 1.0, "max_extra": 1, "no_repeat_ngram": 2},
]
EVERY_RANKING = pytest.mark.parametrize("ranking", RANKINGS, ids=str)
EVERY_RULE = pytest.mark.parametrize("rules", RULES, ids=str)


def limits(search: Beam, length: int) -> tuple[int, int]:
    most = math.floor(search.max_ratio * (length - 1) + search.max_extra)
    return min(most, math.ceil(search.min_ratio * (length - 1))), most


def allowed(search: Beam, tokens: list[int]) -> bool:
    size = search.no_repeat_ngram or len(tokens) + 1
    ngrams = [tuple(tokens[place : place + size]) for place in range(len(tokens) - size + 1)]
    return len(ngrams) == len(set(ngrams)) and (search.unknown or UNK not in tokens)


def log_prob_of(toy: Any, sentence: int, tokens: list[int]) -> float:
    return sum(toy.after(sentence, tokens[:place])[0][token] for place, token in enumerate([*tokens, EOS]))


def divisor_of(search: Beam, length: int) -> float:
    divisors = {
        "none": 1.0,
        "average": length,
        "gnmt": ((5 + length) / 6) ** search.alpha,
        "power": length**search.alpha,
    }
    return divisors[search.length_penalty]


def score_of(search: Beam, toy: Any, sentence: int, tokens: list[int]) -> float:
    length = len(tokens) + 1
    looks = [toy.after(sentence, tokens[:place])[1] for place in range(length)]
    covered = [sum(column) for column in zip(*looks, strict=True)]
    cost = sum(math.log(max(min(share, 1.0), 1e-6)) for share in covered)
    return log_prob_of(toy, sentence, tokens) / divisor_of(search, length) + search.coverage * cost


def translations(search: Beam, toy: Any, sentence: int) -> list[tuple[float, list[int]]]:
    """All complete translations that the constraints allow, best first."""
    least, most = limits(search, int(toy.lengths[sentence]))
    real = [token for token in range(toy.vocab) if token == UNK or token > EOS]
    every = [list(some) for length in range(most + 1) for some in itertools.product(real, repeat=length)]

    def stuck(tokens: list[int]) -> bool:
        return not any(allowed(search, [*tokens, token]) for token in real)

    kept = [some for some in every if allowed(search, some) and (len(some) >= least or stuck(some))]
    return sorted(((score_of(search, toy, sentence, some), some) for some in kept), reverse=True)


def plain_beam(search: Beam, toy: Any, sentence: int) -> list[tuple[float, list[int]]]:
    """The same search for one sentence as loops over lists. Exact is run to the maximum whatever has been found."""
    least, most = limits(search, int(toy.lengths[sentence]))
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[tuple[float, list[int]]] = []
    for length in range(most + 1):
        grown = [
            (log_prob + step, [*tokens, token])
            for log_prob, tokens in live
            for token, step in enumerate(toy.after(sentence, tokens)[0])
            if (token == EOS and length >= least)
            or (length < most and (token > EOS or token == UNK) and allowed(search, [*tokens, token]))
        ]
        grown.sort(key=lambda candidate: -candidate[0])
        first = grown[: search.size]
        finished += [(score_of(search, toy, sentence, t[:-1]), t[:-1]) for _, t in first if t[-1] == EOS]
        live = [candidate for candidate in grown if candidate[1][-1] != EOS][: search.size]
        best = sorted((score for score, _ in finished), reverse=True)[: search.nbest]
        ended_next = [log_prob / divisor_of(search, min(len(tokens), most) + 1) for log_prob, tokens in live]
        if search.stopping == "likely" and len(best) == search.nbest and max(ended_next, default=-math.inf) <= best[-1]:
            break
    return sorted(finished, reverse=True)


def assert_found(found: Any, expected: list[tuple[float, list[int]]], toy: Any, sentence: int, nbest: int) -> None:
    assert [hypothesis.tokens for hypothesis in found] == [tokens for _, tokens in expected[:nbest]]
    for hypothesis, (score, tokens) in zip(found, expected, strict=False):
        assert hypothesis.score == pytest.approx(score, abs=1e-4)
        assert hypothesis.log_prob == pytest.approx(log_prob_of(toy, sentence, tokens), abs=1e-4)
        looks = [toy.after(sentence, tokens[:place])[1] for place in range(len(tokens) + 1)]
        np.testing.assert_allclose(hypothesis.weights, np.array(looks), rtol=1e-5)
        assert hypothesis.weights.dtype == np.float32


@EVERY_RANKING
@EVERY_RULE
@pytest.mark.parametrize("seed", SEEDS[:1])
def test_a_beam_wide_enough_finds_the_best_of_all_translations(
    ranking: dict[str, Any], rules: dict[str, Any], seed: int, toy: Callable[..., Any]
) -> None:
    made = toy(seed, lengths=(3, 1, 2))
    search = Beam(size=40, nbest=5, stopping="exact", **ranking, **rules)
    for sentence, found in enumerate(made.search(search)):
        assert_found(found, translations(search, made, sentence), made, sentence, 5)


@EVERY_RANKING
@EVERY_RULE
@pytest.mark.parametrize("stopping", ["exact", "likely"])
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_a_beam_finds_what_plain_loops_find(
    ranking: dict[str, Any], rules: dict[str, Any], stopping: Any, seed: int, toy: Callable[..., Any], lengths_of: Any
) -> None:
    made = toy(seed, vocab=11, lengths=lengths_of(seed), sharpness=2.5)
    rules = {**rules, "max_extra": 4}
    for size, nbest in ((1, 1), (2, 1), (3, 3), (5, 2)):
        search = Beam(size=size, nbest=nbest, stopping=stopping, **ranking, **rules)
        for sentence, found in enumerate(made.search(search)):
            assert_found(found, plain_beam(search, made, sentence), made, sentence, nbest)


@pytest.mark.parametrize("ranking", [some for some in RANKINGS if some.get("alpha") != 2.0], ids=str)
def test_it_does_stop_early(ranking: dict[str, Any], toy: Callable[..., Any]) -> None:
    made = toy(1, vocab=11, lengths=(3, 3, 3, 3), sharpness=4.0)
    made.search(Beam(size=2, max_extra=60, **ranking))
    assert len(made.calls) < 64
    first, *rest = made.calls
    assert first == 4 < rest[0]  # of the empty hypothesis there are no copies
    assert sorted(rest, reverse=True) == rest
    assert rest[0] > rest[-1]  # finished sentences have left


def steps(made: Any, search: Beam) -> int:
    """The steps that a search takes."""
    before = len(made.calls)
    made.search(search)
    return len(made.calls) - before


def test_likely_stops_before_exact_and_without_a_penalty_with_it(toy: Callable[..., Any]) -> None:
    made = toy(1, vocab=11, lengths=(3, 3, 3, 3), sharpness=2.5)
    taken = {
        (penalty, stopping): steps(made, Beam(size=3, max_extra=60, length_penalty=penalty, stopping=stopping))
        for penalty in ("none", "gnmt", "average")
        for stopping in ("likely", "exact")
    }
    assert taken["none", "likely"] == taken["none", "exact"]
    assert taken["gnmt", "likely"] < taken["gnmt", "exact"]
    assert taken["average", "likely"] < taken["average", "exact"]


@EVERY_RANKING
@pytest.mark.parametrize("seed", SEEDS[:3])
def test_sentences_do_not_depend_on_each_other(ranking: dict[str, Any], seed: int, toy: Callable[..., Any]) -> None:
    made = toy(seed, vocab=101, lengths=(2, 7, 1, 5), sharpness=3.0)
    search = Beam(size=4, nbest=4, **ranking)
    together = made.search(search)
    for order in ([3, 2, 1, 0], [1], [2, 2, 0]):
        for sentence, found in zip(order, made.search(search, order), strict=True):
            for one, other in zip(found, together[sentence], strict=True):
                assert one.tokens == other.tokens
                assert one.log_prob == other.log_prob
                assert one.score == pytest.approx(other.score, rel=1e-6)
                assert np.array_equal(one.weights, other.weights)


@pytest.mark.parametrize("seed", SEEDS)
def test_size_one_without_a_penalty_is_greedy_search(seed: int, toy: Callable[..., Any], lengths_of: Any) -> None:
    for rules in RULES:
        made = toy(seed, vocab=23, lengths=lengths_of(seed), sharpness=3.0)
        beam = made.search(Beam(size=1, length_penalty="none", **rules))
        for (one,), (other,) in zip(beam, made.search(Greedy(**rules)), strict=True):
            assert one[:3] == other[:3]
            assert np.array_equal(one.weights, other.weights)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_ties_go_to_the_first_token(size: int) -> None:
    def step(tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        return torch.full((len(tokens), 700), -math.log(700)), state, None

    search = Beam(
        size=size, nbest=size, length_penalty="none", min_ratio=1.0, max_ratio=1.0, max_extra=0, unknown=False
    )
    ((*found,), _) = search(step, (), (), torch.tensor([3, 1]))
    assert [hypothesis.tokens for hypothesis in found] == [[4, 4 + place] for place in range(size)]
    assert found[0].weights is None


def test_among_finished_hypotheses_a_tie_goes_to_the_one_that_finished_first() -> None:
    def step(tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        return torch.full((len(tokens), 7), -2.0), state, None

    ((*found,),) = Beam(size=3, nbest=2, length_penalty="average")(step, (), (), torch.tensor([5]))
    assert [(hypothesis.tokens, hypothesis.score) for hypothesis in found] == [([], -2.0), ([UNK], -2.0)]


def test_an_end_out_of_the_beam_does_not_finish(toy: Callable[..., Any]) -> None:
    def step(tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        log_probs = torch.tensor([[-50.0, -50.0, -50.0, math.log(0.2), math.log(0.5), math.log(0.3)]])
        return log_probs.repeat(len(tokens), 1), state, None

    search = {"length_penalty": "none", "max_ratio": 0.0, "max_extra": 3}
    ((narrow,),) = Beam(size=2, **search)(step, (), (), torch.tensor([1]))
    ((wide,),) = Beam(size=3, **search)(step, (), (), torch.tensor([1]))
    assert narrow.tokens != []
    assert wide.tokens == []
    assert wide.log_prob == pytest.approx(math.log(0.2))


def test_hypotheses_of_half_precision_models_add_up_in_single_precision() -> None:
    def step(tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        one = torch.full((len(tokens), 7), -9.0, dtype=torch.bfloat16)
        one[:, 4] = -0.01
        return one, state, torch.full((len(tokens), 2), 0.5, dtype=torch.bfloat16)

    search = Beam(length_penalty="none", min_ratio=1.0, max_ratio=1.0, max_extra=0, coverage=0.1)
    ((found,),) = search(step, (), (), torch.tensor([301]))
    assert found.log_prob == pytest.approx(300 * torch.tensor(-0.01).bfloat16().item() - 9.0, rel=1e-5)
    assert found.weights.dtype == np.float32


def test_coverage_needs_weights() -> None:
    def step(tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        return torch.randn(len(tokens), 7).log_softmax(-1), state, None

    with pytest.raises(ConfigError, match="coverage"):
        Beam(coverage=0.2)(step, (), (), torch.tensor([3]))


def test_no_sentences_are_no_work() -> None:
    def step(tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        raise AssertionError("nothing to ask for")

    assert Beam()(step, (), (), torch.tensor([], dtype=torch.long)) == []
