"""What a person should know of the data before a model is trained on them."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from nmt.data.encoded import TokenizedBitext
from nmt.data.lines import replace_line_ends

LENGTH_WARNING_PIECES = 1000
"""A validation pair of more pieces is worth a warning; sentences have a tenth of them."""

COPY_WARNING_SHARE = 0.1
"""From this share on, targets that repeat their sources are worth a warning; names and numbers make a few percent."""

OVERLAP_WARNING_SHARE = 0.01
"""From this share on, held-out pairs in the training text are worth a warning rather than a note."""

SHOWN_CHARACTERS = 80
"""Of a line in the log."""

logger = logging.getLogger(__name__)


def format_dropped(counts: dict[str, int]) -> str:
    """How many pairs the filters left out, by their reasons; empty where they left out none."""
    reasons = (reason for reason, count in counts.items() if count and reason not in ("read", "kept"))
    return ", ".join(f"{counts[reason]} {reason}" for reason in reasons)


def format_example(example: Sequence[Any]) -> str:
    """A pair that was left out, in one line: the number of its line, and the beginning of either side."""
    line, *sides = example
    return f"line {line}: " + " ||| ".join(replace_line_ends(side)[:SHOWN_CHARACTERS] for side in sides)


def log_report(report: dict[str, Any]) -> None:
    """Logs how many pairs are used, and how long and how well known they are."""
    pairs, dropped = report["pairs"], format_dropped(report["pairs"])
    logger.info(
        "training pairs: %d of %d kept%s", pairs["kept"], pairs["read"], f" (left out: {dropped})" if dropped else ""
    )
    for reason, examples in report.get("dropped", {}).items():
        shown = "; ".join(format_example(example) for example in examples)
        logger.info("left out as %s: %d pairs, such as %s", reason, pairs[reason], shown)
    for name, counts in report.get("corpora", {}).items():
        logger.info("corpus %s: %d of %d training pairs kept", name, counts["kept"], counts["read"])
    for side in ("source", "target"):
        about = report[side]
        if "features" in about:
            logger.info(
                "%s: %d positions of %s features, longest %d",
                *(side, about["tokens"], "x".join(map(str, about["features"])), about["longest"]),
            )
            continue
        logger.info(
            "%s: vocabulary %d, %d tokens, longest %d, unknown %.3f %%",
            *(side, about["vocab_size"], about["tokens"], about["longest"], 100 * about["unknown_share"]),
        )


def warn_of_copies(copies: dict[str, Any], split: str) -> None:
    """A source given twice would be learnt to be copied, with a BLEU that pleases."""
    if copies["share"] >= COPY_WARNING_SHARE:
        logger.warning(
            "%d of %d %s pairs (%.3g %%) say the same on both sides: is the target what it should be?",
            *(copies["pairs"], copies["read"], split, 100 * copies["share"]),
        )


def warn_of_blank(blank: dict[str, int], split: str) -> None:
    """Says which pairs the scores leave out."""
    if blank["used"] < blank["read"]:
        reasons = [
            *([f"{blank['both']} are blank on both sides"] if blank["both"] else []),
            *([f"{blank['source']} have a blank source"] if blank["source"] else []),
            *([f"{blank['target']} have a blank target"] if blank["target"] else []),
        ]
        logger.warning(
            "%s: %d of %d pairs are left out of the scores: %s",
            *(split, blank["read"] - blank["used"], blank["read"], ", ".join(reasons)),
        )


def warn_of_overlap(overlap: dict[str, Any], split: str) -> None:
    """What was trained on is translated from memory, and scores of it say nothing of other text."""
    if not overlap["sources"]:
        return
    worth = max(overlap["pairs"], overlap["sources"]) >= OVERLAP_WARNING_SHARE * overlap["read"]
    examples = "; ".join(" ||| ".join(replace_line_ends(side)[:80] for side in pair) for pair in overlap["examples"])
    logger.log(
        logging.WARNING if worth else logging.INFO,
        "%d of %d %s pairs (%.3g %%) occur in the training text, and %d (%.3g %%) of their sources, such as: %s",
        *(overlap["pairs"], overlap["read"], split, 100 * overlap["share"]),
        *(overlap["sources"], 100 * overlap["sources"] / overlap["read"], examples),
    )


def warn_of_long(validation: TokenizedBitext) -> None:
    """No pair of a validation set is left out for its length, and one such line can outlast training."""
    lengths = np.maximum(validation.source.lengths, validation.target.lengths)
    longest = int(lengths.argmax())
    if lengths[longest] > LENGTH_WARNING_PIECES:
        logger.warning(
            "validation pairs of more than %d pieces: %d, and line %d has %d. Time and memory of attention grow "
            "with its square, at every validation, and a signal may have to wait. Cut such lines, or leave them out.",
            *(
                LENGTH_WARNING_PIECES,
                int((lengths > LENGTH_WARNING_PIECES).sum()),
                validation.lines[longest] + 1,
                lengths[longest],
            ),
        )
