"""The charts of the report for a paper: pure functions from the report's dictionary to figures."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt.report.fonts import choose_families, make_legible
from nmt.report.panels import LEARNING_PANELS, MEASURE_PANELS, Panel, select_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INKS = ("#1d66b0", "#c9420c", "#237a36", "#9333a0", "#806300", "#b81f56", "#0b6c7e", "#596473")
"""Told apart by most colour-blind readers, and in print by the dashes and by their labels."""

TEXT_INK, FAINT_INK, GRID_INK = "#1f2430", "#5d6572", "#e3e6eb"
MAX_COLUMNS = 3
LEGEND_CHARACTERS = 40
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


def build_figures(report: Mapping[str, Any]) -> "dict[str, Figure]":
    """All figures that a report has numbers for, by name; `report` is what `nmt.report.html.page` takes."""
    variants = report["variants"]
    found = {"curves": draw_curves(LEARNING_PANELS, variants), "measures": draw_curves(MEASURE_PANELS, variants)}
    found |= {"lengths": draw_lengths(variants), "costs": draw_costs(report.get("costs", ()), variants)}
    return {name: figure for name, figure in found.items() if figure is not None}


def build_panel_figures(report: Mapping[str, Any]) -> "dict[str, Figure]":
    """Every chart of `curves`, `measures` and `costs` as a figure of its own, by the name of what it shows."""
    variants = report["variants"]
    found = {
        format_file_name(panel.lines[0].key): draw_curves([panel], variants)
        for panel in (*LEARNING_PANELS, *MEASURE_PANELS)
    }
    found |= {
        f"cost-{format_file_name(cost['name'])}": draw_costs([cost], variants) for cost in report.get("costs", ())
    }
    return {name: figure for name, figure in found.items() if figure is not None}


def average_curves(runs: Sequence[Curve]) -> Curve:
    """The mean of curves at every step that one of them has.

    Between its own steps a curve is a straight line. Before its first and after its last step it does not count: runs
    that a time limit ends have few steps in common, and end at different ones.
    """
    import numpy as np

    filled = [run for run in runs if run[0]]
    if len(filled) < 2:
        return filled[0] if filled else ([], [])
    found = sorted({step for steps, _ in filled for step in steps})
    reached = [[run for run in filled if run[0][0] <= step <= run[0][-1]] for step in found]
    means = [
        sum(float(np.interp(step, *run)) for run in some) / len(some) for step, some in zip(found, reached, strict=True)
    ]
    return found, means


def format_file_name(key: str) -> str:
    """attention.forced.entropy is entropy, learning_rate is learning-rate."""
    return key.rsplit(".", 1)[-1].replace("_", "-")


def draw_curves(panels: Sequence[Panel], variants: Sequence[Mapping[str, Any]]) -> "Figure | None":
    """A chart for every panel that has a number. Variants are told apart by colour, their seeds drawn thin under the
    mean; a single variant has all lines of a panel, several have the first. None where there is no number at all."""
    drawn = [panel for panel in panels if any(iterate_lines(panel, variants))]
    if not drawn:
        return None
    figure, grid = make_figure(len(drawn))
    for axes, panel in zip(grid, drawn, strict=True):
        style_axes(axes, panel.title, "step")
        for label, ink, dashed, runs in iterate_lines(panel, variants):
            plot(axes, runs, label, ink, dashed)
        if panel.zero:
            axes.set_ylim(
                bottom=min(0.0, *(min(values) for *_, runs in iterate_lines(panel, variants) for _, values in runs))
            )
    draw_legend(figure, grid, variants)
    return figure


def iterate_lines(panel: Panel, variants: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, bool, list[Curve]]]:
    """Label, colour, whether dashed, and the curves of all seeds, for each line of a panel that has a number."""
    for place, line in enumerate(panel.lines[:1] if len(variants) > 1 else panel.lines):
        for number, variant in enumerate(variants):
            runs = [found for run in variant["runs"] if (found := select_points(run["metrics"], line))[0]]
            ink = INKS[(number or place) % len(INKS)]
            if runs:
                yield (variant["label"] if len(variants) > 1 else line.label), ink, place > 0, runs


def draw_lengths(variants: Sequence[Mapping[str, Any]]) -> "Figure | None":
    """BLEU over source lengths, the mean over seeds; None where no run has it."""
    having = [variant for variant in variants if any(run.get("lengths") for run in variant["runs"])]
    if not having:
        return None
    figure, (axes,) = make_figure(1)
    style_axes(axes, "BLEU by source length", "source words")
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
    draw_legend(figure, [axes], variants)
    return figure


def draw_costs(wanted: Sequence[Mapping[str, Any]], variants: Sequence[Mapping[str, Any]]) -> "Figure | None":
    """BLEU against every cost: a point for each run, named by its variant; None where there is nothing to draw."""
    charts = []
    for cost in wanted:
        pairs = [
            [pair for run in v["runs"] if (pair := get_cost_and_bleu(run.get("values", {}), cost["name"]))]
            for v in variants
        ]
        if any(pairs):
            charts.append((cost["head"], pairs))
    if not charts:
        return None
    figure, grid = make_figure(len(charts))
    for axes, (head, pairs) in zip(grid, charts, strict=True):
        style_axes(axes, "test BLEU", head)
        for number, (variant, own) in enumerate(zip(variants, pairs, strict=True)):
            ink = INKS[number % len(INKS)]
            if own:
                axes.scatter(
                    [cost for cost, _ in own],
                    [bleu for _, bleu in own],
                    s=22,
                    color=ink,
                    label=format_label(variant["label"]),
                )
        axes.ticklabel_format(style="sci", axis="x", scilimits=(-3, 5))
        axes.xaxis.get_offset_text().set(fontsize=7, color=FAINT_INK)
    draw_legend(figure, grid, variants)
    return figure


def get_cost_and_bleu(values: Mapping[str, float], cost: str) -> tuple[float, float] | None:
    """A run's cost and its BLEU; None where one is not known."""
    return (values[cost], values["BLEU"]) if {cost, "BLEU"} <= values.keys() else None


