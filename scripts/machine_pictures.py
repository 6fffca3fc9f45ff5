"""Pictures of a memory that is written, for `draw_attention.py`."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from nmt.attention.addressing import interpolate, sharpen, shift
from scripts.pictures import make_figure, show_weights

SLOTS, STEPS = 12, 12


def move(power: float) -> Tensor:
    """A head that finds a slot by content, and then moves on by one, 0.9 sure of it, at every step."""
    content = torch.full((1, 1, SLOTS), 0.02)
    content[..., 2] = 1 - 0.02 * (SLOTS - 1)
    kernel = torch.tensor([[[0.02, 0.08, 0.9]]])
    weights, found = torch.full((1, 1, SLOTS), 1 / SLOTS), []
    for step in range(STEPS):
        gate = torch.full((1, 1, 1), float(step == 0))
        weights = interpolate(content, weights, gate)
        if step:
            weights = shift(weights, kernel, torch.tensor([SLOTS]))
        weights = sharpen(weights, torch.full((1, 1, 1), power), torch.zeros(1, SLOTS))
        found.append(weights[0, 0])
    return torch.stack(found)


def draw_machine() -> Figure:
    """Weights of a head that moves, with and without sharpening."""
    figure, axes = make_figure(7.0, 3.4, columns=2)
    for ax, power in zip(axes, (2.0, 1.0), strict=True):
        show_weights(ax, move(power), f"gamma = {power:g}")
        ax.set(xlabel="slot", ylabel="step")
    return figure
