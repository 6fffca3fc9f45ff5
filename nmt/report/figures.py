"""The charts of the report for a paper: pure functions from the report's dictionary to figures."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt.report.fonts import families, legible
from nmt.report.panels import LEARNING, MEASURES, Panel, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INKS = ("#1d66b0", "#c9420c", "#237a36", "#9333a0", "#806300", "#b81f56", "#0b6c7e", "#596473")
"""Told apart by most colour-blind readers, and in print by the dashes and by their labels."""

TEXT_INK, FAINT_INK, GRID_INK = "#1f2430", "#5d6572", "#e3e6eb"
COLUMNS = 3
WIDTH = 40
"""Letters of a legend that have room above a chart."""

Curve = tuple[list[int], list[float]]


class Chart(NamedTuple):
    """The size of a chart, and the margins for its numbers and its title, in inches."""

    width: float = 3.3
    height: float = 2.5
    left: float = 0.55
    right: float = 0.12
    top: float = 0.3
    bottom: float = 0.48


CHART = Chart()


def figures(report: Mapping[str, Any]) -> "dict[str, Figure]":
    """All figures that a report has numbers for, by name; `report` is what `nmt.report.html.page` takes."""
    variants = report["variants"]
    found = {"curves": curves(LEARNING, variants), "measures": curves(MEASURES, variants)}
    found |= {"lengths": lengths(variants), "costs": costs(report.get("costs", ()), variants)}
    return {name: figure for name, figure in found.items() if figure is not None}


def panel_figures(report: Mapping[str, Any]) -> "dict[str, Figure]":
    """Every chart of `curves`, `measures` and `costs` as a figure of its own, by the name of what it shows."""
    variants = report["variants"]
    found = {file_name(panel.lines[0].key): curves([panel], variants) for panel in (*LEARNING, *MEASURES)}
    found |= {f"cost-{file_name(cost['name'])}": costs([cost], variants) for cost in report.get("costs", ())}
    return {name: figure for name, figure in found.items() if figure is not None}


def file_name(key: str) -> str:
    """attention.forced.entropy is entropy, learning_rate is learning-rate."""
    return key.rsplit(".", 1)[-1].replace("_", "-")


def curves(panels: Sequence[Panel], variants: Sequence[Mapping[str, Any]]) -> "Figure | None":
    """A chart for every panel that has a number. Variants are told apart by colour, their seeds drawn thin under the
    mean; a single variant has all lines of a panel, several have the first. None where there is no number at all."""
    drawn = [panel for panel in panels if any(lines(panel, variants))]
    if not drawn:
        return None
    figure, grid = empty(len(drawn))
    for axes, panel in zip(grid, drawn, strict=True):
        style(axes, panel.title, "step")
        for label, ink, dashed, runs in lines(panel, variants):
            plot(axes, runs, label, ink, dashed)
        if panel.zero:
            axes.set_ylim(bottom=min(0.0, *(min(values) for *_, runs in lines(panel, variants) for _, values in runs)))
    legend(figure, grid, variants)
    return figure


def lines(panel: Panel, variants: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, bool, list[Curve]]]:
    """Label, colour, whether dashed, and the curves of all seeds, for each line of a panel that has a number."""
    for place, line in enumerate(panel.lines[:1] if len(variants) > 1 else panel.lines):
        for number, variant in enumerate(variants):
            runs = [found for run in variant["runs"] if (found := points(run["metrics"], line))[0]]
            ink = INKS[(number or place) % len(INKS)]
            if runs:
                yield (variant["label"] if len(variants) > 1 else line.label), ink, place > 0, runs


def lengths(variants: Sequence[Mapping[str, Any]]) -> "Figure | None":
    """BLEU over source lengths, the mean over seeds; None where no run has it."""
    having = [variant for variant in variants if any(run.get("lengths") for run in variant["runs"])]
    if not having:
        return None
    figure, (axes,) = empty(1)
    style(axes, "BLEU by source length", "source words")
    first = next(run["lengths"] for run in having[0]["runs"] if run.get("lengths"))
    for number, variant in enumerate(variants):
        runs = [
            (list(range(len(first))), [bucket["bleu"] for bucket in run["lengths"]])
            for run in variant["runs"]
            if [bucket["to"] for bucket in run.get("lengths", ())] == [bucket["to"] for bucket in first]
        ]
        if runs:
            plot(axes, runs, variant["label"], INKS[number % len(INKS)], False)
    names = [f"{b['from']}" if b["from"] == b["to"] else f"{b['from']}–{b['to']}" for b in first]
    axes.set_xticks(range(len(first)), names)
    axes.set_ylim(bottom=0)
    legend(figure, [axes], variants)
    return figure


def costs(wanted: Sequence[Mapping[str, Any]], variants: Sequence[Mapping[str, Any]]) -> "Figure | None":
    """BLEU against every cost: a point for each run, named by its variant; None where there is nothing to draw."""
    charts = []
    for cost in wanted:
        pairs = [[pair for run in v["runs"] if (pair := both(run.get("values", {}), cost["name"]))] for v in variants]
        if any(pairs):
            charts.append((cost["head"], pairs))
    if not charts:
        return None
    figure, grid = empty(len(charts))
    for axes, (head, pairs) in zip(grid, charts, strict=True):
        style(axes, "test BLEU", head)
        for number, (variant, own) in enumerate(zip(variants, pairs, strict=True)):
            ink = INKS[number % len(INKS)]
            if own:
                axes.scatter(
                    [cost for cost, _ in own], [bleu for _, bleu in own], s=22, color=ink, label=name(variant["label"])
                )
        axes.ticklabel_format(style="sci", axis="x", scilimits=(-3, 5))
        axes.xaxis.get_offset_text().set(fontsize=7, color=FAINT_INK)
    legend(figure, grid, variants)
    return figure


def both(values: Mapping[str, float], cost: str) -> tuple[float, float] | None:
    """A run's cost and its BLEU; None where one is not known."""
    return (values[cost], values["BLEU"]) if {cost, "BLEU"} <= values.keys() else None


