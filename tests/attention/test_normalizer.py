"""Normalizers against the problems that define them, solved by another algorithm: bisection on the threshold."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.normalizer import NORMALIZERS, Entmax15, Normalizer, Softmax, Sparsemax
from tests.builders import draw_normal

HIDDEN = -math.inf
SCORES = st.lists(
    st.one_of(st.floats(-20, 20), st.floats(-1, 1), st.integers(-2, 2).map(float), st.just(HIDDEN)),
    min_size=1,
    max_size=40,
).filter(lambda scores: max(scores) > HIDDEN)
"""Far apart, close together, tied, or masked; never all masked."""


def bisected(scores: list[float], scale: float, power: float) -> list[float]:
    """p_i = max(scale z_i - tau, 0)^power with tau such that p sums to one."""
    z = [scale * score for score in scores]
    low, high = max(z) - 1.0, max(z)
    for _ in range(100):
        tau = (low + high) / 2
        if sum(max(value - tau, 0.0) ** power for value in z) >= 1.0:
            low = tau
        else:
            high = tau
    return [max(value - low, 0.0) ** power for value in z]


def exponentials(scores: list[float]) -> list[float]:
    powers = [math.exp(score - max(scores)) for score in scores]
    return [power / sum(powers) for power in powers]


STATELESS = [name for name, cls in NORMALIZERS.items() if not cls.has_past]
"""Those that are functions of the scores alone."""


def equal_shares(scores: list[float]) -> list[float]:
    return [float(score > HIDDEN) / sum(other > HIDDEN for other in scores) for score in scores]


ORACLES = {
    "softmax": exponentials,
    "sparsemax": lambda scores: bisected(scores, 1.0, 1.0),
    "entmax15": lambda scores: bisected(scores, 0.5, 2.0),
    "uniform": equal_shares,
}


def test_every_normalizer_has_an_oracle() -> None:
    assert ORACLES.keys() == set(STATELESS)


@pytest.mark.parametrize("name", STATELESS)
@given(scores=SCORES)
def test_a_normalizer_solves_its_problem(name: str, scores: list[float]) -> None:
    found = NORMALIZERS[name]()(torch.tensor(scores, dtype=torch.float64))
    assert_close(found, torch.tensor(ORACLES[name](scores), dtype=torch.float64), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", STATELESS)
@given(scores=SCORES, shift=st.floats(-1e3, 1e3))
def test_a_common_shift_changes_nothing_and_weights_sum_to_one(name: str, scores: list[float], shift: float) -> None:
    normalizer = NORMALIZERS[name]()
    z = torch.tensor(scores, dtype=torch.float64)
    weights = normalizer(z)
    assert_close(normalizer(z + shift), weights, rtol=1e-6, atol=1e-6)
    assert weights.sum().item() == pytest.approx(1.0)
    assert weights.min() >= 0
    assert not weights[z.isinf()].any()


@pytest.mark.parametrize("name", STATELESS)
def test_long_rows_keep_single_precision(name: str) -> None:
    """Sums over a thousand nearly equal scores are where a threshold found by sorting could lose its digits."""
    scores = draw_normal(5, 1000, scale=0.01)
    found = NORMALIZERS[name]()(scores)
    assert_close(found, NORMALIZERS[name]()(scores.double()).float(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", STATELESS)
def test_the_last_axis_is_normalized_whatever_stands_before_it(name: str) -> None:
    scores = draw_normal(2, 3, 5, 7)
    found = NORMALIZERS[name]()(scores)
    assert_close(found[1, 2, 4], NORMALIZERS[name]()(scores[1, 2, 4]))


@pytest.mark.parametrize("name", STATELESS)
@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0], ids=["dense", "between", "sparse"])
def test_the_gradient_is_that_of_finite_differences(name: str, scale: float) -> None:
    scores = (draw_normal(3, 7, seed=5, scale=scale)).double().requires_grad_()
    assert torch.autograd.gradcheck(NORMALIZERS[name](), (scores,))


@pytest.mark.parametrize("name", STATELESS)
def test_masked_positions_get_no_gradient(name: str) -> None:
    scores = torch.tensor([0.3, HIDDEN, 0.1, HIDDEN], requires_grad=True)
    weights = NORMALIZERS[name]()(scores)
    (weights * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert scores.grad[[1, 3]].tolist() == [0.0, 0.0]
    assert (scores.grad[0] != 0) == NORMALIZERS[name].reads_scores


@given(scores=SCORES)
def test_the_sparser_the_normalizer_the_fewer_positions_it_keeps(scores: list[float]) -> None:
    z = torch.tensor(scores, dtype=torch.float64)

    def kept(normalizer: Normalizer) -> Tensor:
        return normalizer(z) > 0

    assert not (kept(Sparsemax()) & ~kept(Entmax15())).any()
    assert not (kept(Entmax15()) & ~kept(Softmax())).any()


NO_SOLUTION = {
    "NaN": [0.3, math.nan, 0.1, HIDDEN],
    "NaN first": [math.nan, 0.3, 0.1, -1.0],
    "all NaN": [math.nan] * 4,
    "plus infinity": [0.3, math.inf, 0.1, HIDDEN],
    "two of plus infinity": [math.inf, 0.3, math.inf, 0.1],
    "NaN and plus infinity": [math.nan, math.inf, HIDDEN, 0.1],
    "all masked": [HIDDEN] * 4,
}


def bind_past(name: str, training: bool) -> Callable[[Tensor], Tensor]:
    """A normalizer as a function of scores of shape [row, 1, 1, 4]; one with a past begins at the first position."""
    cls = NORMALIZERS[name]
    normalizer = (cls(noise=0.0) if name == "monotonic" else cls()).train(training)  # type: ignore[call-arg]

    def normalize(scores: Tensor) -> Tensor:
        first = torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(len(scores), 1, 1, 4)
        return normalizer(scores, (first,) if cls.has_past else ())

    return normalize


@pytest.mark.parametrize("case", NO_SOLUTION)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NORMALIZERS)
def test_a_row_without_a_solution_is_nan_and_no_other_row_is_touched(name: str, training: bool, case: str) -> None:
    sound = [[0.3, HIDDEN, 0.1, -0.2], [-1e30, 1e30, 0.0, 5.0]]
    scores = torch.tensor([sound[0], NO_SOLUTION[case], sound[1]]).view(3, 1, 1, 4).requires_grad_()
    wanted = torch.tensor(sound).view(2, 1, 1, 4).requires_grad_()
    ways = torch.tensor([1.0, 2.0, 3.0, 4.0])
    weights, others = (bind_past(name, training)(each) for each in (scores, wanted))
    assert weights[1].isnan().all()
    assert_close(weights[[0, 2]], others, rtol=0, atol=0)
    assert others.isfinite().all()
    if not weights.requires_grad:  # a choice of the largest has no gradient
        return
    for found in (weights, others):
        (found * ways).sum().backward()
    assert scores.grad is not None
    assert scores.grad[1].isnan().all()
    assert_close(scores.grad[[0, 2]], wanted.grad, rtol=0, atol=0)


@pytest.mark.parametrize("largest", [1e30, 1e38, 3e38])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NORMALIZERS)
def test_the_largest_numbers_are_scores_as_others_are(name: str, training: bool, largest: float) -> None:
    rows = [[1.0, -1.0, 1.0, 0.0], [1.0] * 4, [-1.0] * 4, [HIDDEN, 1.0, -1.0, 0.0]]
    scores = (torch.tensor(rows) * largest).view(4, 1, 1, 4).requires_grad_()
    weights = bind_past(name, training)(scores)
    assert_close(weights.sum(-1), torch.ones(4, 1, 1))
    assert (weights >= 0).all()
    assert weights[3, 0, 0, 0] == 0
    if weights.requires_grad:
        (weights * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
        assert scores.grad is not None
        assert scores.grad.isfinite().all()
