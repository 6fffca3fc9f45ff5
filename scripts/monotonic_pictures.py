"""Pictures of attention that never goes back: where it stops, and windows that end there."""

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from nmt.attention.chunks import MonotonicScope
from nmt.attention.memory import Memory
from nmt.attention.normalizer import Monotonic, Softmax
from nmt.attention.window import normalize_within
from scripts.pictures import make_figure, show_weights

SIZE = 12


def draw_scores() -> Tensor:
    """Scores of source positions, a row for each target position, that are largest along a stair."""
    torch.manual_seed(2)
    steps = torch.tensor([0, 1, 1, 2, 4, 4, 5, 7, 8, 8, 10, 11])
    distances = (torch.arange(SIZE) - steps.unsqueeze(1)).abs()
    return 4.5 - 3.0 * distances + 0.8 * torch.randn(SIZE, SIZE)


def make_memory() -> Memory:
    """A sentence of so many words."""
    nothing = torch.zeros(1, 1, SIZE, 1)
    return Memory(nothing, nothing, torch.zeros(1, SIZE), torch.tensor([SIZE]), nothing)


def draw_monotonic() -> Figure:
    """The expected alignment of training beside the hard one of search, of the same scores."""
    figure, axes = make_figure(6.8, 3.5, 2)
    for ax, is_training in zip(axes, (True, False), strict=True):
        normalizer = Monotonic(noise=0.0).train(is_training)
        past, rows = normalizer.start(make_memory(), 1), []
        for row in draw_scores():
            weights = normalizer(row.view(1, 1, 1, SIZE), past)
            past = normalizer.advance(past, weights)
            rows.append(weights.flatten())
        show_weights(ax, torch.stack(rows), "training" if is_training else "search")
    return figure


class GivenScores(nn.Module):
    """An energy whose queries are the scores."""

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return query.unsqueeze(1)


def draw_chunks() -> Figure:
    """Weights inside windows that end where it stops: expected ones, one window of three, and all before."""
    scores = draw_scores()
    torch.manual_seed(0)
    energies = 1.5 * torch.randn(SIZE, SIZE)
    panels = (("training, chunk = 3", 3, True), ("search, chunk = 3", 3, False), ("search, chunk = null", None, False))
    figure, axes = make_figure(9.6, 3.5, 3)
    for ax, (title, chunk, is_training) in zip(axes, panels, strict=True):
        scope = MonotonicScope(query_size=1, memory_size=1, heads=1, chunk=chunk, hidden_size=1, noise=0.0)
        scope.energy = GivenScores()  # type: ignore[assignment]
        scope.train(is_training)
        past, rows = scope.start(make_memory(), 1), []
        for t in range(SIZE):
            window = scope.find_window(scores[t].view(1, 1, SIZE), torch.tensor([[t]]), make_memory(), past)
            past, row = window.past, energies[t].view(1, 1, 1, SIZE)
            row = row if window.bias is None else row + window.bias
            rows.append(normalize_within(window, Softmax(), row, ()).flatten())
        show_weights(ax, torch.stack(rows).detach(), title)
    return figure
