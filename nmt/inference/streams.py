"""Lines in as they arrive, lines out whole or not at all: where a command touches streams and files."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal

from nmt.data import lines
from nmt.errors import DataError
from nmt.printable import escape_controls

WRITING = ".writing-"
"""Begins the name of a file that is not yet whole."""

FIRST_CHUNK = 32
CHUNK_CHARACTERS = 500_000

Put = Callable[[Iterable[str]], None]
"""Writes lines, each with its line end, and sees to it that a reader gets them now."""


def pairs(source: str, target: str, errors: lines.Errors) -> tuple[list[str], list[str]]:
    """The lines of two files that belong together. Raises DataError if one has more than the other."""
    lines.check(source, asked="source")
    lines.check(target, asked="target")
    first, second = lines.read(source, errors), lines.read(target, errors)
    if len(first) != len(second):
        raise DataError(
            f"{source} has {len(first)} lines and {target} {len(second)}, but line n of one belongs to line n of the "
            "other. Give two texts in the same order, with an empty line where something is missing."
        )
    return first, second


def chunks(text: Iterable[str], most: int) -> Iterator[list[str]]:
    """Runs of up to `most` lines, and of about CHUNK_CHARACTERS at most, so that memory is bounded.

    The first is short and every next one up to twice as long, so that the first results come soon.
    """
    size, held, characters = min(FIRST_CHUNK, most), list[str](), 0
    for line in text:
        held.append(line)
        characters += len(line)
        if len(held) >= size or characters >= CHUNK_CHARACTERS:
            yield held
            size, held, characters = min(2 * size, most), [], 0
    if held:
        yield held


@contextmanager
def outgoing(path: str | None) -> Iterator[Put]:
    """A place for lines: a file, which appears only when all of them are in it, or standard output for None.

    What is no regular file (a pipe, /dev/null) is written as it comes. On a terminal, what would steer it is escaped;
    files and pipes get every character as it is. Raises DataError if a file cannot be written.
    """
    if path is None:
        escape = partial(escape_controls, keep="\t") if sys.stdout.isatty() else str
        yield lambda text: put(sys.stdout.buffer, map(escape, text))
        return
    final = Path(path).expanduser().resolve()
    direct = is_special(path)
    written = final if direct else final.with_name(f"{WRITING}{final.name}")
    try:
        with opened(written, path) as file:
            yield lambda text: put(file, text)
            if not direct:
                os.fsync(file.fileno())
        if not direct:
            written.replace(final)
    finally:
        if not direct:
            written.unlink(missing_ok=True)


def is_same(first: str, second: str) -> bool:
    """Whether two paths are of one regular file that is there."""
    one, other = (Path(path).expanduser() for path in (first, second))
    return one.is_file() and other.is_file() and one.samefile(other)


def is_special(path: str) -> bool:
    """Whether a path is of something that is no regular file, such as a pipe or /dev/null."""
    final = Path(path).expanduser().resolve()
    return final.exists() and not final.is_file()


def opened(file: Path, asked: str, mode: Literal["wb", "ab"] = "wb") -> BinaryIO:
    """A file to write; raises DataError with the name that was asked for."""
    try:
        return file.open(mode)
    except OSError as problem:
        raise DataError(f"{asked} cannot be written: {problem.strerror}. Choose a file in a folder that can.") from None


def put(stream: BinaryIO, text: Iterable[str]) -> None:
    """Writes lines as UTF-8."""
    stream.write(encoded(text))
    stream.flush()


def encoded(text: Iterable[str]) -> bytes:
    """Lines as UTF-8, each with its line end."""
    return "".join(f"{line}\n" for line in text).encode()
