"""Text in, text out: the one place that knows what a line is.

A line is what stands between two `\\n`, in UTF-8, without one trailing `\\r` and without the byte order mark at the
start of a file. No other character ends a line, so line n here is line n for `wc`, `paste`, `sed` and other tools.
`nmt.data.formats` says which other files are text.
"""

import codecs
import contextlib
import difflib
import errno
import io
import logging
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from nmt.data import formats
from nmt.errors import DataError

Errors = Literal["strict", "replace"]

LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Every character at which `str.splitlines`, or some other tool, ends a line."""

MAX_LINE_BYTES = 1 << 24
"""The most bytes of a line: a longer one is no sentence, and what unpacks to one could fill the memory."""

_TO_SPACES = str.maketrans(dict.fromkeys(LINE_ENDS, " "))

logger = logging.getLogger(__name__)


def replace_line_ends(text: str) -> str:
    """The text as one line for every tool: each character of `LINE_ENDS` becomes a space."""
    return text.translate(_TO_SPACES)


def read(path: str | Path, errors: Errors = "strict", *, setting: str = "errors") -> list[str]:
    """All lines of a file. Raises DataError as `stream` does."""
    return list(stream(path, errors, setting=setting))


def stream(
    path: str | Path, errors: Errors = "strict", *, setting: str = "errors", tables: bool = False
) -> Iterator[str]:
    """The lines of a file, one at a time. What may be compressed, and how, is said by the first bytes, not by the name.

    Raises DataError where the file is missing, is a folder, cannot be read, is damaged, is no text (such as an archive
    or a PDF), or, unless `errors` is "replace", holds bytes that are not UTF-8. `setting` is the key by which a person
    sets `errors`; with `tables`, JSON and tables of columns are text too.
    """
    check(path, tables=tables)
    with Path(path).expanduser().open("rb") as opened:
        yield from decode(opened, name=str(path), errors=errors, setting=setting, tables=tables)


def decode(
    binary: io.IOBase | BinaryIO,
    *,
    name: str,
    errors: Errors = "strict",
    setting: str = "errors",
    tables: bool = False,
) -> Iterator[str]:
    """The lines of a binary stream (such as standard input) as they arrive; see `formats.open_text` for what is read.

    `name` stands for the stream in messages. With errors="replace", every bad byte becomes U+FFFD, and how many lines
    had one is logged at the end. Raises DataError for bytes that are not UTF-8, for lines of more than
    `MAX_LINE_BYTES` bytes, for what is no text, and for a damaged compressed stream.
    """
    bad_lines: list[int] = []
    number = 0
    with report_damage(name, lambda: number):
        opened = formats.open_text(binary, name=name, errors=errors, tables=tables)
        for number, line in enumerate(iter(lambda: opened.readline(MAX_LINE_BYTES + 1), b""), 1):
            if len(line) > MAX_LINE_BYTES:
                raise DataError(
                    f"{name}, line {number} has more than {MAX_LINE_BYTES >> 20} MiB. Is it text, one sentence a line?"
                )
            if number == 1 and line.startswith(codecs.BOM_UTF8):
                line = line.removeprefix(codecs.BOM_UTF8)
                if not line:  # a file of nothing but a mark has no lines
                    break
            line = line.removesuffix(b"\n").removesuffix(b"\r")
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as problem:
                if errors == "strict":
                    raise DataError(_explain_not_utf8(name, number, problem, setting)) from None
                bad_lines.append(number)
                text = line.decode("utf-8", errors="replace")
            yield text
    if bad_lines:
        count = f"{len(bad_lines)} of {number} lines" if len(bad_lines) > 1 else "one line"
        logger.warning("%s: %s not UTF-8 (first: line %d); bad bytes became U+FFFD", name, count, bad_lines[0])


def check(
    path: str | Path,
    *,
    setting: str = "",
    errors: Errors = "replace",
    text: bool = True,
    tables: bool = False,
    regular: bool = False,
) -> None:
    """That a file can be read; raises DataError, with the nearest name in its folder where there is none.

    `asked`, where given, is the setting that named the file. `text`: whether it must be text, as its first bytes say,
    with many NUL bytes only if `errors` is "replace", and JSON or columns only with `tables`. `regular`: whether pipes
    and devices are refused, because the file is read more than once; otherwise they are not opened here.
    """
    file, name = Path(path).expanduser(), f"{path} ({setting})" if setting else path
    try:
        if file.is_dir():
            raise DataError(f"{name} is a folder; a text file is needed here.")
        if not file.exists():
            raise DataError(f"There is no file {name}. {_suggest_name(file)}")
        if not file.is_file():  # what is read from a pipe is gone, and one without a writer keeps its reader waiting
            if regular or file.is_socket():
                raise DataError(
                    f"{name} is a pipe, socket or device; a regular file is needed here. Write the text into one."
                )
            if not os.access(file, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        with file.open("rb") as opened:
            if text:
                with report_damage(str(name), lambda: 0):
                    formats.open_text(opened, name=str(name), errors=errors, tables=tables)
    except OSError as problem:
        raise DataError(f"{name} cannot be read: {problem.strerror}. Check its permissions.") from None


@contextlib.contextmanager
def report_damage(name: str, number: Callable[[], int]) -> Iterator[None]:
    """Raises DataError for what the unpacking of a damaged stream raises; `number` counts the lines before."""
    try:
        yield
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise  # of the file system
        raise DataError(
            f"{name} is compressed, and damaged or incomplete after line {number()} ({problem}). Fetch or compress it "
            "again; `gzip -t`, `bzip2 -t`, `xz -t`, `zstd -t` and `unzip -t` check such files."
        ) from None


def _explain_not_utf8(name: str, number: int, problem: UnicodeDecodeError, setting: str) -> str:
    return (
        f"{name}, line {number}: byte 0x{problem.object[problem.start]:02x} (byte {problem.start + 1} of the line) is "
        f"not UTF-8. Convert the text (for example `iconv -f LATIN1 -t UTF-8`), or set {setting}=replace to read what "
        "is not UTF-8 as U+FFFD."
    )


def _suggest_name(file: Path) -> str:
    folder = file.parent
    if not folder.is_dir():
        existing = next(parent for parent in folder.absolute().parents if parent.is_dir())
        return f"Its folder does not exist either; the nearest one that does is {existing}."
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    close = difflib.get_close_matches(file.name, names, n=1)
    if close:
        return f"The nearest name in that folder is {folder / close[0]}."
    return f"Its folder, {folder.absolute()}, holds {'none with a similar name' if names else 'no files'}."