# Parts --------------------------------------------------------------------------------------------------------------


def make_figure(count: int) -> "tuple[Figure, list[Axes]]":
    """A figure with so many charts, three in a row."""
    from matplotlib.figure import Figure

    columns, rows = min(count, MAX_COLUMNS), math.ceil(count / MAX_COLUMNS)
    figure = Figure(figsize=(CHART.width * columns, CHART.height * rows), facecolor="white")
    grid = [figure.add_axes((0.0, 0.0, 1.0, 1.0), label=str(place)) for place in range(count)]
    arrange(figure, grid, above=0.0)
    return figure, grid


def arrange(figure: "Figure", grid: "Sequence[Axes]", *, above: float) -> None:
    """Place the charts below `above` inches that are kept for a legend. Fixed margins take no time to compute, and make
    charts of the same size from figure to figure."""
    columns, rows = min(len(grid), MAX_COLUMNS), math.ceil(len(grid) / MAX_COLUMNS)
    width, height = CHART.width * columns, CHART.height * rows + above
    figure.set_size_inches(width, height)
    for place, axes in enumerate(grid):
        row, column = divmod(place, columns)
        left, below = CHART.width * column + CHART.left, CHART.height * (rows - 1 - row) + CHART.bottom
        wide, tall = CHART.width - CHART.left - CHART.right, CHART.height - CHART.bottom - CHART.top
        axes.set_position((left / width, below / height, wide / width, tall / height))


def plot(axes: "Axes", runs: Sequence[Curve], label: str, ink: str, dashed: bool) -> None:
    """The mean over runs, over the thin lines of the runs where there are several."""
    shape = "--" if dashed else "-"
    if len(runs) > 1:
        for steps, values in runs:
            axes.plot(steps, values, color=ink, linewidth=0.7, alpha=0.4, linestyle=shape)
    steps, values = average_curves(runs)
    marker = "o" if len(steps) <= 40 else None
    axes.plot(
        steps,
        values,
        color=ink,
        label=format_label(label),
        linewidth=1.4,
        linestyle=shape,
        marker=marker,
        markersize=2.2,
    )


def format_label(label: str) -> str:
    """A label that matplotlib can draw, in no formula, and that a legend does not pass over."""
    return "\u200b" * label.startswith("_") + make_legible(label, longest=40).replace("$", r"\$")


def draw_legend(figure: "Figure", grid: "Sequence[Axes]", variants: Sequence[Mapping[str, Any]]) -> None:
    """What the lines are: of several variants once, above all charts, and else in every chart that has several."""
    found = [axes.get_legend_handles_labels() for axes in grid]
    if len(variants) > 1:
        named = {label: handle for handles, labels in found for label, handle in zip(labels, handles, strict=True)}
        columns = max(1, min(len(named), LEGEND_CHARACTERS * min(len(grid), MAX_COLUMNS) // max(map(len, named))))
        ncols = min(columns, 2 * MAX_COLUMNS)
        style: dict[str, Any] = {
            "loc": "upper left",
            "bbox_to_anchor": (0.0, 1.0),
            "ncols": ncols,
            **get_legend_style(named),
        }
        shown = figure.legend(list(named.values()), list(named), **style)
        arrange(figure, grid, above=shown.get_window_extent().height / figure.dpi)
        return
    for axes, (_, labels) in zip(grid, found, strict=True):
        if len(labels) > 1:
            axes.legend(**get_legend_style(labels))


def get_legend_style(labels: Iterable[str]) -> dict[str, Any]:
    """How a legend of these labels looks."""
    font = {"size": 7, "family": choose_families(list(labels))}
    return {"frameon": False, "prop": font, "labelcolor": TEXT_INK, "handlelength": 1.4}


def style_axes(axes: "Axes", title: str, across: str) -> None:
    """A quiet frame, so that the lines are what is seen."""
    axes.set_title(title, loc="left", fontsize=9, color=TEXT_INK)
    axes.set_xlabel(across, fontsize=8, color=FAINT_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID_INK)
    axes.grid(color=GRID_INK, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=7.5, labelcolor=FAINT_INK)
    axes.margins(x=0.05, y=0.12)
