"""Text in, text out: the one place that knows what a line is.

A line is what stands between two `\\n`, in UTF-8, without one trailing `\\r` and without the byte order mark at the
start of a file. No other character ends a line, so line n here is line n for `wc`, `paste`, `sed` and other tools.
"""

import difflib
import gzip
import io
import logging
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from nmt.errors import DataError

Errors = Literal["strict", "replace"]

LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Every character at which `str.splitlines`, or some other tool, ends a line."""

_TO_SPACES = str.maketrans(dict.fromkeys(LINE_ENDS, " "))
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP_MAGIC = b"\x1f\x8b"

logger = logging.getLogger(__name__)


def one_line(text: str) -> str:
    """The text as one line for every tool: each character of `LINE_ENDS` becomes a space."""
    return text.translate(_TO_SPACES)


def read(path: str | Path, errors: Errors = "strict", *, setting: str = "errors") -> list[str]:
    """All lines of a file, plain or gzip. Raises DataError as `stream` does."""
    return list(stream(path, errors, setting=setting))


def stream(path: str | Path, errors: Errors = "strict", *, setting: str = "errors") -> Iterator[str]:
    """The lines of a file, plain or gzip (told by its first bytes, not by its name), one at a time.

    Raises DataError where the file is missing, is a folder, cannot be read, is a damaged gzip file, or, unless `errors`
    is "replace", holds bytes that are not UTF-8. `setting` is the key by which a person sets `errors`.
    """
    check(path)
    with Path(path).expanduser().open("rb") as opened:
        yield from decode(opened, name=str(path), errors=errors, setting=setting)


def decode(
    binary: io.IOBase | BinaryIO, *, name: str, errors: Errors = "strict", setting: str = "errors"
) -> Iterator[str]:
    """The lines of a binary stream (such as standard input), plain or gzip, as they arrive.

    `name` stands for the stream in messages. With errors="replace", every bad byte becomes U+FFFD, and how many lines
    had one is logged at the end. Raises DataError for bytes that are not UTF-8 and for a damaged gzip stream.
    """
    bad_lines: list[int] = []
    number = 0
    try:
        for number, line in enumerate(_unpacked(binary), 1):
            line = line.removesuffix(b"\n").removesuffix(b"\r")
            if number == 1:
                line = line.removeprefix(_BYTE_ORDER_MARK)
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as problem:
                if errors == "strict":
                    raise DataError(_not_utf8(name, number, problem, setting)) from None
                bad_lines.append(number)
                text = line.decode("utf-8", errors="replace")
            yield text
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise DataError(
            f"{name} starts like a gzip file but is damaged or incomplete after line {number} ({problem}). "
            "Fetch or compress it again; `gzip -t` checks such files."
        ) from None
    if bad_lines:
        count = f"{len(bad_lines)} of {number} lines" if len(bad_lines) > 1 else "one line"
        logger.warning("%s: %s not UTF-8 (first: line %d); bad bytes became U+FFFD", name, count, bad_lines[0])


def check(path: str | Path, *, asked: str = "") -> None:
    """That a file can be read; raises DataError, with the nearest name in its folder where there is none.

    `asked`, where given, is the setting that named the file.
    """
    file, name = Path(path).expanduser(), f"{path} ({asked})" if asked else path
    try:
        if file.is_dir():
            raise DataError(f"{name} is a folder; a text file is needed here.")
        if not file.exists():
            raise DataError(f"There is no file {name}. {_nearest(file)}")
        with file.open("rb"):
            pass
    except OSError as problem:
        raise DataError(f"{name} cannot be read: {problem.strerror}. Check its permissions.") from None


def _unpacked(binary: io.IOBase | BinaryIO) -> Iterable[bytes]:
    # peek() leaves the bytes in the buffer, so that this works on pipes as well.
    buffered: Any = binary if hasattr(binary, "peek") else io.BufferedReader(cast(io.RawIOBase, binary))
    if buffered.peek(2)[:2] == _GZIP_MAGIC:
        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=buffered, mode="rb")))
    return cast(Iterable[bytes], buffered)


def _not_utf8(name: str, number: int, problem: UnicodeDecodeError, setting: str) -> str:
    return (
        f"{name}, line {number}: byte 0x{problem.object[problem.start]:02x} (byte {problem.start + 1} of the line) is "
        f"not UTF-8. Convert the text (for example `iconv -f LATIN1 -t UTF-8`), or set {setting}=replace to read what "
        "is not UTF-8 as U+FFFD."
    )


def _nearest(file: Path) -> str:
    folder = file.parent
    if not folder.is_dir():
        existing = next(parent for parent in folder.absolute().parents if parent.is_dir())
        return f"Its folder does not exist either; the nearest one that does is {existing}."
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    close = difflib.get_close_matches(file.name, names, n=1)
    if close:
        return f"The nearest name in that folder is {folder / close[0]}."
    return f"Its folder, {folder.absolute()}, holds {'none with a similar name' if names else 'no files'}."
