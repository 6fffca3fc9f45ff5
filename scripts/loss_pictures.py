"""The picture of alignment losses, which `draw_attention.py` draws: what each of them says of some weights."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from nmt.training.alignment_losses import ALIGNMENT_LOSSES, AttentionWeights
from scripts.pictures import RED, make_figure, show_weights

SIZE = 8
TRUE = torch.tensor([0, 2, 1, 3, 4, 6, 5, 7])
"""The source position that each target position is linked to."""


def draw_alignment_losses() -> Figure:
    """Weights that follow the links, that spread, and that stay where they are, each with its four losses."""
    places = torch.arange(SIZE)
    energies = {
        "along the links": -2.2 * (places - TRUE.unsqueeze(1)).abs(),
        "spread": torch.zeros(SIZE, SIZE),
        "at one place": -2.2 * (places - torch.full((SIZE, 1), 3)).abs(),
    }
    figure, axes = make_figure(8.4, 3.9, 3)
    for ax, (name, scores) in zip(axes, energies.items(), strict=True):
        losses = compute_losses(scores.float())
        text = "\n".join([name, *(f"{loss} {value:.2f}" for loss, value in losses.items())])
        show_weights(ax, scores.float().softmax(-1))
        ax.images[0].set_clim(0.0, 1.0)  # one scale for all three
        ax.text(0.5, -0.04, text, transform=ax.transAxes, ha="center", va="top", fontsize=8)
        ax.scatter(TRUE, places, s=90, facecolors="none", edgecolors=RED)
    return figure


def compute_losses(scores: Tensor) -> dict[str, float]:
    """The mean of each loss over what it is a mean of, for one sentence whose target positions are all linked."""
    given = scores.view(1, 1, SIZE, SIZE)
    real = torch.ones(1, SIZE, dtype=torch.bool)
    links = (torch.arange(SIZE) == TRUE.unsqueeze(1)).unsqueeze(0)
    attention = AttentionWeights(given.softmax(-1), given.log_softmax(-1), real, real, links)
    counts = dict.fromkeys(ALIGNMENT_LOSSES, SIZE) | {"doubly_stochastic": 1}
    return {name: float(loss.compute(attention)) / counts[name] for name, loss in ALIGNMENT_LOSSES.items()}
