"""Measures of attention: hand-computed cases, and the laws that each of them keeps."""

import math
import tracemalloc
from unittest import mock

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from nmt.evaluation import measures
from nmt.evaluation.measures import PairAttention

SIZES = st.tuples(st.integers(1, 7), st.integers(1, 7))


@st.composite
def weights(draw: st.DrawFn, rows: int | None = None, columns: int | None = None) -> np.ndarray:
    """Rows that sum to at most one, some of their weights exactly zero, some rows all zero."""
    target, source = draw(SIZES)
    shape = (rows or target, columns or source)
    seed, mass = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([1.0, 0.4]))
    generator = np.random.default_rng(seed)
    found = generator.random(shape) * (generator.random(shape) < 0.6)
    return mass * found / np.maximum(found.sum(-1, keepdims=True), 1e-9)


def aligned(weights: np.ndarray, punctuation: tuple[int, ...] = ()) -> PairAttention:
    """Every piece a word of its own."""
    target, source = weights.shape
    marks = [place in punctuation for place in range(source - 1)]
    return PairAttention(weights, list(range(source - 1)), list(range(target - 1)), marks)


@pytest.mark.parametrize("size", [1, 2, 5, 13])
def test_uniform_weights_are_as_spread_as_can_be(size: int) -> None:
    looks = np.full((3, size), 1 / size)
    assert measures.entropy(looks) == pytest.approx([math.log(size)] * 3)
    assert measures.compute_effective_positions(looks) == pytest.approx([size] * 3)
    assert measures.compute_largest_weight(looks) == pytest.approx([1 / size] * 3)
    assert measures.monotonicity(looks) is None


@pytest.mark.parametrize("size", [2, 3, 7])
def test_an_identity_is_sharp_complete_and_monotonic(size: int) -> None:
    found = measures.compute_measures([aligned(np.eye(size))])
    expected = {
        "entropy": 0.0,
        "effective": 1.0,
        "largest": 1.0,
        "zeros": 1 - 1 / size,
        "coverage": 0.0,
        "end": 0.0,
        "punctuation": 0.0,
        "monotonicity": 1.0,
        "diagonal": 0.0,
        "lagging": 1.0,
    }
    assert found == pytest.approx(expected)


def test_a_reversal_is_as_far_from_monotonic_as_can_be() -> None:
    backwards = np.eye(5)[::-1]
    assert measures.monotonicity(backwards) == -1.0
    # |4 - 2t| / 4 for t = 0 ... 4 is 1, 1/2, 0, 1/2, 1.
    assert measures.compute_diagonal_distance(backwards) == pytest.approx([1, 0.5, 0, 0.5, 1])


