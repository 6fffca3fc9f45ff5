"""Dropout of our own draws against what the definition says, and against torch's where it hands over to it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from nmt.kernels.dropout import Dropout

MANY = 400_003


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9])
def test_each_entry_is_dropped_with_the_probability_and_the_mean_stays(p: float) -> None:
    torch.manual_seed(1)
    dropped = Dropout(p)(torch.ones(MANY))
    spread = (p * (1 - p) / MANY) ** 0.5
    assert abs((dropped == 0).double().mean() - p) < 5 * spread
    assert_close(dropped[dropped != 0], torch.full_like(dropped[dropped != 0], 1 / (1 - p)))


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 512])
def test_entries_are_dropped_independently(lag: int) -> None:
    torch.manual_seed(2)
    kept = (Dropout(0.5)(torch.ones(MANY)) != 0).double() - 0.5
    covariance = (kept[lag:] * kept[:-lag]).mean()
    assert abs(covariance) < 5 * 0.25 / MANY**0.5


@given(rows=st.integers(0, 5), columns=st.integers(1, 7), p=st.floats(0.0, 0.99999999))
def test_gradients_pass_where_values_do(rows: int, columns: int, p: float) -> None:
    inputs = torch.rand(rows, columns, dtype=torch.float64).add(1).requires_grad_()
    outputs = Dropout(p)(inputs)
    (gradient,) = torch.autograd.grad(outputs.sum(), inputs)
    assert outputs.shape == inputs.shape
    assert_close(gradient * inputs, outputs)


def test_the_same_seed_drops_the_same_and_the_next_draw_another() -> None:
    layer, ones = Dropout(0.5), torch.ones(1000)
    torch.manual_seed(3)
    first, second = layer(ones), layer(ones)
    torch.manual_seed(3)
    assert torch.equal(layer(ones), first)
    assert not torch.equal(first, second)


def test_nothing_is_dropped_outside_training() -> None:
    ones = torch.ones(100)
    assert torch.equal(Dropout(0.5).eval()(ones), ones)
    assert torch.equal(Dropout(0.0)(ones), ones)
    assert isinstance(Dropout(0.5), nn.Dropout)


def test_bfloat16_stays_bfloat16() -> None:
    assert Dropout(0.5)(torch.ones(10, dtype=torch.bfloat16)).dtype == torch.bfloat16
