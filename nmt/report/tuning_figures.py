"""The pictures of a search: how the best got better, what mattered, and each setting against the metric."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nmt.report.figures import (
    CHART,
    FAINT_INK,
    GRID_INK,
    INKS,
    TEXT_INK,
    format_label,
    get_legend_style,
    make_figure,
    style_axes,
)
from nmt.report.heatmap import INKS as HEAT_INKS
from nmt.report.tuning import TrialRow, Tuning, format_score, format_value, shorten_keys

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SLICES = 12
"""Settings with a chart of their own: those that mattered most."""

MAX_NAMED = 6
"""Values of a choice that are named at the axis."""


def build_figures(tuning: Tuning) -> "dict[str, Figure]":
    """All figures that a search has numbers for, by name."""
    found = {"history": draw_history(tuning), "slices": draw_slices(tuning)}
    if tuning.importances:
        found["importances"] = draw_importances(tuning)
    if len(tuning.axes) > 1:
        found["parallel"] = draw_parallel(tuning)
    return found


def list_scored(tuning: Tuning) -> list[TrialRow]:
    """The trials that came to a score, in their own order."""
    return sorted((trial for trial in tuning.trials if trial.scores), key=lambda trial: trial.number)


def find_best_so_far(tuning: Tuning, rung: int) -> list[tuple[int, float]]:
    """By trial, the best score at a rung of the trials up to it."""
    choose = max if tuning.direction == "maximize" else min
    found: list[tuple[int, float]] = []
    for trial in list_scored(tuning):
        if rung in trial.scores:
            score = trial.scores[rung]
            found.append((trial.number, choose(found[-1][1], score) if found else score))
    return found


def draw_history(tuning: Tuning) -> "Figure":
    """Every trial at each rung that it reached, and the best so far at the first."""
    figure, (axes,) = make_figure(1)
    figure.set_size_inches(2 * CHART.width, CHART.height)
    style_axes(axes, tuning.metric, "trial")
    for place, rung in enumerate(tuning.rungs):
        pairs = [(trial.number, trial.scores[rung]) for trial in list_scored(tuning) if rung in trial.scores]
        if pairs:
            across, up = zip(*pairs, strict=True)
            axes.scatter(across, up, s=16, color=INKS[place % len(INKS)], label=f"step {rung}", zorder=3)
    best = find_best_so_far(tuning, tuning.rungs[0])
    axes.step(*zip(*best, strict=True), where="post", color=INKS[0], linewidth=1.0, alpha=0.5)
    if len(tuning.rungs) > 1:
        axes.legend(
            loc="center left", bbox_to_anchor=(1.0, 0.5), **get_legend_style([f"step {rung}" for rung in tuning.rungs])
        )
        bounds = axes.get_position()
        axes.set_position((bounds.x0 / 2, bounds.y0, 0.86 - bounds.x0 / 2, bounds.height))
    return figure


def draw_importances(tuning: Tuning) -> "Figure":
    """A bar for each setting: its share of what made trials differ."""
    figure, (axes,) = make_figure(1)
    names = dict(zip(tuning.axes, shorten_keys(list(tuning.axes)), strict=True))
    entries = list(tuning.importances.items())[::-1]
    style_axes(axes, f"what mattered at step {tuning.rungs[0]}", "share")
    axes.barh(
        [format_label(names[key]) for key, _ in entries], [share for _, share in entries], color=INKS[0], height=0.6
    )
    axes.set_xlim(0, 1)
    longest = max(len(names[key]) for key, _ in entries)
    left = min(0.5, (0.3 + 0.065 * min(longest, 24)) / CHART.width)
    bounds = axes.get_position()
    axes.set_position((left, bounds.y0, bounds.x1 - left, bounds.height))
    return figure


def draw_slices(tuning: Tuning) -> "Figure":
    """For each setting a chart: its value against the metric at the first rung, darker for trials that went on."""
    keys = sorted(tuning.axes, key=lambda key: -tuning.importances.get(key, 0.0))[:MAX_SLICES]
    names = dict(zip(tuning.axes, shorten_keys(list(tuning.axes)), strict=True))
    figure, grid = make_figure(len(keys))
    first = tuning.rungs[0]
    trials = [trial for trial in list_scored(tuning) if first in trial.scores]
    for axes, key in zip(grid, keys, strict=True):
        style_axes(axes, f"{tuning.metric} at step {first}", format_label(names[key]))
        inks = [choose_ink(trial, tuning) for trial in trials]
        axes.scatter(place_values(axes, tuning, key, trials), [trial.scores[first] for trial in trials], s=18, c=inks)
        best = tuning.best
        axes.scatter(
            place_values(axes, tuning, key, [best]), [best.scores[first]], s=60, facecolors="none", edgecolors=INKS[1]
        )
    return figure


def place_values(axes: "Axes", tuning: Tuning, key: str, trials: Sequence[TrialRow]) -> list[float]:
    """Where values lie on the axis of a setting, which gets the scale and the names for them."""
    if tuning.axes[key] != "choice":
        if tuning.axes[key] in ("log", "log_int"):
            axes.set_xscale("log")
            ends = sorted({float(trial.values[key]) for trial in tuning.trials})
            middle = math.sqrt(ends[0] * ends[-1])
            axes.set_xticks([ends[0], middle, ends[-1]], [f"{tick:.2g}" for tick in (ends[0], middle, ends[-1])])
            axes.minorticks_off()
        return [float(trial.values[key]) for trial in trials]
    values = list_values(tuning, key)
    axes.set_xticks(range(len(values)), [format_label(value)[:14] for value in values], fontsize=7)
    axes.set_xlim(-0.5, len(values) - 0.5)
    if len(values) > MAX_NAMED:
        axes.tick_params(axis="x", labelsize=5)
    return [float(values.index(str(trial.values[key]))) for trial in trials]


def list_values(tuning: Tuning, key: str) -> list[str]:
    """The values of a choice, as they were tried."""
    return list(
        dict.fromkeys(str(trial.values[key]) for trial in sorted(tuning.trials, key=lambda trial: trial.number))
    )


def choose_ink(trial: TrialRow, tuning: Tuning) -> str:
    """The colour of a trial: darker with each rung that it reached."""
    reached = sum(rung in trial.scores for rung in tuning.rungs)
    return HEAT_INKS[min(len(HEAT_INKS) - 1, 3 + reached * (len(HEAT_INKS) - 4) // len(tuning.rungs))]


def draw_parallel(tuning: Tuning) -> "Figure":
    """A line for each trial over an axis for each setting and one for the metric at the first rung; the best in red."""
    from matplotlib.figure import Figure

    keys, first = list(tuning.axes), tuning.rungs[0]
    names = [*shorten_keys(keys), f"{tuning.metric}@{first}"]
    trials = [trial for trial in list_scored(tuning) if first in trial.scores]
    figure = Figure(figsize=(max(2, len(names)) * 1.6 + 0.6, 3.2), facecolor="white")
    axes = figure.add_axes((0.08, 0.2, 0.84, 0.66))
    columns = [scale_column(tuning, key, trials) for key in keys]
    scores = [trial.scores[first] for trial in trials]
    low, high = min(scores), max(scores)
    columns.append(([(score - low) / ((high - low) or 1.0) for score in scores], format_score(low), format_score(high)))
    for place, trial in sorted(enumerate(trials), key=lambda pair: pair[1].number == tuning.best.number):
        is_best = trial.number == tuning.best.number
        line = [column[0][place] for column in columns]
        ink = INKS[1] if is_best else choose_ink(trial, tuning)
        axes.plot(range(len(line)), line, color=ink, linewidth=2.0 if is_best else 0.9, alpha=1.0 if is_best else 0.7)
    for place, (name, (_, bottom, top)) in enumerate(zip(names, columns, strict=True)):
        axes.axvline(place, color=GRID_INK, linewidth=1.0, zorder=0)
        axes.text(place, -0.04, format_label(bottom), ha="center", va="top", fontsize=7, color=FAINT_INK)
        axes.text(place, 1.03, format_label(top), ha="center", va="bottom", fontsize=7, color=FAINT_INK)
        axes.text(place, -0.16, format_label(name), ha="center", va="top", fontsize=8, color=TEXT_INK)
    axes.set_axis_off()
    axes.set_ylim(0, 1)
    return figure


def scale_column(tuning: Tuning, key: str, trials: Sequence[TrialRow]) -> tuple[list[float], str, str]:
    """The values of a setting from 0 to 1, and what its ends are."""
    if tuning.axes[key] == "choice":
        values = list_values(tuning, key)
        size = max(1, len(values) - 1)
        return [values.index(str(trial.values[key])) / size for trial in trials], values[0], values[-1]
    convert = math.log if tuning.axes[key] in ("log", "log_int") else float
    numbers = [float(trial.values[key]) for trial in trials]
    low, high = min(numbers), max(numbers)
    span = (convert(high) - convert(low)) or 1.0
    return [(convert(number) - convert(low)) / span for number in numbers], format_value(low), format_value(high)
