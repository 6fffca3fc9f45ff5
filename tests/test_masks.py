"""Masks say which positions are real, and log biases are their logarithms."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt import masks


@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=5), extra=st.integers(0, 3))
def test_a_mask_is_true_exactly_on_the_first_positions(lengths: list[int], extra: int) -> None:
    size = max(lengths) + extra
    wanted = [[True] * length + [False] * (size - length) for length in lengths]
    assert masks.mask(torch.tensor(lengths), size).tolist() == wanted


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_log_bias_is_zero_where_allowed_and_minus_infinity_elsewhere(dtype: torch.dtype) -> None:
    allowed = torch.tensor([[[True, False]], [[False, True]]])
    bias = masks.log_mask(allowed, dtype)
    assert bias.dtype == dtype
    assert bias.tolist() == [[[0.0, -math.inf]], [[-math.inf, 0.0]]]


def test_a_log_bias_is_the_logarithm_of_its_mask() -> None:
    allowed = masks.mask(torch.tensor([1, 3]), 4)
    assert torch.equal(masks.log_mask(allowed), allowed.float().log())
