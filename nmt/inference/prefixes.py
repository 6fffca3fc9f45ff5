"""The beginnings that translations must have: from a file, or from a column of the input."""

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nmt.data import lines
from nmt.errors import DataError
from nmt.inference.inputs import read_files
from nmt.special_tokens import UNK

if TYPE_CHECKING:
    from nmt.data.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

COLUMN = "column"
"""The value of `prefix` that stands for what follows the last tab of each input line."""

TAB = "\t"


def read_input(files: Sequence[str], prefix: str | None, errors: lines.Errors) -> Iterator[str]:
    """The lines of the input. With a file of prefixes, each has a tab and its own prefix at the end.

    Raises DataError now if a file is missing, and later if the two have not the same number of lines.
    """
    text = read_files(files, errors, setting="input", tables=prefix == COLUMN)
    if prefix is None or prefix == COLUMN:
        return text
    lines.check(prefix, setting="prefix")
    return join_prefixes(text, lines.stream(prefix, errors), name=prefix)


def join_prefixes(text: Iterator[str], prefixes: Iterator[str], *, name: str) -> Iterator[str]:
    """Each line with a tab and its prefix."""
    number = 0
    for number, line in enumerate(text, start=1):
        prefix = next(prefixes, None)
        if prefix is None:
            raise DataError(
                f"{name} (prefix) has {number - 1} lines, and the input has more. Line n begins translation n: give an "
                "empty line where a translation may begin with anything."
            )
        yield f"{line}{TAB}{prefix.replace(TAB, ' ')}"
    if next(prefixes, None) is not None:
        raise DataError(
            f"{name} (prefix) has more lines than the input, which has {number}. Line n begins translation n."
        )


def split_prefixes(chunk: Sequence[str], prefix: str | None) -> tuple[list[str], list[str] | None]:
    """Lines as `read_input` gives them: what is to be translated, and the prefixes, None where there are none."""
    if prefix is None:
        return list(chunk), None
    parts = [line.rpartition(TAB) if TAB in line else (line, "", "") for line in chunk]
    return [part[0] for part in parts], [part[2] for part in parts]


def encode_prefixes(
    tokenizer: "Tokenizer", prefixes: Sequence[str] | None, *, first: int, max_pieces: int | None
) -> list[list[int]] | None:
    """The pieces of prefixes, with a warning for what the vocabulary does not have. `first` lines came before.

    Raises DataError for one of more than `most` pieces: a translation must begin with its prefix, so none is cut.
    """
    if prefixes is None:
        return None
    ids = tokenizer.encode(prefixes)
    for number, prefix in enumerate(ids, start=first + 1):
        if max_pieces is not None and len(prefix) > max_pieces:
            raise DataError(
                f"line {number}: the prefix has {len(prefix)} pieces, and may have {max_pieces} at most (max_source). "
                "Shorten it, or set max_source higher."
            )
        if UNK in prefix:
            logger.warning("line %d: the prefix has characters that the vocabulary does not have", number)
    return ids
