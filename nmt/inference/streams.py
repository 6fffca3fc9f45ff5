"""Lines in as they arrive, lines out whole or not at all: where a command touches streams and files."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from nmt.data import lines
from nmt.errors import DataError
from nmt.printable import escape_controls
from nmt.storage.new_files import open_replacement, remove_abandoned

FIRST_CHUNK = 32
CHUNK_CHARACTERS = 500_000

STANDARD_OUTPUT = "-"
"""What a person gives for it."""

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
    """Runs of up to `max_lines` lines, and of about CHUNK_CHARACTERS at most, so that memory is bounded.

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
    final = Path(path).expanduser()
    if not is_special(path):
        remove_abandoned(final.resolve().parent)
    with ExitStack() as stack:
        with explain_unwritable(path):
            file = stack.enter_context(final.open("wb") if is_special(path) else open_replacement(final.resolve()))
        yield lambda text: write_lines(file, text)
        with explain_unwritable(path):
            stack.close()


def is_special(path: str) -> bool:
    """Whether a path is of something that is no regular file, such as a pipe, /dev/null or /dev/stdout."""
    final = Path(path).expanduser()  # not resolved: that of a pipe behind /dev/stdout has no name
    return final.exists() and not final.is_file()


def use_standard_output(composed: dict[str, Any]) -> dict[str, Any]:
    """The settings of a command, with `output=-` as what it means everywhere: standard output."""
    return {**composed, "output": None} if composed.get("output") == STANDARD_OUTPUT else composed


@contextmanager
def explain_unwritable(display_path: str) -> Iterator[None]:
    """Turns an OSError inside into a DataError with the name that was asked for."""
    try:
        yield
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
