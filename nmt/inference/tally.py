"""What nmt-translate counts in its input, warns of once, and sums up at its end."""

import logging
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nmt.inference.parts import LinePart
from nmt.inference.sentences import has_several_sentences
from nmt.printable import escape_controls, print_text
from nmt.special_tokens import UNK

if TYPE_CHECKING:
    from nmt.data.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

MIN_CAPITALS = 8
"""Letters that a line in capitals has at least, so that it is no abbreviation."""

MIN_CAPITALS_RATIO = 1.5
"""Pieces that capitals take, to those of the same line in small letters, where the vocabulary hardly has them."""

MAX_NAMED_CHARACTERS = 5
"""Unknown characters that a warning names."""

KINDS = {
    "truncated": "truncated (max_source)",
    "unknown": "with unknown characters",
    "capitals": "in capitals that the vocabulary hardly has",
    "several": "that look like several sentences",
}
"""What is counted, and how the summary says so."""


class LineTally(NamedTuple):
    """Of some lines: how many are of each kind, and what is to be said of the first of a kind that is warned of."""

    lines: int
    counts: Mapping[str, int]
    warnings: Mapping[str, str]


def count_lines(
    tokenizer: "Tokenizer | None",
    lines: Sequence[Sequence[LinePart]],
    *,
    first: int,
    max_pieces: int | None,
    language: str | None,
    is_split: bool = False,
) -> LineTally:
    """The tally of lines, each given as the parts that are translated by themselves; is_split: which are its sentences;
    tokenizer: None where lines are no text.

    `first` lines came before, and of a part `max_pieces` pieces are translated; what is far beyond is not looked at.
    """
    counts = dict.fromkeys(KINDS, 0)
    warnings: dict[str, str] = {}
    for number, parts in enumerate(lines, start=first + 1):
        if tokenizer is None:
            counts["truncated"] += any(part.is_truncated(max_pieces) for part in parts)
            continue
        small = count_lowercase(tokenizer, parts)
        kinds = {
            "truncated": any(part.is_truncated(max_pieces) for part in parts),
            "unknown": any(UNK in part.ids for part in parts),
            "capitals": small is not None,
            "several": len(parts) > 1 or (not is_split and has_several_sentences(parts[0].beginning, language)),
        }
        for kind, holds in kinds.items():
            counts[kind] += holds
        if kinds["unknown"] and "unknown" not in warnings:
            (text, *_) = (part.beginning for part in parts if UNK in part.ids)
            warnings["unknown"] = (
                f"line {number} has characters that the vocabulary does not have "
                f"({format_characters(tokenizer.find_unknown(text))}), so the model cannot tell them apart. "
                "Further such "
                "lines are only counted."
            )
        if small is not None and "capitals" not in warnings:
            pieces = sum(len(part.ids) for part in parts)
            warnings["capitals"] = (
                f"line {number} is in capitals, which the vocabulary hardly has: {pieces} pieces, and {small} in "
                "small letters. It may be translated badly. Further lines in capitals are only counted."
            )
    return LineTally(len(lines), counts, warnings)


def format_characters(texts: Iterable[str]) -> str:
    """The first distinct characters of some texts, safe to print, and dots where there are more of them.

    A mark that would combine with what stands before it stands on a dotted circle.
    """
    distinct = dict.fromkeys(character for text in texts for character in text)
    shown = [f"\u25cc{each}" if unicodedata.category(each).startswith("M") else each for each in distinct]
    return escape_controls(
        ", ".join([*shown[:MAX_NAMED_CHARACTERS], *(["..."] if len(shown) > MAX_NAMED_CHARACTERS else [])])
    )


def count_lowercase(tokenizer: "Tokenizer", parts: Sequence[LinePart]) -> int | None:
    """How many pieces a line in capitals has in small letters, if its capitals are rare or unknown; else None."""
    text = " ".join(part.beginning for part in parts)
    if not text.isupper() or sum(letter.isupper() for letter in text) < MIN_CAPITALS:
        return None
    small = [id for ids in tokenizer.encode([part.beginning.lower() for part in parts]) for id in ids]
    pieces = [id for part in parts for id in part.ids]
    return len(small) if len(pieces) > MIN_CAPITALS_RATIO * len(small) or pieces.count(UNK) > small.count(UNK) else None


class TranslationSummary:
    """The sum of tallies. The first line of a kind is warned of; the seconds run from `start`.

    hint: how lines of several sentences can be translated, if they were not.
    """

    def __init__(self, hint: str = "") -> None:
        self.hint = hint
        self.lines = 0
        self.counts = dict.fromkeys(KINDS, 0)
        self._warned_kinds: set[str] = set()
        self._start = time.perf_counter()

    def start(self) -> None:
        """Begins to count seconds."""
        self._start = time.perf_counter()

    def add(self, tally: LineTally) -> None:
        """Adds the tally of the next lines."""
        self.lines += tally.lines
        for kind, count in tally.counts.items():
            self.counts[kind] += count
        for kind, text in tally.warnings.items():
            if kind not in self._warned_kinds:
                logger.warning("%s", text)
                self._warned_kinds.add(kind)

    def __str__(self) -> str:
        seconds = time.perf_counter() - self._start
        speed = f"{self.lines / max(seconds, 1e-9):.1f} lines/s"
        counts = {kind: f"{self.counts[kind]} {name}" for kind, name in KINDS.items() if self.counts[kind]}
        if "several" in counts and self.hint:
            counts["several"] += f" ({self.hint})"
        found = f": {', '.join(counts.values())}" if counts else ""
        return f"{self.lines} line{'s' * (self.lines != 1)} in {seconds:.1f} s ({speed}){found}"

    def print(self) -> None:
        """Says it on stderr, unless there was nothing to translate."""
        if self.lines:
            print_text(f"nmt-translate: {self}", "stderr")
