"""Addressing by location, against loops and scipy."""

import math

import pytest
import torch
from scipy.ndimage import convolve1d
from torch import Tensor
from torch.testing import assert_close

from nmt import masks
from nmt.attention.addressing import interpolate, sharpen, shift
from tests.builders import draw_normal

ROWS, HEADS, SLOTS = 3, 2, 7
LENGTHS = [7, 3, 5]


def draw_weights(seed: int = 0) -> Tensor:
    """Weights over the slots that there are."""
    bias = masks.log_mask(masks.mask(torch.tensor(LENGTHS), SLOTS)).unsqueeze(1)
    return (draw_normal(ROWS, HEADS, SLOTS, seed=seed) + bias).softmax(-1).double()


def draw_kernel(reach: int) -> Tensor:
    return draw_normal(ROWS, HEADS, 2 * reach + 1, seed=5).softmax(-1).double()


def test_interpolation_is_a_mean_of_content_and_place() -> None:
    content, previous = draw_weights(1), draw_weights(2)
    gate = draw_normal(ROWS, HEADS, 1, seed=3).sigmoid().double()
    found = interpolate(content, previous, gate)
    for row in range(ROWS):
        for head in range(HEADS):
            g = gate[row, head, 0].item()
            for slot in range(SLOTS):
                wanted = g * content[row, head, slot].item() + (1 - g) * previous[row, head, slot].item()
                assert math.isclose(found[row, head, slot].item(), wanted, abs_tol=1e-12)


@pytest.mark.parametrize("reach", [0, 1, 2, 4])
def test_the_shift_is_a_loop_over_a_ring_of_each_rows_length(reach: int) -> None:
    weights, kernel = draw_weights(), draw_kernel(reach)
    found = shift(weights, kernel, torch.tensor(LENGTHS))
    for row, length in enumerate(LENGTHS):
        for head in range(HEADS):
            wanted = [0.0] * SLOTS
            for j in range(length):
                for k in range(-reach, reach + 1):
                    wanted[(j + k) % length] += (weights[row, head, j] * kernel[row, head, k + reach]).item()
            assert_close(found[row, head], torch.tensor(wanted, dtype=torch.double))


def test_the_shift_is_the_circular_convolution_of_scipy() -> None:
    weights, kernel = draw_weights(), draw_kernel(1)
    found = shift(weights, kernel, torch.tensor(LENGTHS))
    for row, length in enumerate(LENGTHS):
        for head in range(HEADS):
            wanted = convolve1d(weights[row, head, :length].numpy(), kernel[row, head].numpy(), mode="wrap")
            assert_close(found[row, head, :length].numpy(), wanted)


def test_a_shift_keeps_the_sum_and_padding_changes_nothing() -> None:
    weights, kernel = draw_weights(), draw_kernel(2)
    found = shift(weights, kernel, torch.tensor(LENGTHS))
    assert_close(found.sum(-1), torch.ones(ROWS, HEADS).double())
    wider = torch.nn.functional.pad(weights, (0, 4))
    assert_close(shift(wider, kernel, torch.tensor(LENGTHS)), torch.nn.functional.pad(found, (0, 4)))


def test_sharpening_is_a_power_that_sums_to_one() -> None:
    weights, power = draw_weights(), 1 + draw_normal(ROWS, HEADS, 1, seed=4).exp().double()
    bias = masks.log_mask(masks.mask(torch.tensor(LENGTHS), SLOTS), torch.double)
    found = sharpen(weights, power, bias)
    for row, length in enumerate(LENGTHS):
        for head in range(HEADS):
            raised = [weights[row, head, slot].item() ** power[row, head, 0].item() for slot in range(length)]
            wanted = [each / sum(raised) for each in raised] + [0.0] * (SLOTS - length)
            assert_close(found[row, head], torch.tensor(wanted, dtype=torch.double))


def test_zeros_and_large_powers_give_finite_weights_and_gradients() -> None:
    weights = torch.tensor([[[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]], requires_grad=True)
    power = torch.tensor([[[1.0], [500.0]]], requires_grad=True)
    found = sharpen(weights, power, torch.zeros(1, 3))
    assert_close(found, torch.tensor([[[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]]), atol=1e-6, rtol=0)
    (found * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert weights.grad is not None
    assert power.grad is not None
    assert weights.grad.isfinite().all()
    assert power.grad.isfinite().all()
