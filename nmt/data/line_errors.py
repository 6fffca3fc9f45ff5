"""A line that cannot be used, and where it stands: what reads lines knows the first, what gives them the second."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from nmt.errors import DataError


class LineError(DataError):
    """A line of several is no source. index: which of them, from 0; problem: why."""

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(f"line {index + 1}: {problem}")
        self.index = index
        self.problem = problem


@contextmanager
def locate_lines(name: str, first: int = 0, places: Sequence[int] | None = None) -> Iterator[None]:
    """Inside, a LineError becomes a DataError that says where the line is: in what has this `name`, after `first`
    others; or, with `places`, which holds those of all lines, from 0."""
    try:
        yield
    except LineError as problem:
        number = problem.index + first if places is None else int(places[problem.index])
        raise DataError(f"{name}, line {number + 1}: {problem.problem}") from None


@contextmanager
def shift_lines(start: int) -> Iterator[None]:
    """Inside, a LineError counts lines from the beginning of more of them, of which `start` came before."""
    try:
        yield
    except LineError as problem:
        raise LineError(problem.index + start, problem.problem) from None
