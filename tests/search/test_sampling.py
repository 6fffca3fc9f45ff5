import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nmt.errors import ConfigError
from nmt.search.greedy import Greedy
from nmt.search.sampling import Sampling, draw_tokens
from nmt.special_tokens import BOS, EOS, PAD

SETTINGS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.5},
    {"temperature": 2.0},
    {"top_k": 2},
    {"top_p": 0.7},
    {"temperature": 1.5, "top_k": 3, "top_p": 0.8},
    {"no_repeat_ngram": 1, "min_ratio": 1.0},
]


def distribution(log_probs: list[float], search: Sampling, forbidden: set[int]) -> dict[int, float]:
    """What a reader of the definition draws one token from."""
    mass = {t: math.exp(one / search.temperature) for t, one in enumerate(log_probs) if t not in forbidden}
    order = sorted(mass, key=lambda token: -mass[token])[: search.top_k]
    total = sum(mass[token] for token in order)
    kept, reached = [], 0.0
    for token in order:
        if search.top_p is not None and reached >= search.top_p:
            break
        kept.append(token)
        reached += mass[token] / total
    total = sum(mass[token] for token in kept)
    return {token: mass[token] / total for token in kept}


def sequences(toy: Any, search: Sampling, most: int, least: int) -> dict[tuple[int, ...], float]:
    """The probability of every translation of sentence 0 that can be drawn."""
    found: dict[tuple[int, ...], float] = {}
    front: dict[tuple[int, ...], float] = {(): 1.0}
    while front:
        following: dict[tuple[int, ...], float] = {}
        for prefix, prob in front.items():
            forbidden = {PAD, BOS} | ({EOS} if len(prefix) < least else set())
            forbidden |= set(prefix) if search.no_repeat_ngram == 1 else set()
            forbidden |= set(range(toy.vocab)) - {EOS} if len(prefix) == most else set()
            for token, share in distribution(toy.after(0, list(prefix))[0], search, forbidden).items():
                if token == EOS:
                    found[prefix] = prob * share
                else:
                    following[(*prefix, token)] = prob * share
        front = following
    return found


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_frequencies_are_those_of_the_distribution(settings: dict[str, Any], toy: Callable[..., Any]) -> None:
    made = toy(5, lengths=(3,), sharpness=0.8)
    search = Sampling(samples=6000, seed=0, max_ratio=1.0, max_extra=0, **settings)
    expected = sequences(made, search, most=2, least=2 if "min_ratio" in settings else 0)
    assert sum(expected.values()) == pytest.approx(1)
    counts = Counter(tuple(hypothesis.tokens) for hypothesis in made.search(search)[0])
    assert counts.keys() <= expected.keys()
    likely = [tokens for tokens, prob in expected.items() if 6000 * prob >= 5]
    observed = np.array([*(counts[tokens] for tokens in likely), 0])
    wanted = np.array([*(6000 * expected[tokens] for tokens in likely), 0])
    observed[-1], wanted[-1] = 6000 - observed.sum(), 6000 - wanted.sum()
    held = wanted > 1e-6  # the last cell holds all that is unlikely, if anything is
    assert stats.chisquare(observed[held], wanted[held] * observed[held].sum() / wanted[held].sum()).pvalue > 1e-3


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_samples_do_not_depend_on_the_rest_of_the_batch(settings: dict[str, Any], toy: Callable[..., Any]) -> None:
    made = toy(2, vocab=17, lengths=(3, 5, 2, 6))
    search = Sampling(samples=3, seed=11, **settings)
    together = made.search(search)
    for others in ([0], [0, 1], [0, 1, 3, 3, 3]):
        for sentence, found in zip(others[:2], made.search(search, others), strict=False):
            assert [one[:3] for one in found] == [one[:3] for one in together[sentence]]


def test_a_seed_repeats_and_its_absence_does_not(toy: Callable[..., Any]) -> None:
    made = toy(0, vocab=50, lengths=(9, 9))

    def texts(seed: int | None) -> list[list[list[int]]]:
        found = made.search(Sampling(samples=4, seed=seed, min_ratio=1.0))
        return [[hypothesis.tokens for hypothesis in hypotheses] for hypotheses in found]

    assert texts(0) == texts(0)
    assert texts(0) != texts(1)
    assert texts(None) != texts(None)


def test_sentences_and_samples_draw_numbers_of_their_own(toy: Callable[..., Any]) -> None:
    made = toy(0, vocab=50, lengths=(9,))
    found = made.search(Sampling(samples=4, seed=0, min_ratio=1.0), [0, 0, 0])
    texts = {tuple(hypothesis.tokens) for hypotheses in found for hypothesis in hypotheses}
    assert len(texts) == 12


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "settings", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-3}, {"temperature": 1e-30}], ids=str
)
def test_the_narrowest_sampling_is_greedy(settings: dict[str, Any], seed: int, toy: Callable[..., Any]) -> None:
    made = toy(seed, vocab=19, lengths=(3, 5, 2))
    expected = [found.tokens for (found,) in made.search(Greedy())]
    assert [found.tokens for (found,) in made.search(Sampling(seed=1, **settings))] == expected


def test_hypotheses_come_best_first_with_the_model_s_own_log_prob(toy: Callable[..., Any]) -> None:
    made = toy(1, vocab=17, lengths=(3, 6))
    for sentence, found in enumerate(made.search(Sampling(samples=7, seed=3, temperature=3.0, top_k=9))):
        assert len(found) == 7
        assert [one.score for one in found] == sorted((one.log_prob for one in found), reverse=True)
        for one in found:
            steps = enumerate([*one.tokens, EOS])
            total = sum(made.after(sentence, one.tokens[:place])[0][token] for place, token in steps)
            assert one.log_prob == pytest.approx(total, abs=1e-4)
            looks = [made.after(sentence, one.tokens[:place])[1] for place in range(len(one.tokens) + 1)]
            np.testing.assert_allclose(one.weights, np.array(looks), rtol=1e-5)


@given(
    probs=st.lists(st.sampled_from([0.0, 1e-6, 0.25, 1.0, 3.0]), min_size=1, max_size=40).filter(any),
    top_k=st.none() | st.integers(1, 45),
    top_p=st.none() | st.floats(0.01, 1),
)
def test_the_ends_of_the_unit_interval_draw_possible_tokens(
    probs: list[float], top_k: int | None, top_p: float | None
) -> None:
    log_probs = torch.tensor([probs, probs]).log()
    ends = torch.tensor([0.0, 1 - 2**-24])
    for token in draw_tokens(log_probs, ends, top_k=top_k, top_p=top_p).tolist():
        assert probs[token] > 0


@given(
    scores=st.lists(st.floats(-5, 5), min_size=2, max_size=30, unique=True),
    top_k=st.none() | st.integers(1, 30),
    top_p=st.none() | st.floats(0.05, 0.95),
)
def test_all_that_is_drawn_is_the_support(scores: list[float], top_k: int | None, top_p: float | None) -> None:
    log_probs = torch.tensor(scores).log_softmax(-1)
    search = Sampling(top_k=top_k, top_p=top_p)
    support = distribution(log_probs.tolist(), search, set())
    uniforms = torch.linspace(0, 1 - 2**-24, 2000)
    found = set(draw_tokens(log_probs.expand(2000, -1), uniforms, top_k=top_k, top_p=top_p).tolist())
    common = {token for token, prob in support.items() if prob > 2 / 2000}
    assert common <= found <= support.keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0.0},
        {"temperature": 1e-31},
        {"temperature": math.inf},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"samples": 0},
        {"seed": -1},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Sampling(**wrong)
