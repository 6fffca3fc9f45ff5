"""What of a line is translated by itself, as pieces: the line, or each of its sentences."""

import logging
from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from nmt.data.beginnings import cut_to_pieces
from nmt.inference.sentences import join_sentences

if TYPE_CHECKING:
    from nmt.data.sources.reader import SourceItem, SourceReader
    from nmt.translation.translator import BatchTranslator

logger = logging.getLogger(__name__)

SENTENCES_AT_ONCE = 2000
"""Sentences whose hypotheses are in memory at once; a line with more of them is warned of, for it takes its time."""


class LinePart(NamedTuple):
    """text: of a line or a sentence. beginning: what of it is cut into pieces, all unless long. ids: its pieces."""

    text: str
    beginning: str
    ids: "SourceItem"

    def is_truncated(self, max_pieces: int | None) -> bool:
        """Whether it has more pieces than are translated."""
        return max_pieces is not None and (len(self.ids) > max_pieces or len(self.beginning) < len(self.text))


def encode_parts(
    tokenizer: "SourceReader", texts: Sequence[Sequence[str]], max_pieces: int | None
) -> list[list[LinePart]]:
    """The parts of lines, of which long ones are cut into pieces only as far as `max_pieces` may reach."""
    beginnings = [cut_to_pieces(tokenizer, text, max_pieces) for line in texts for text in line]
    parts = map(LinePart, chain.from_iterable(texts), beginnings, tokenizer.encode(beginnings))
    return [list(islice(parts, len(line))) for line in texts]


def truncate(ids: "Sequence[SourceItem]", max_pieces: int | None, *, first: int) -> "list[SourceItem]":
    """Sources of at most so many pieces; of longer ones the beginning, with a warning. `first` lines came before."""
    for number, source in enumerate(ids, start=first + 1):
        if max_pieces is not None and len(source) > max_pieces:
            logger.warning(
                "line %d has %d pieces; only the first %d are read (max_source)", number, len(source), max_pieces
            )
    return [source[:max_pieces] for source in ids]


def warn_of_long(lines: Sequence[Sequence[LinePart]], max_pieces: int | None, *, first: int) -> None:
    """Warns of the parts of which only the beginning is translated, and of lines that take long; `first` lines came
    before."""
    for number, parts in enumerate(lines, start=first + 1):
        for part in parts:
            if part.is_truncated(max_pieces):
                logger.warning(
                    "line %d has more than %d pieces; only these are translated (max_source)", number, max_pieces
                )
        if len(parts) > SENTENCES_AT_ONCE:
            logger.warning("line %d has %d sentences, and is written when all are translated", number, len(parts))


def translate_sentences(
    translator: "BatchTranslator",
    ids: "Sequence[SourceItem]",
    counts: Sequence[int],
    *,
    spaces: bool,
    report_done: Callable[[int], object] | None,
) -> list[str]:
    """The translations of lines, each joined from those of its sentences: `ids` are of all sentences one after another,
    and `counts` says how many each line has. `report_done` is told how many more lines are translated."""
    from nmt.progress import make_bar

    texts: list[str] = []
    is_bar_hidden = report_done is None or len(ids) <= SENTENCES_AT_ONCE
    with make_bar(
        total=len(ids), desc="sentences", unit=" sentences", leave=False, disable=True if is_bar_hidden else None
    ) as bar:
        for start in range(0, len(ids), SENTENCES_AT_ONCE):
            found = translator.translate_ids(ids[start : start + SENTENCES_AT_ONCE], done=bar.update)
            texts += [translation.text for translation in found]
    if report_done is not None:
        report_done(len(counts))
    remaining = iter(texts)
    return [join_sentences(list(islice(remaining, count)), spaces=spaces) for count in counts]
