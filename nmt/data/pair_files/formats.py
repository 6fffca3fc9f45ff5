"""Which format a file of pairs has, and what reads it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from nmt.data import formats
from nmt.data.lines import report_damage
from nmt.data.pair_files.archive import read_archive
from nmt.data.pair_files.markup import find_root, read_markup
from nmt.data.pair_files.po import read_po
from nmt.data.pair_files.reading import PairReader, PairRequest
from nmt.data.pair_files.tmx import TmxHandler
from nmt.data.pair_files.tsv import read_tsv
from nmt.data.pair_files.xliff import XliffHandler
from nmt.errors import DataError

Format = Literal["auto", "tmx", "xliff", "po", "tsv", "archive"]

_ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")  # the second one begins an archive without files
_HEAD_BYTES = 1 << 20
"""So many bytes are looked at, since a PO file may begin with a long list of its translators."""

_TABLE_CHARACTERS = 4096
"""A table has its first tab in these, or in its first line; one that comes later in a text makes no table of it."""

_MAX_LANGUAGES = 8


def read_tmx(path: str, asked: PairRequest, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
    """The pairs of a translation memory. Raises DataError as `read_markup` does, and where it has no pair in these
    languages."""
    yield from _read_document(path, TmxHandler(asked, left_out))


def read_xliff(path: str, asked: PairRequest, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
    """The pairs of an XLIFF file, in either direction. Raises DataError as `read_tmx` does."""
    yield from _read_document(path, XliffHandler(asked, left_out))


def _read_document(path: str, handler: TmxHandler | XliffHandler) -> Iterator[tuple[str, str]]:
    is_empty = True
    with open(path, "rb") as opened, report_damage(path, lambda: 0):
        for pair in read_markup(formats.unpack(opened, name=path), handler, name=path):
            is_empty = False
            yield pair
    if is_empty:
        found = ", ".join(repr(code) for code, _ in handler.languages.most_common(_MAX_LANGUAGES)) or "none"
        raise DataError(
            f"{path} has no pair in {handler.asked.source_language} and {handler.asked.target_language}; the languages "
            f"that it names are: {found}. Set data.source_language and data.target_language to two of these."
        )


READERS: dict[str, PairReader] = {
    "tmx": read_tmx,
    "xliff": read_xliff,
    "po": read_po,
    "tsv": read_tsv,
    "archive": read_archive,
}


def detect_format(path: str) -> str:
    """The format of a file, by what it begins with. Raises DataError where it is none of these."""
    with open(path, "rb") as opened, report_damage(path, lambda: 0):
        if opened.read(4) in _ZIP_MARKS:
            return "archive"
        opened.seek(0)
        inside = formats.unpack(opened, name=path).read(_HEAD_BYTES)
        if inside[257:262] == b"ustar":
            return "archive"
        opened.seek(0)
        root = find_root(formats.unpack(opened, name=path), name=path)
    if root in ("tmx", "xliff"):
        return root
    encoding = next((found for mark, found in formats.BYTE_ORDER_MARKS if inside.startswith(mark)), "utf-8")
    text = inside.decode(encoding, errors="replace").removeprefix("\ufeff")
    if text.lstrip().startswith(("#", "msgid", "msgctxt")) and "\nmsgstr" in text and encoding == "utf-8":
        return "po"
    first_line = text.partition("\n")[0]
    if "\t" in first_line + text[:_TABLE_CHARACTERS] and not root and "\0" not in text[:_TABLE_CHARACTERS]:
        return "tsv"
    raise DataError(
        f"{path} holds no pairs: it is no TMX, XLIFF or PO file, no table of columns that tabs separate, and no zip or "
        f"tar of text files. {_advise(path)}"
    )


def _advise(path: str) -> str:
    plain = "Text files with one sentence a line, one for each language, are read by data=files."
    return (
        plain
        if Path(path).suffix.lower() not in (".csv", ".json", ".jsonl", ".parquet")
        else ("CSV, JSON lines and Parquet are read by data=hub.")
    )
