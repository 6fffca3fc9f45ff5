"""The test for which seeds are random: scipy as its oracle, a loop, and how often it finds what is not there."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray

from nmt.evaluation.resampling import ResampledSystem, compute_statistics, resample_systems
from nmt.evaluation.seeds import (
    MIN_NORMAL_FREEDOM,
    compute_seeds_p_value,
    compute_shared_variance,
    compute_student_p_value,
)
from tests.evaluation.test_significance import REFERENCES, noisy

stats = pytest.importorskip("scipy.stats")

SCORES = st.lists(st.integers(50, 400).map(lambda tenths: tenths / 10), min_size=2, max_size=7, unique=True)


def systems(scores: Sequence[float], redrawn: ndarray | None = None) -> list[ResampledSystem]:
    """Trainings with these scores; without `redrawn`, other sentences would change nothing."""
    drawn = np.repeat(np.array(scores)[:, None], 11, axis=1) if redrawn is None else redrawn
    nothing = np.zeros(3), np.zeros((11, 3))
    return [ResampledSystem(score, row, *nothing) for score, row in zip(scores, drawn, strict=True)]


@given(
    st.floats(-60, 60),
    st.floats(1, 300) | st.sampled_from([1.0, 2.0, 5e4, 0.99 * MIN_NORMAL_FREEDOM, 1.01 * MIN_NORMAL_FREEDOM]),
)
def test_p_is_that_of_students_t(t: float, freedom: float) -> None:
    assert compute_student_p_value(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), rel=1e-5, abs=1e-12)


@given(SCORES, SCORES)
@settings(deadline=None)
def test_where_sentences_add_nothing_it_is_welchs_test(first: list[float], other: list[float]) -> None:
    expected = stats.ttest_ind(first, other, equal_var=False).pvalue
    assert compute_seeds_p_value(systems(first), systems(other)) == pytest.approx(expected, rel=1e-5, abs=1e-12)


def test_what_sentences_add_is_counted_training_by_training() -> None:
    chance = np.random.default_rng(3)
    first, other = chance.normal(size=(3, 11)), chance.normal(size=(2, 11))

    def covariance(one: ndarray, two: ndarray) -> float:
        return float(((one - one.mean()) * (two - two.mean())).sum() / (len(one) - 1))

    def mean(rows: ndarray) -> float:
        different = [(a, b) for a in range(len(rows)) for b in range(len(rows)) if a != b]
        return float(np.mean([covariance(rows[a], rows[b]) for a, b in different]))

    expected = mean(first) + mean(other) - 2 * np.mean([covariance(a, b) for a in first for b in other])
    found = compute_shared_variance(systems([1, 2, 3], first), systems([4, 5], other))
    assert found == pytest.approx(expected)


def test_sentences_that_suit_one_variant_make_its_lead_less_sure() -> None:
    first, other = [20.0, 20.2, 20.4], [21.0, 21.1, 21.5]
    suits = np.linspace(-2, 2, 11)  # the better the more of some sentences there are, for each training alike
    alone = compute_seeds_p_value(systems(first), systems(other))
    moved = systems(other, np.array(other)[:, None] + suits)
    shared = compute_seeds_p_value(systems(first), moved)
    both = compute_seeds_p_value(systems(first, np.array(first)[:, None] + suits), moved)
    assert alone is not None
    assert shared is not None
    assert alone < 0.05 < shared
    assert both == pytest.approx(alone)  # what moves both alike moves no difference


def test_the_order_of_two_variants_does_not_matter() -> None:
    one, two = systems([20.0, 21.5, 20.7]), systems([22.0, 22.5])
    assert compute_seeds_p_value(one, two) == compute_seeds_p_value(two, one)


def test_without_a_variance_there_is_no_test() -> None:
    assert compute_seeds_p_value(systems([20.0]), systems([22.0, 23.0])) is None
    assert compute_seeds_p_value(systems([20.0, 20.0]), systems([21.0, 21.0])) is None
    assert compute_seeds_p_value(systems([20.0, 20.0]), systems([20.0, 20.0])) == 1.0


def false_findings(rounds: int, *, trainings: int, seed: int) -> float:
    """How often p < 0.05 for variants that differ by noise of seeds, and by which sentences suit them."""
    chance = np.random.default_rng(seed)
    sentences, samples = 60, 100
    drawn = chance.multinomial(sentences, [1 / sentences] * sentences, size=samples) / sentences
    found = 0
    for _ in range(rounds):
        sides = []
        for _ in range(2):
            suits = chance.normal(20, 4, size=sentences)
            scores = suits + chance.normal(0, 1, (trainings, 1)) + chance.normal(0, 3, (trainings, sentences))
            sides.append(systems(list(scores.mean(1)), scores @ drawn.T))
        p_value = compute_seeds_p_value(*sides)
        assert p_value is not None
        found += p_value < 0.05
    return found / rounds


@pytest.mark.usefixtures("unchecked_shapes")
def test_noise_of_seeds_and_of_sentences_is_seldom_called_a_difference() -> None:
    assert false_findings(400, trainings=3, seed=1) <= 0.09  # at a level of 0.05, with a probability above 0.999


@pytest.mark.slow
@pytest.mark.parametrize("trainings", [2, 3, 5, 10])
def test_the_test_holds_its_level(trainings: int) -> None:
    assert false_findings(4000, trainings=trainings, seed=2) <= 0.062


@pytest.mark.slow
@pytest.mark.parametrize("trainings", [2, 3, 5])
def test_trainings_that_are_noise_alike_are_seldom_called_different_and_tests_over_sentences_call_them_so(
    trainings: int,
) -> None:
    """Each training has a share of errors of its own, drawn for both variants alike; scores are BLEU."""
    chance, rounds = np.random.default_rng(5), 300
    shares = chance.uniform(0.2, 0.4, size=2 * trainings * rounds)
    texts = [noisy(float(share), seed) for seed, share in enumerate(shares)]
    found = resample_systems(compute_statistics(texts, REFERENCES), samples=200, seed=1)
    small = 0
    for first in range(0, len(found), 2 * trainings):
        middle = first + trainings
        p_value = compute_seeds_p_value(found[first:middle], found[middle : middle + trainings])
        small += p_value is not None and p_value < 0.05
    assert small / rounds <= 0.09
