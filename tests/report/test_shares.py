"""Rounded shares keep their sum."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nmt.report.shares import format_number, round_shares

shares = st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any)


@given(shares, st.integers(1, 6))
def test_rounded_shares_sum_to_one_and_are_near(parts: list[int], digits: int) -> None:
    row = np.array(parts, dtype=float) / sum(parts)
    rounded = round_shares(row, digits)
    texts = [format_number(value, digits) for value in rounded]
    assert sum(round(float(text) * 10**digits) for text in texts) == 10**digits
    assert (np.abs(rounded - row) < 10**-digits).all()
    assert (rounded[row == 0] == 0).all()


@given(shares, st.floats(0.1, 1.0))
def test_what_sums_to_less_keeps_its_rounded_sum(parts: list[int], total: float) -> None:
    row = total * np.array(parts, dtype=float) / sum(parts)
    assert abs(round_shares(row, 2).sum() - row.sum()) <= 0.005 + 1e-9


def test_the_largest_remainders_are_rounded_up() -> None:
    assert round_shares(np.array([0.336, 0.337, 0.327]), 2).tolist() == [0.33, 0.34, 0.33]
    assert round_shares(np.array([1 / 3, 1 / 3, 1 / 3]), 2).tolist() == [0.34, 0.33, 0.33]


def test_no_minus_stands_before_zero() -> None:
    assert [format_number(value, 2) for value in (-0.001, 0.0, -1.25)] == ["0.00", "0.00", "-1.25"]
