"""What all readers of files of pairs have in common."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from nmt.data.lines import Errors


class PairRequest(NamedTuple):
    """What is asked of a file of pairs. columns: of a table, from 1; errors: what to do with what is not UTF-8."""

    source_language: str
    target_language: str
    columns: tuple[int, int] = (1, 2)
    errors: Errors = "strict"


PairReader = Callable[[str, PairRequest, Counter[str]], Iterator[tuple[str, str]]]
"""Yields the pairs of a file, each text as one line, as they are read, and counts what it leaves out by reason. Raises
DataError, with the line of the file, for what cannot be read."""


def join_line(text: str) -> str:
    """Text of a document as one line: line ends, and the space that indents what follows them, become one space."""
    return " ".join(text.split())


def matches_language(code: str, asked: str) -> bool:
    """Whether a text in the language `code` serves who asks for `asked`: they are the same, or one of them names no
    region or script ("de" and "de-AT", not "de-AT" and "de-CH")."""
    given, wanted = (each.replace("_", "-").lower().split("-") for each in (code, asked))
    return given == wanted or (given[0] == wanted[0] and 1 in (len(given), len(wanted)))
