"""Figures for papers show the numbers of the report, and only numbers."""

import io
import math
from typing import Any

import numpy as np
import pytest

from nmt.report.figures import build_figures, build_panel_figures, draw_costs, draw_curves, draw_lengths
from nmt.report.panels import LEARNING_PANELS, MEASURE_PANELS
from tests.report import samples

METRICS: list[dict[str, Any]] = [
    {"kind": "train", "step": 10, "nll": 5.0, "learning_rate": 0.1, "tokens_per_second": 100.0, "minutes": 0.1},
    {"kind": "train", "step": 20, "nll": 4.0, "learning_rate": 0.2, "tokens_per_second": 110.0, "minutes": 0.2},
    {"kind": "validation", "step": 20, "loss": 4.5, "perplexity": 90.0, "bleu": 12.5, "chrf": 30.0},
    {"kind": "validation", "step": 40, "loss": 4.0, "perplexity": 55.0, "bleu": 11.0, "chrf": 33.0},
]


def variants(*runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"label": "a", "runs": [{"seed": seed, "metrics": rows} for seed, rows in enumerate(runs)]}]


def lines(figure: Any) -> dict[str, tuple[list[float], list[float]]]:
    """Chart and curve -> its points, as they are drawn."""
    return {
        f"{axes.get_title(loc='left')}/{line.get_label()}": (list(line.get_xdata()), list(line.get_ydata()))
        for axes in figure.axes
        for line in axes.get_lines()
        if not str(line.get_label()).startswith("_")
    }


def test_every_number_is_at_its_step() -> None:
    assert lines(draw_curves(LEARNING_PANELS, variants(METRICS))) == {
        "loss/validation": ([20, 40], [4.5, 4.0]),
        "loss/training": ([10, 20], [5.0, 4.0]),
        "BLEU/BLEU": ([20, 40], [12.5, 11.0]),
        "chrF/chrF": ([20, 40], [30.0, 33.0]),
        "learning rate/learning rate": ([10, 20], [0.1, 0.2]),
        "speed/speed": ([10, 20], [100.0, 110.0]),
    }


def test_missing_and_infinite_numbers_and_other_rows_are_passed_over() -> None:
    broken = [
        {"kind": "train", "step": 15, "nll": math.nan, "learning_rate": None},
        {"kind": "validation", "step": 30, "loss": math.inf},
        {"kind": "test", "step": 30, "loss": 1.0},
        {"kind": "train", "nll": 1.0},
    ]
    expected = lines(draw_curves(LEARNING_PANELS, variants(METRICS)))
    assert lines(draw_curves(LEARNING_PANELS, variants([*METRICS, *broken]))) == expected


def test_what_has_no_number_has_no_figure() -> None:
    assert draw_curves(LEARNING_PANELS, variants([])) is None
    assert draw_curves(MEASURE_PANELS, variants(METRICS)) is None
    assert draw_lengths(variants([])) is None
    assert draw_costs([{"name": "minutes", "head": "minutes", "better": "less"}], variants([])) is None


def test_seeds_are_drawn_thin_under_their_mean_over_those_that_are_there() -> None:
    other = [{"kind": "validation", "step": 40, "bleu": 13.0}, {"kind": "validation", "step": 50, "bleu": 99.0}]
    figure = draw_curves([panel for panel in LEARNING_PANELS if panel.title == "BLEU"], variants(METRICS, other))
    assert figure is not None
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in figure.axes[0].get_lines()]
    assert drawn == [([20, 40], [12.5, 11.0]), ([40, 50], [13.0, 99.0]), ([20, 40, 50], [12.5, 12.0, 99.0])]


def test_a_comparison_has_a_line_for_every_variant() -> None:
    report = samples.report("attention=dot", "$x_1$", "_hidden", seeds=2)
    found = build_figures(report)
    assert found.keys() == {"curves", "measures", "lengths", "costs"}
    for figure in found.values():
        (legend,) = figure.legends  # once, and over no chart
        assert all(axes.get_legend() is None for axes in figure.axes)
        labels = [text.get_text() for text in legend.get_texts()]
        assert len(labels) == 3
        assert labels[0] == "attention=dot"
        figure.draw_without_rendering()
        below = legend.get_window_extent().y0
        assert all(axes.get_tightbbox().y1 <= below for axes in figure.axes)
        figure.savefig(io.BytesIO(), format="png", dpi=30)  # no label is taken for a formula
    points = [point for axes in found["costs"].axes for dots in axes.collections for point in dots.get_offsets()]
    np.testing.assert_allclose(
        points, [(run["values"]["parameters"], run["values"]["BLEU"]) for v in report["variants"] for run in v["runs"]]
    )


def test_every_panel_is_a_figure_of_its_own_with_the_same_lines() -> None:
    report = samples.report("attention=dot", "attention=cosine", seeds=2)
    found = build_panel_figures(report)
    combined = lines(build_figures(report)["curves"]) | lines(build_figures(report)["measures"])
    own = [lines(figure) for name, figure in found.items() if not name.startswith("cost-")]
    assert {name: points for each in own for name, points in each.items()} == combined
    assert all(len(figure.axes) == 1 for figure in found.values())
    assert {"loss", "bleu", "learning-rate", "entropy", "cost-parameters"} <= found.keys()


def test_runs_scored_on_other_lengths_are_not_in_one_line() -> None:
    report = samples.report("a", "b")
    report["variants"][1]["runs"][0]["lengths"] = [{"from": 1, "to": 3, "sentences": 2, "bleu": 1.0}]
    figure = draw_lengths(report["variants"])
    assert figure is not None
    assert lines(figure) == {"BLEU by source length/a": ([0, 1], [40.0, 30.0])}


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_shares_begin_at_zero(value: float) -> None:
    rows = [{"kind": "validation", "step": step, "attention.forced.zeros": value} for step in (1, 2)]
    figure = draw_curves(MEASURE_PANELS, variants(rows))
    assert figure is not None
    assert figure.axes[0].get_ylim()[0] == 0.0
