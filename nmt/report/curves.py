"""Learning curves of a run from the rows of its metrics.jsonl."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN = "#246eb9", "#d9480f", "#2b8a3e"  # told apart by colour-blind readers, and in print
TEXT_INK, FAINT_INK, GRID_INK = "#1f2430", "#6b7280", "#e3e6eb"


class Curve(NamedTuple):
    """One line of a panel: which rows and which of their numbers; `best` picks the one to mark, with so many digits."""

    label: str
    kind: str
    key: str
    colour: str
    best: Callable[[Sequence[float]], float] | None = None
    digits: int = 1


PANELS: dict[str, tuple[Curve, ...]] = {
    "nats a token": (
        Curve("training", "train", "nll", BLUE),
        Curve("validation", "validation", "loss", ORANGE, best=min, digits=3),
    ),
    "validation score": (
        Curve("BLEU", "validation", "bleu", BLUE, best=max),
        Curve("chrF", "validation", "chrf", GREEN, best=max),
    ),
    "learning rate": (Curve("learning rate", "train", "learning_rate", BLUE),),
    "tokens per second": (Curve("speed", "train", "tokens_per_second", BLUE),),
}


def curves(metrics: Sequence[Mapping[str, Any]]) -> "Figure":
    """Loss, validation scores, learning rate and speed over steps; the best validation is marked with its number.

    A row is {"kind": "train" | "validation", "step": int, name: number, ...}. Numbers that are missing or not finite
    leave a gap of their own, other rows and names are passed over, and a panel without any number says so.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 5.2), facecolor="white", layout="constrained")
    grid = figure.subplots(2, 2, sharex=True)
    for axes, (title, lines) in zip(grid.flat, PANELS.items(), strict=True):
        style(axes, title)
        drawn = [draw(axes, line, *numbers(metrics, line)) for line in lines]
        if not any(drawn):
            axes.text(0.5, 0.5, "nothing measured yet", transform=axes.transAxes, ha="center", color=FAINT_INK)
            axes.set_yticks([])
            continue
        if len(lines) > 1:
            axes.legend(frameon=False, fontsize=8, labelcolor=TEXT_INK, handlelength=1.2)
        if title != "nats a token":
            axes.set_ylim(bottom=0)  # noise looks as small as it is
    for axes in grid[-1]:
        axes.set_xlabel("step", fontsize=8.5, color=FAINT_INK)
    return figure


def numbers(metrics: Sequence[Mapping[str, Any]], curve: Curve) -> tuple[list[int], list[float]]:
    """Steps and finite numbers of one curve."""
    points = [(row["step"], row.get(curve.key)) for row in metrics if row.get("kind") == curve.kind and "step" in row]
    finite = [(step, float(number)) for step, number in points if number is not None and math.isfinite(number)]
    return [step for step, _ in finite], [number for _, number in finite]


def draw(axes: "Axes", curve: Curve, steps: Sequence[int], values: Sequence[float]) -> bool:
    """The line, dotted with its points where they are few, and its best point; False if there is nothing to draw."""
    if not steps:
        return False
    marker = "o" if len(steps) <= 40 else None
    axes.plot(steps, values, color=curve.colour, label=curve.label, linewidth=1.4, marker=marker, markersize=2.6)
    if curve.best is not None:
        best = curve.best(values)
        at = (steps[values.index(best)], best)
        axes.plot(*at, marker="o", markersize=6, markerfacecolor="white", markeredgecolor=curve.colour)
        offset = (0, -13) if curve.best is max else (0, 7)
        axes.annotate(
            f"{best:.{curve.digits}f}",
            at,
            offset,
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=curve.colour,
        )
    return True


def style(axes: "Axes", title: str) -> None:
    """A quiet frame, so that the lines are what is seen."""
    axes.set_title(title, loc="left", fontsize=9.5, color=TEXT_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID_INK)
    axes.grid(color=GRID_INK, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8, labelcolor=FAINT_INK)
    axes.margins(x=0.06, y=0.14)