def test_a_case_by_hand() -> None:
    # Target pieces a, b and EOS; source pieces x, comma and EOS.
    given_weights = np.array([[0.5, 0.25, 0.25], [0.0, 0.4, 0.0], [0.0, 0.0, 1.0]])
    found = measures.compute_measures([aligned(given_weights, punctuation=(1,))])
    first = 0.5 * math.log(2) + 0.5 * math.log(4)
    assert found["entropy"] == pytest.approx(first / 3)
    assert found["effective"] == pytest.approx((math.exp(first) + 2) / 3)
    assert found["largest"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert found["zeros"] == pytest.approx(4 / 9)
    assert found["coverage"] == pytest.approx((abs(1 - 0.5) + abs(1 - 0.65)) / 2)  # the raw weights, EOS left out
    assert found["end"] == pytest.approx((0.25 + 0) / 2)
    assert found["punctuation"] == pytest.approx((0.25 + 1) / 2)
    assert found["monotonicity"] == 1.0
    assert found["diagonal"] == pytest.approx((0.25 * 0.5 + 0.25 * 1 + 0 + 0) / 3)
    assert found["lagging"] == 3.0  # all is looked at by the first piece


def test_pieces_of_one_word_cover_it_together() -> None:
    # Two source pieces of one word, each looked at by half; two target pieces of one word count as one.
    halves = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    assert measures.compute_measures([PairAttention(halves, [0, 0], [0, 0], [False, False])])["coverage"] == 0.0
    assert measures.compute_measures([PairAttention(halves, [0, 0], [0, 1], [False, False])])["coverage"] == 1.0


@given(weights())
def test_bounds(alpha: np.ndarray) -> None:
    looks = measures.normalize_rows(alpha)
    sizes = (alpha > 0).sum(-1)[alpha.sum(-1) > 0]
    assert (measures.entropy(looks) >= 0).all()
    assert (measures.entropy(looks) <= np.log(sizes) + 1e-9).all()
    assert (measures.compute_effective_positions(looks) <= sizes + 1e-9).all()
    assert (measures.compute_largest_weight(looks) >= 1 / sizes - 1e-9).all()
    assert (
        (measures.compute_diagonal_distance(alpha) >= 0) & (measures.compute_diagonal_distance(alpha) <= 1 + 1e-9)
    ).all()
    order = measures.monotonicity(alpha)
    assert order is None or -1 <= order <= 1


@given(weights())
def test_monotonicity_is_counted_pair_by_pair(alpha: np.ndarray) -> None:
    peaks = [row.argmax() for row in alpha if row.sum() > 0]
    pairs = [(one, other) for place, one in enumerate(peaks) for other in peaks[place + 1 :] if one != other]
    expected = sum(1 if one < other else -1 for one, other in pairs) / len(pairs) if pairs else None
    assert measures.monotonicity(alpha) == expected
    with mock.patch.object(measures, "PEAK_BLOCK", 2):
        assert measures.monotonicity(alpha) == expected


def test_monotonicity_of_a_long_line_takes_little_memory() -> None:
    looks = np.eye(3, dtype=np.float32)[np.sort(np.arange(4001) % 3)]
    tracemalloc.start()
    try:
        assert measures.monotonicity(looks) == 1.0
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@given(weights())
def test_entropy_is_that_of_scipy(alpha: np.ndarray) -> None:
    looks = measures.normalize_rows(alpha)
    assert measures.entropy(looks) == pytest.approx(scipy.stats.entropy(looks, axis=-1), abs=1e-9)


@given(weights(), st.integers(1, 4), st.integers(0, 9))
def test_positions_without_weight_and_their_order_do_not_matter(alpha: np.ndarray, extra: int, seed: int) -> None:
    looks = measures.normalize_rows(alpha)
    order = np.random.default_rng(seed).permutation(looks.shape[1] + extra)
    padded = np.pad(looks, ((0, 0), (0, extra)))[:, order]
    for function in (measures.entropy, measures.compute_effective_positions, measures.compute_largest_weight):
        assert function(padded) == pytest.approx(function(looks))


@given(weights(), st.floats(0.1, 1.0))
def test_what_a_gaussian_takes_away_does_not_change_where_a_row_looks(alpha: np.ndarray, left: float) -> None:
    less, more = measures.compute_pair_values(aligned(alpha * left)), measures.compute_pair_values(aligned(alpha))
    for name in more.keys() - {"coverage"}:
        assert less[name] == pytest.approx(more[name], abs=1e-9)


@given(weights())
def test_monotonicity_turns_round_with_the_source(alpha: np.ndarray) -> None:
    forward, backward = measures.monotonicity(alpha), measures.monotonicity(alpha[:, ::-1])
    peaks = alpha[alpha.sum(-1) > 0]
    if all((row == row.max()).sum() == 1 for row in peaks):  # where two are largest, the first is taken on both ways
        assert forward == (None if backward is None else pytest.approx(-backward))


@given(weights())
def test_monotonicity_counts_pairs(alpha: np.ndarray) -> None:
    peaks = [int(row.argmax()) for row in alpha if row.sum() > 0]
    pairs = [(a, b) for place, a in enumerate(peaks) for b in peaks[place + 1 :] if a != b]
    expected = None if not pairs else sum(1 if a < b else -1 for a, b in pairs) / len(pairs)
    assert measures.monotonicity(alpha) == (None if expected is None else pytest.approx(expected))


@given(weights())
def test_lagging_is_counted_step_by_step(alpha: np.ndarray) -> None:
    target, source = alpha.shape
    read, total, steps = 0, 0.0, 0
    for t in range(1, target + 1):
        read = max([read, *(s + 1 for s in range(source) if alpha[t - 1, s] > 0)])
        total, steps = total + read - (t - 1) * source / target, steps + 1
        if read == source:
            break
    expected = [] if not (alpha > 0).any() else [pytest.approx(total / steps)]
    assert measures.compute_lagging(alpha).tolist() == expected


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_one_that_waits_lags_by_what_it_waits_for(ahead: int) -> None:
    """wait-k (Ma et al. 2019): k positions first, then one more each step, with AL = k where the lengths are equal."""
    looks = np.eye(7, 10, k=ahead)[:, :7]
    looks[7 - ahead :, 6] = 1.0
    assert measures.compute_lagging(looks) == pytest.approx([ahead + 1])
    assert measures.compute_lagging(np.ones((3, 7))) == pytest.approx([7])


@given(weights(rows=5, columns=6), weights(rows=5, columns=6))
def test_divergence_is_that_of_scipy_and_alike_both_ways(one: np.ndarray, other: np.ndarray) -> None:
    both = (one.sum(-1) > 0) & (other.sum(-1) > 0)
    p, q = measures.normalize_rows(one[both]), measures.normalize_rows(other[both])
    expected = [jensenshannon(a, b, base=2) ** 2 for a, b in zip(p, q, strict=True)]
    assert measures.jensen_shannon(p, q) == pytest.approx(expected, abs=1e-7)
    assert measures.jensen_shannon(q, p) == pytest.approx(measures.jensen_shannon(p, q))
    assert measures.jensen_shannon(p, p) == pytest.approx(np.zeros(len(p)), abs=1e-9)
    # Pinsker's and Lin's bounds on the divergence by the variation.
    variation = measures.total_variation(p, q)
    assert (measures.jensen_shannon(p, q) <= variation + 1e-9).all()
    assert (measures.jensen_shannon(p, q) >= variation**2 / (2 * math.log(2)) - 1e-9).all()


def test_rows_that_share_nothing_are_one_bit_apart() -> None:
    one, other = np.eye(4)[:2], np.eye(4)[2:]
    found = measures.compute_disagreement([(one, other)])
    assert found == measures.Disagreement(1.0, 1.0, 2)
    assert measures.compute_disagreement([(one, one)]) == measures.Disagreement(0.0, 0.0, 2)


def test_rows_without_mass_say_nothing_about_agreement() -> None:
    one, other = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.5, 0.5]])
    found = measures.compute_disagreement([(one, other)])
    assert found is not None
    assert (found.variation, found.words) == (0.5, 1)
    assert measures.compute_disagreement([(one[:1], other[:1])]) is None
    assert measures.compute_disagreement([]) is None


