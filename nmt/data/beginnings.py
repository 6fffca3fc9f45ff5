"""The beginning of a long line, with all that its first pieces depend on; and lines that are too long to be used."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nmt.data.line_errors import locate_lines
from nmt.errors import DataError

if TYPE_CHECKING:
    from nmt.data.sources.reader import SourceReader

CHARACTERS_PER_PIECE = 16
"""Characters that are looked at first, for each piece that is wanted. Pieces have four or five of them."""

MAX_CHARACTERS_PER_PIECE = 1024
"""Where so many characters make no more than a piece, such as those of another script, the rest is not looked at."""

MARGIN_PIECES = 64
"""Pieces beyond those that are wanted and as many again, so that what stands at the cut changes none that are."""

LINES_PER_PART = 1000
"""Lines whose pieces are in memory at once while they are counted."""


def cut_to_pieces(tokenizer: "SourceReader", line: str, max_pieces: int | None) -> str:
    """The line, or a beginning of it that has the same first `max_pieces` pieces, and more of them; memory and time are
    those of the beginning, and not those of a line of megabytes.

    SentencePiece cuts every word by itself, so that a beginning which ends before a space has the pieces of the whole
    line. Where no space is near, as in Chinese and Japanese, the cut lies beyond twice as many pieces as are wanted,
    which it does not reach. No more than MAX_CHARACTERS_PER_PIECE characters a piece are kept.
    A line that is no text is never cut.
    """
    if max_pieces is None or not tokenizer.reads_text:
        return line
    pieces = max_pieces + MARGIN_PIECES
    size, most = CHARACTERS_PER_PIECE * pieces, MAX_CHARACTERS_PER_PIECE * pieces
    while len(line) > size:
        space = line.rfind(" ", size // 2, size)
        beginning = line[:size] if space < 0 else line[:space]
        if size >= most or len(tokenizer.encode([beginning])[0]) > max_pieces + pieces:
            return beginning
        size *= 2
    return line


def check_lengths(tokenizer: "SourceReader", lines: Sequence[str], max_length: int | None, *, name: str) -> list[int]:
    """How many pieces each line has. Raises DataError for the first of more than `max_length`; `name` is the file."""
    lengths: list[int] = []
    for first in range(0, len(lines), LINES_PER_PART):
        part = lines[first : first + LINES_PER_PART]
        beginnings = [cut_to_pieces(tokenizer, line, max_length) for line in part]
        with locate_lines(name, first):
            items = tokenizer.encode(beginnings)
        for line, beginning, ids in zip(part, beginnings, items, strict=True):
            if max_length is not None and (len(ids) > max_length or len(beginning) < len(line)):
                raise DataError(
                    f"{name}, line {len(lengths) + 1} has more than {max_length} pieces, the limit (max_length): it "
                    f"begins {line[:60]!r}. Leave it out or cut it, in both files; or set max_length higher, or null "
                    "for no limit: memory and time grow with the square of the length."
                )
            lengths.append(len(ids))
    return lengths


def count_words(lines: Sequence[str], max_length: int | None, *, name: str) -> list[int]:
    """How many words each line has. Raises DataError for the first of more than `max_length`; `name` is the file."""
    lengths = [len(line.split()) for line in lines]
    for number, length in enumerate(lengths, start=1):
        if max_length is not None and length > max_length:
            raise DataError(
                f"{name}, line {number} has more than {max_length} words, the limit (max_length). Leave it out or cut "
                "it, in both files; or set max_length higher, or null for no limit."
            )
    return lengths
