"""Where a source line of a corpus stands: its file and number, where the corpus knows them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from nmt.data.corpus import Corpus, Split
from nmt.data.line_errors import LineError
from nmt.errors import DataError


def describe_line(corpus: Corpus, split: Split, place: int) -> str:
    """What a message calls a source line of a split: the file and its number there, where the corpus knows them."""
    describe = getattr(corpus, "describe_line", None)
    found: str | None = None if describe is None else describe(split, place)
    return found or f"the source of the {split} split, line {place + 1}"


@contextmanager
def locate_source(
    corpus: Corpus, split: Split, places: Sequence[int] | NDArray[np.int64] | None = None
) -> Iterator[None]:
    """Inside, a LineError becomes a DataError that says where the line of a split is. places: those of all lines in the
    split, from 0; None where all of them are there."""
    try:
        yield
    except LineError as problem:
        place = problem.index if places is None else int(places[problem.index])
        raise DataError(f"{describe_line(corpus, split, place)}: {problem.problem}") from None
