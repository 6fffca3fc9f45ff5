"""Pictures of pointers and of vectors, computed by the code that models run."""

import numpy as np
import torch
from matplotlib.figure import Figure

from nmt import masks
from nmt.data.points import Tour, parse_points, parse_positions
from nmt.data.tones import HIGH, LOW, Tones, compute_energies, synthesize
from nmt.model.pointing import FIRST, mark_used
from nmt.special_tokens import BOS
from scripts.pictures import INK, RED, make_figure

SHARPNESS = 4.0
DIGITS = (1, 5, 0)


def draw_pointer() -> Figure:
    """A tour, and weights that prefer near points, with those hidden that have been used."""
    text = Tour(shortest=7, longest=7, train=1, validation=1, test=1, seed=3).load("test")
    points, tour = parse_points(text.source[0]), parse_positions(text.target[0])
    assert tour is not None
    read = torch.tensor([[BOS, *(place + FIRST for place in tour)]])
    used = mark_used(read, torch.zeros(1, len(points) + 1, dtype=torch.bool))[0]
    energies = torch.zeros(len(tour) + 1, len(points) + 1)
    for step, place in enumerate(tour, start=1):
        distances = np.linalg.norm(points - points[place], axis=1)
        energies[step, :-1] = torch.from_numpy(1.0 - SHARPNESS * distances).float()
    energies[0, 0] = 3.0
    energies[:-1, -1] = -2.0
    weights = (energies + masks.log_mask(~used)).softmax(-1)
    figure, (left, right) = make_figure(7.0, 3.3, columns=2)
    corners = points[[*tour, tour[0]]]
    left.plot(*corners.T, color=INK, linewidth=1.4)
    left.plot(*points.T, "o", color=RED, markersize=5)
    for place, point in enumerate(points):
        left.annotate(str(place), point, (4, 4), textcoords="offset points", fontsize=9)
    left.set(xticks=[], yticks=[], aspect="equal")
    right.imshow(weights.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="equal")
    names = [*map(str, range(len(points))), "</s>"]
    right.xaxis.tick_top()
    right.set(xticks=range(len(names)), xticklabels=names, yticks=range(len(tour) + 1))
    right.set(yticklabels=[*map(str, tour), "</s>"], ylabel="word")
    return figure


def draw_vectors() -> Figure:
    """Frames of the tones of three digits: what a line of vectors holds."""
    frames = [None, *(DIGITS[0],) * 3, None, *(DIGITS[1],) * 2, None, None, *(DIGITS[2],) * 4, None]
    energies = compute_energies(synthesize(frames, Tones().noise, np.random.default_rng(1)))
    figure, (ax,) = make_figure(5.2, 2.4)
    ax.imshow(energies.T, cmap="Blues", aspect="auto", origin="lower")
    ax.set(xlabel="position (25 ms)", ylabel="feature (Hz)", yticks=range(len(LOW) + len(HIGH)))
    ax.set(yticklabels=[*LOW, *HIGH])
    for digit, place in zip(DIGITS, (2, 5.5, 10.5), strict=True):
        ax.text(place, len(LOW) + len(HIGH) - 0.3, str(digit), ha="center", color=RED)
    return figure
