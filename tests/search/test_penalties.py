import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.search.penalties import LENGTH_PENALTIES, coverage_penalty


@pytest.mark.parametrize("name", LENGTH_PENALTIES)
@given(alpha=st.floats(0, 3))
def test_length_penalties_are_positive_and_never_fall(name: str, alpha: float) -> None:
    penalties = LENGTH_PENALTIES[name](torch.arange(1.0, 400), alpha)
    assert (penalties > 0).all()
    assert (penalties[1:] >= penalties[:-1]).all()


@pytest.mark.parametrize("name", LENGTH_PENALTIES)
@given(alpha=st.floats(0, 3))
def test_a_hypothesis_that_is_only_end_is_ranked_by_its_log_prob(name: str, alpha: float) -> None:
    assert LENGTH_PENALTIES[name](torch.ones(1), alpha).item() == 1.0


@given(alpha=st.floats(0, 3), length=st.integers(1, 200))
def test_formulas(alpha: float, length: int) -> None:
    found = {name: penalty(torch.tensor([float(length)]), alpha).item() for name, penalty in LENGTH_PENALTIES.items()}
    gnmt = (5 + length) ** alpha / 6**alpha
    expected = {"none": 1, "average": length, "gnmt": gnmt, "power": math.exp(alpha * math.log(length))}
    assert found == pytest.approx(expected, rel=1e-5)


def test_coverage_counts_real_positions_up_to_one() -> None:
    covered = torch.tensor([[[0.25, 1.75, 0.5, 0.125], [1.0, 3.0, 1.0, 0.0]]])
    mask = torch.tensor([[[True, True, True, False]]])
    found = coverage_penalty(covered, mask, beta=0.2)
    assert found.tolist() == [[pytest.approx(0.2 * (math.log(0.25) + math.log(0.5))), 0.0]]


@given(st.lists(st.floats(0, 5, width=32), min_size=1, max_size=7), st.floats(0, 2))
def test_coverage_never_rewards_and_stays_finite(covered: list[float], beta: float) -> None:
    found = coverage_penalty(torch.tensor([covered]), torch.ones(1, len(covered), dtype=torch.bool), beta).item()
    assert -torch.inf < found <= 0
