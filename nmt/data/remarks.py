"""What a person should know of the data before a model is trained on them."""

import logging
from itertools import islice
from typing import Any

import numpy as np

from nmt.data.tokenized import Tokenized

LONG = 1000
"""A validation pair of more pieces is worth a warning; sentences have a tenth of them."""

logger = logging.getLogger(__name__)


def left_out(counts: dict[str, int]) -> str:
    """How many pairs the filters left out, by their reasons; empty where they left out none."""
    reasons = (reason for reason, count in counts.items() if count and reason not in ("read", "kept"))
    return ", ".join(f"{counts[reason]} {reason}" for reason in reasons)


def tell(report: dict[str, Any]) -> None:
    """Logs how many pairs are used, and how long and how well known they are."""
    pairs, dropped = report["pairs"], left_out(report["pairs"])
    logger.info(
        "training pairs: %d of %d kept%s", pairs["kept"], pairs["read"], f" (left out: {dropped})" if dropped else ""
    )
    for side in ("source", "target"):
        about = report[side]
        logger.info(
            "%s: vocabulary %d, %d tokens, longest %d, unknown %.3f %%",
            *(side, about["vocab_size"], about["tokens"], about["longest"], 100 * about["unknown_share"]),
        )


def warn_of_copies(train: Tokenized) -> None:
    """A source given twice would be learnt to be copied, with a BLEU that pleases."""
    pairs = list(islice(zip(train.source_text, train.target_text, strict=True), 1000))
    alike = sum(source == target for source, target in pairs)
    if 2 * alike > len(pairs):
        logger.warning(
            "%d of the first %d training pairs say the same on both sides: is the target what it should be?",
            *(alike, len(pairs)),
        )


def warn_of_long(validation: Tokenized) -> None:
    """No line of a validation set is left out, so that line n stays line n, and one such line can outlast training."""
    lengths = np.maximum(validation.source.lengths, validation.target.lengths)
    longest = int(lengths.argmax())
    if lengths[longest] > LONG:
        logger.warning(
            "validation pairs of more than %d pieces: %d, and line %d has %d. Time and memory of attention grow "
            "with its square, at every validation, and a signal may have to wait. Cut such lines, or leave them out.",
            *(LONG, int((lengths > LONG).sum()), longest + 1, lengths[longest]),
        )
