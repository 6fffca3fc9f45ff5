"""What a trial is judged by: the number by which a run chooses its best checkpoint."""

import math
from pathlib import Path
from typing import Literal

from nmt.training.metrics_logger import METRICS, read_rows
from nmt.training.selection import rank

Direction = Literal["maximize", "minimize"]


def find_direction(metric: str) -> Direction:
    """Whether more or less of a metric is better, as `nmt.training.selection` ranks it."""
    return "maximize" if rank({"loss": 0.0, metric: 1.0}, metric) > 0 else "minimize"


def read_score(folder: Path, metric: str, step: int) -> float | None:
    """The best validation of a run up to a step, of which more is better; None where none has a number.

    Ranked as checkpoints are: of equal scores, such as the zeros that BLEU begins with, the lower loss is better.
    """
    rows = [row for row in read_rows(folder / METRICS, warn=False) if row["kind"] == "validation"]
    scores = [rank({"loss": math.inf, **row}, metric) for row in rows if metric in row and row["step"] <= step]
    return max(scores, default=None)


def convert_score(score: float, direction: Direction) -> float:
    """A score as the study has it, and back: in the direction of the metric."""
    return score if direction == "maximize" else -score
