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

PART_PREFIX = ".writing-"
"""Begins the name of a file that is not yet whole."""

FIRST_CHUNK = 32
CHUNK_CHARACTERS = 500_000

WriteFn = Callable[[Iterable[str]], None]
"""Writes lines, each with its line end, and sees to it that a reader gets them now."""


def read_parallel_lines(source: str, target: str, errors: lines.Errors) -> tuple[list[str], list[str]]:
    """The lines of two files that belong together. Raises DataError if one has more than the other."""
    lines.check(source, setting="source")
    lines.check(target, setting="target")
    first, second = lines.read(source, errors), lines.read(target, errors)
    if len(first) != len(second):
        raise DataError(
            f"{source} has {len(first)} lines and {target} {len(second)}, but line n of one belongs to line n of the "
            "other. Give two texts in the same order, with an empty line where something is missing."
        )
    return first, second


def split_chunks(text: Iterable[str], max_lines: int) -> Iterator[list[str]]:
    """Runs of up to `most` lines, and of about CHUNK_CHARACTERS at most, so that memory is bounded.

    The first is short and every next one up to twice as long, so that the first results come soon.
    """
    size, chunk, characters = min(FIRST_CHUNK, max_lines), list[str](), 0
    for line in text:
        chunk.append(line)
        characters += len(line)
        if len(chunk) >= size or characters >= CHUNK_CHARACTERS:
            yield chunk
            size, chunk, characters = min(2 * size, max_lines), [], 0
    if chunk:
        yield chunk


@contextmanager
def open_writer(path: str | None) -> Iterator[WriteFn]:
    """A place for lines: a file, which appears only when all of them are in it, or standard output for None.

    What is no regular file (a pipe, /dev/null) is written as it comes. On a terminal, what would steer it is escaped;
    files and pipes get every character as it is. Raises DataError if a file cannot be written.
    """
    if path is None:
        escape = partial(escape_controls, keep="\t") if sys.stdout.isatty() else str
        yield lambda text: write_lines(sys.stdout.buffer, map(escape, text))
        return
    final = Path(path).expanduser().resolve()
    is_direct = is_special(path)
    part_path = final if is_direct else final.with_name(f"{PART_PREFIX}{final.name}")
    try:
        with open_file(part_path, path) as file:
            yield lambda text: write_lines(file, text)
            if not is_direct:
                os.fsync(file.fileno())
        if not is_direct:
            part_path.replace(final)
    finally:
        if not is_direct:
            part_path.unlink(missing_ok=True)


def is_same(first: str, second: str) -> bool:
    """Whether two paths are of one regular file that is there."""
    one, other = (Path(path).expanduser() for path in (first, second))
    return one.is_file() and other.is_file() and one.samefile(other)


def is_special(path: str) -> bool:
    """Whether a path is of something that is no regular file, such as a pipe or /dev/null."""
    final = Path(path).expanduser().resolve()
    return final.exists() and not final.is_file()


def open_file(file: Path, display_path: str, mode: Literal["wb", "ab"] = "wb") -> BinaryIO:
    """A file to write; raises DataError with the name that was asked for."""
    try:
        return file.open(mode)
    except OSError as problem:
        raise DataError(
            f"{display_path} cannot be written: {problem.strerror}. Choose a file in a folder that can."
        ) from None


def write_lines(stream: BinaryIO, text: Iterable[str]) -> None:
    """Writes lines as UTF-8."""
    stream.write(encode_lines(text))
    stream.flush()


def encode_lines(text: Iterable[str]) -> bytes:
    """Lines as UTF-8, each with its line end."""
    return "".join(f"{line}\n" for line in text).encode()