# Parts --------------------------------------------------------------------------------------------------------------


def empty(count: int) -> "tuple[Figure, list[Axes]]":
    """A figure with so many charts, three in a row."""
    from matplotlib.figure import Figure

    columns, rows = min(count, COLUMNS), math.ceil(count / COLUMNS)
    figure = Figure(figsize=(CHART.width * columns, CHART.height * rows), facecolor="white")
    grid = [figure.add_axes((0.0, 0.0, 1.0, 1.0), label=str(place)) for place in range(count)]
    arrange(figure, grid, above=0.0)
    return figure, grid


def arrange(figure: "Figure", grid: "Sequence[Axes]", *, above: float) -> None:
    """Place the charts below `above` inches that are kept for a legend. Fixed margins take no time to compute, and make
    charts of the same size from figure to figure."""
    columns, rows = min(len(grid), COLUMNS), math.ceil(len(grid) / COLUMNS)
    width, height = CHART.width * columns, CHART.height * rows + above
    figure.set_size_inches(width, height)
    for place, axes in enumerate(grid):
        row, column = divmod(place, columns)
        left, below = CHART.width * column + CHART.left, CHART.height * (rows - 1 - row) + CHART.bottom
        wide, tall = CHART.width - CHART.left - CHART.right, CHART.height - CHART.bottom - CHART.top
        axes.set_position((left / width, below / height, wide / width, tall / height))


def plot(axes: "Axes", runs: Sequence[Curve], label: str, ink: str, dashed: bool) -> None:
    """The mean over runs at the steps that all have, over the thin lines of the runs where there are several."""
    shape = "--" if dashed else "-"
    if len(runs) > 1:
        for steps, values in runs:
            axes.plot(steps, values, color=ink, linewidth=0.7, alpha=0.4, linestyle=shape)
    shared = [step for step in runs[0][0] if all(step in steps for steps, _ in runs)]
    middle = [sum(values[steps.index(step)] for steps, values in runs) / len(runs) for step in shared]
    marker = "o" if len(shared) <= 40 else None
    axes.plot(
        shared, middle, color=ink, label=name(label), linewidth=1.4, linestyle=shape, marker=marker, markersize=2.2
    )


def name(label: str) -> str:
    """A label that matplotlib can draw, in no formula, and that a legend does not pass over."""
    return "\u200b" * label.startswith("_") + legible(label, longest=40).replace("$", r"\$")


def legend(figure: "Figure", grid: "Sequence[Axes]", variants: Sequence[Mapping[str, Any]]) -> None:
    """What the lines are: of several variants once, above all charts, and else in every chart that has several."""
    found = [axes.get_legend_handles_labels() for axes in grid]
    if len(variants) > 1:
        named = {label: handle for handles, labels in found for label, handle in zip(labels, handles, strict=True)}
        columns = max(1, min(len(named), WIDTH * min(len(grid), COLUMNS) // max(map(len, named))))
        ncols = min(columns, 2 * COLUMNS)
        style: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.0, 1.0), "ncols": ncols, **printed(named)}
        shown = figure.legend(list(named.values()), list(named), **style)
        arrange(figure, grid, above=shown.get_window_extent().height / figure.dpi)
        return
    for axes, (_, labels) in zip(grid, found, strict=True):
        if len(labels) > 1:
            axes.legend(**printed(labels))


def printed(labels: Iterable[str]) -> dict[str, Any]:
    """How a legend of these labels looks."""
    font = {"size": 7, "family": families(list(labels))}
    return {"frameon": False, "prop": font, "labelcolor": TEXT_INK, "handlelength": 1.4}


def style(axes: "Axes", title: str, across: str) -> None:
    """A quiet frame, so that the lines are what is seen."""
    axes.set_title(title, loc="left", fontsize=9, color=TEXT_INK)
    axes.set_xlabel(across, fontsize=8, color=FAINT_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID_INK)
    axes.grid(color=GRID_INK, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=7.5, labelcolor=FAINT_INK)
    axes.margins(x=0.05, y=0.12)
