"""What keeps a comparison from being one: models that have not learnt, and runs that were still improving."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nmt.evaluation import floor

if TYPE_CHECKING:
    from nmt.report.comparison import VariantScores


def list_cautions(variants: "Sequence[VariantScores]") -> list[str]:
    """A note on the variants that have not learnt, so that nothing is tested, and one on runs that still improved."""
    lines = []
    unlearnt = [f"{v.label} ({floor.format_scores(v.scores)})" for v in variants if floor.is_unlearnt(v.scores)]
    if unlearnt:
        lines.append(
            f"No test with a model that has not learnt to translate ({floor.RULE}), as differences from it are no "
            f"finding: {'; '.join(unlearnt)}. Train longer (training.stop), and look at the loss. If the target has no "
            "spaces between words, BLEU needs a tokenizer for it."
        )
    counts = [(v.label, sum(run.still_improving for run in v.runs), v.finished_runs) for v in variants]
    improving = [f"{label} ({count} of {finished} runs)" for label, count, finished in counts if count]
    if improving:
        lines.append(
            f"Still improving when they ended, as the best checkpoint is the last one: {', '.join(improving)}. "
            "Training longer may change the result."
        )
    return lines
