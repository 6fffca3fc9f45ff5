"""A run whose best validation is its last was still improving."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt.runs.improvement import is_still_improving


def write_run(folder: Path, metric: str | None, *validations: dict[str, Any]) -> Path:
    rows = [{"kind": "train", "step": 1, "loss": 9.0}]
    rows += [{"kind": "validation", "step": step, **values} for step, values in enumerate(validations, 1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"training": {"validation": {} if metric is None else {"metric": metric}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return folder


@pytest.mark.parametrize(
    ("metric", "values", "improving"),
    [
        ("bleu", [1.0, 2.0, 3.0], True),
        ("bleu", [1.0, 3.0, 2.0], False),
        ("bleu", [3.0, 2.0, 3.0], False),  # of equals the earlier is the best
        ("bleu", [3.0], True),
        ("chrf", [1.0, 3.0, 4.0], True),
        ("loss", [3.0, 2.0, 1.0], True),
        ("loss", [3.0, 1.0, 2.0], False),
        ("perplexity", [3.0, 2.5], True),
    ],
)
def test_the_last_validation_is_the_best_by_the_runs_own_metric(
    tmp_path: Path, metric: str, values: list[float], improving: bool
) -> None:
    rows = [{"loss": 4.0, metric: value} for value in values]
    assert is_still_improving(write_run(tmp_path, metric, *rows)) is improving


def test_of_equal_scores_the_loss_decides(tmp_path: Path) -> None:
    rows = [{"bleu": 0.0, "loss": loss} for loss in (6.0, 5.0, 4.0)]
    assert is_still_improving(write_run(tmp_path, "bleu", *rows))
    assert not is_still_improving(write_run(tmp_path, "bleu", *rows[::-1]))


def test_what_a_run_does_not_say_is_no_improvement(tmp_path: Path) -> None:
    assert not is_still_improving(tmp_path)
    assert not is_still_improving(write_run(tmp_path, "bleu"))
    assert not is_still_improving(write_run(tmp_path, None, {"bleu": 1.0, "loss": 1.0}))
    without = {"loss": 1.0}  # a score that is not finite is left out
    assert not is_still_improving(write_run(tmp_path, "bleu", {"bleu": 1.0, "loss": 1.0}, without))
    assert is_still_improving(write_run(tmp_path, "bleu", without, {"bleu": 1.0, "loss": math.pi}))