def test_models_are_compared_on_the_same_words() -> None:
    with pytest.raises(ValueError, match=r"same forced target.*\(2, 3\) and \(2, 2\)"):
        measures.compute_disagreement([(np.ones((2, 3)), np.ones((2, 2)))])


def test_means_are_over_the_positions_of_all_pairs() -> None:
    short, long = np.full((1, 2), 0.5), np.eye(3)
    found = measures.compute_measures([aligned(short), aligned(long)])
    assert found["entropy"] == pytest.approx(math.log(2) / 4)
    assert found["monotonicity"] == 1.0  # the short pair has no order, so it has no say
    assert measures.compute_measures([]) == {}


def test_where_nothing_is_looked_at_only_what_needs_no_look_is_measured() -> None:
    found = measures.compute_measures([aligned(np.zeros((3, 3)))])
    assert found == {"zeros": 1.0, "coverage": 1.0}


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (",", True),
        ("▁.", True),
        ("…", True),
        ("«", True),
        ("。", True),
        ("؟", True),
        ("€", True),
        ("▁", False),
        ("a.", False),
        ("", False),
        ("▁5", False),
        ("ב", False),
    ],
)
def test_punctuation_is_told_in_any_script(piece: str, expected: bool) -> None:
    assert measures.is_punctuation(piece) is expected
