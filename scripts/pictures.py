"""What all pictures of the documentation are drawn with."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

INK, RED = "#1f3b63", "#b3402a"


def make_figure(width: float = 4.2, height: float = 3.2, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with its axes side by side."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def show_weights(ax: Axes, weights: Tensor, title: str = "") -> None:
    """Weights as ink: source positions along the top, target positions down the side."""
    shown = weights.detach().numpy()
    ax.imshow(shown, cmap="Blues", vmin=0, vmax=float(shown.max()), aspect="equal")
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ticks = {"xticks": range(0, weights.shape[1], 2), "yticks": range(0, weights.shape[0], 2)}
    ax.set(xlabel="source position", ylabel="target position", **ticks)
    if title:
        ax.set_title(title, fontsize=9, y=-0.16)
