"""Learning curves show the numbers of the rows, and only numbers."""

import math
from typing import Any

import pytest

from nmt.report.curves import PANELS, curves

METRICS: list[dict[str, Any]] = [
    {"kind": "train", "step": 10, "nll": 5.0, "learning_rate": 0.1, "tokens_per_second": 100.0, "minutes": 0.1},
    {"kind": "train", "step": 20, "nll": 4.0, "learning_rate": 0.2, "tokens_per_second": 110.0, "minutes": 0.2},
    {"kind": "validation", "step": 20, "loss": 4.5, "perplexity": 90.0, "bleu": 12.5, "chrf": 30.0},
    {"kind": "train", "step": 30, "nll": 3.0, "learning_rate": 0.1, "tokens_per_second": 120.0, "minutes": 0.3},
    {"kind": "validation", "step": 40, "loss": 4.0, "perplexity": 55.0, "bleu": 11.0, "chrf": 33.0},
]


def lines(metrics: list[dict[str, Any]]) -> dict[str, tuple[list[float], list[float]]]:
    """Panel and curve -> its points, as they are drawn."""
    figure = curves(metrics)
    return {
        f"{title}/{line.get_label()}": (list(line.get_xdata()), list(line.get_ydata()))
        for axes, title in zip(figure.axes, PANELS, strict=True)
        for line in axes.get_lines()
        if not str(line.get_label()).startswith("_")
    }


def test_every_number_is_at_its_step() -> None:
    assert lines(METRICS) == {
        "nats a token/training": ([10, 20, 30], [5.0, 4.0, 3.0]),
        "nats a token/validation": ([20, 40], [4.5, 4.0]),
        "validation score/BLEU": ([20, 40], [12.5, 11.0]),
        "validation score/chrF": ([20, 40], [30.0, 33.0]),
        "learning rate/learning rate": ([10, 20, 30], [0.1, 0.2, 0.1]),
        "tokens per second/speed": ([10, 20, 30], [100.0, 110.0, 120.0]),
    }


def test_the_best_validation_is_marked_with_its_number() -> None:
    figure = curves(METRICS)
    marks = {text.get_text(): text.xy for axes in figure.axes for text in axes.texts}
    assert marks == {"4.000": (40, 4.0), "12.5": (20, 12.5), "33.0": (40, 33.0)}


def test_missing_and_infinite_numbers_and_other_rows_are_passed_over() -> None:
    broken = [
        {"kind": "train", "step": 15, "nll": math.nan, "learning_rate": None},
        {"kind": "validation", "step": 30, "loss": math.inf},
        {"kind": "test", "step": 30, "loss": 1.0},
        {"kind": "train", "nll": 1.0},
    ]
    assert lines([*METRICS, *broken]) == lines(METRICS)


@pytest.mark.parametrize("metrics", [[], METRICS[:1], METRICS[2:3]])
def test_a_panel_without_numbers_says_so(metrics: list[dict[str, Any]]) -> None:
    figure = curves(metrics)
    drawn = {label.split("/")[0] for label in lines(metrics)}
    said = {
        title
        for axes, title in zip(figure.axes, PANELS, strict=True)
        if "nothing measured yet" in [text.get_text() for text in axes.texts]
    }
    assert said == PANELS.keys() - drawn
