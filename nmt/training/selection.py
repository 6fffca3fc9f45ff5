"""What a validation is worth as one number, by which the best checkpoint is chosen."""

import math
from collections.abc import Mapping

from nmt.evaluation.validation import ValidationResult

TIE_BREAK = 1e-9
MAX_LOSS = 1e3
"""What the loss counts beside a score: together less than any two scores that differ are apart, so that it decides only
between equal ones, such as the zeros that BLEU begins with."""


def compute_selection_score(report: ValidationResult, metric: str) -> float:
    """A validation result as a number of which more is better; of equal scores, the lower loss is worth more."""
    return rank(report.values, metric)


def rank(values: Mapping[str, float], metric: str) -> float:
    """The same of the values alone."""
    value = values[metric]
    if metric in ("loss", "perplexity"):
        return -value
    if metric in ("wrong_bits", "ratio"):
        value = -min(value, MAX_LOSS)
    loss = values["loss"]
    return value - TIE_BREAK * (min(loss, MAX_LOSS) if math.isfinite(loss) else MAX_LOSS)
