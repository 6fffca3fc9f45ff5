"""What kind of file a stream of bytes is, by its first bytes: what is text is opened, all else is named and refused.

gzip, bzip2, xz and zstd are unpacked as they are read, and UTF-16 and UTF-32 are decoded where a byte order mark names
them.
"""

import bz2
import codecs
import gzip
import io
import json
import lzma
import re
from functools import partial
from typing import Any, BinaryIO, cast

from nmt.data.unpack import BoundedStream, CountedStream, DecompressedStream, ZstdStream
from nmt.errors import DataError
from nmt.printable import shorten

_CONVERT_ADVICE = "Export its sentences as plain text in UTF-8, one a line, with one file for each language."
_UNPACK_ADVICE = "Unpack it first ({}), and name the text files that were in it."

COMPRESSIONS: tuple[tuple[bytes, str, Any], ...] = (
    (b"\x1f\x8b", "gzip", lambda packed: gzip.GzipFile(fileobj=packed, mode="rb")),
    (b"BZh", "bzip2", lambda packed: DecompressedStream(packed, bz2.BZ2Decompressor)),
    (
        b"\xfd7zXZ\x00",
        "xz",
        lambda packed: DecompressedStream(packed, partial(lzma.LZMADecompressor, lzma.FORMAT_XZ), padding=4),
    ),
    (
        b"\x5d\x00\x00",
        "lzma",
        lambda packed: DecompressedStream(packed, partial(lzma.LZMADecompressor, lzma.FORMAT_ALONE)),
    ),
    (b"\x28\xb5\x2f\xfd", "zstd", ZstdStream),
)
"""First bytes, name, and what unpacks it as it is read."""

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks other than that of UTF-8; UTF-32 comes first, because its mark begins with that of UTF-16."""

SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\x04\x22\x4d\x18", "an lz4 file", _UNPACK_ADVICE.format("`lz4 -d`")),
    (b"LZIP", "an lzip file", _UNPACK_ADVICE.format("`lzip -d`")),
    (b"\x1f\x9d", "a file of `compress`", _UNPACK_ADVICE.format("`gzip -d`")),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK_ADVICE.format("`7z x`")),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK_ADVICE.format("`unrar x`")),
    (b"%PDF-", "a PDF document", "Extract its text first, for example with `pdftotext`."),
    (b"%!PS", "a PostScript document", _CONVERT_ADVICE),
    (b"{\\rtf", "an RTF document", _CONVERT_ADVICE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Word, Excel or PowerPoint file", _CONVERT_ADVICE),
    (b"PAR1", "a Parquet file", "Give it with data=hub data.path=parquet 'data.data_files={train: FILE}'."),
    (b"ARROW1", "an Arrow file", "Give it with data=hub data.path=arrow 'data.data_files={train: FILE}'."),
    (b"SQLite format 3\x00", "an SQLite database", "Export its two columns of text, for example with `sqlite3 -csv`."),
    (b"\x93NUMPY", "a NumPy array", _CONVERT_ADVICE),
    (b"\x89HDF\r\n", "an HDF5 file", _CONVERT_ADVICE),
    (b"\x89PNG\r\n", "a PNG image", _CONVERT_ADVICE),
    (b"\xff\xd8\xff", "a JPEG image", _CONVERT_ADVICE),
    (b"\x7fELF", "a program", _CONVERT_ADVICE),
)
"""First bytes, what the file is, and what to do."""

_ZIP_CONTENTS = (
    (b"word/", "a Word document (.docx)"),
    (b"xl/", "an Excel workbook (.xlsx)"),
    (b"ppt/", "a PowerPoint file (.pptx)"),
    (b"mimetypeapplication/vnd.oasis", "an OpenDocument file"),
    (b"mimetypeapplication/epub", "an EPUB book"),
)
_MARKUP = re.compile(
    r"\s*(?:<\?xml\s+version|<!DOCTYPE\s+\w+"
    r"|<(?:tmx|xliff|html|tei|tei\.2|srcset|refset|tstset|mteval|body|doc)\b[^<>\n]*>\s*(?:\n|<|$))",
    re.IGNORECASE,
)
_LANGUAGES_OF_MARKUP = (
    ("<tmx", "a translation memory (TMX)"),
    ("<xliff", "an XLIFF file"),
    ("<html", "an HTML page"),
    ("<!doctype html", "an HTML page"),
    ("<tei", "a TEI document"),
    ("<srcset", "a file of mteval (SGML)"),
    ("<refset", "a file of mteval (SGML)"),
)
MIN_BINARY_BYTES = 64
"""Fewer bytes do not tell binary data from a text with a stray NUL, which is a character as others are."""

MIN_WIDE_BYTES = 16
"""Fewer bytes do not tell UTF-16 or UTF-32 without a mark from a text with a stray NUL."""

_MIN_TABLE_ROWS = 5
"""So many lines with equally many tabs, and no line without, are a table."""


class Utf8Stream(io.RawIOBase):
    """A stream of UTF-16 or UTF-32 that begins with its mark, as UTF-8."""

    def __init__(self, binary: Any, encoding: str, errors: str, name: str) -> None:
        self.binary = binary
        self.decoder = codecs.getincrementaldecoder(encoding)(errors)
        self.encoding = encoding
        self.name = name
        self.pending = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.pending:
            read = self.binary.read1(io.DEFAULT_BUFFER_SIZE)
            try:
                self.pending = self.decoder.decode(read, final=not read).encode()
            except UnicodeDecodeError as problem:
                raise DataError(
                    f"{self.name} begins with the mark of {self.encoding.upper()} but is not valid ({problem.reason}). "
                    f"Convert it to UTF-8 with `iconv -f {self.encoding.upper()} -t UTF-8`, which shows where it fails."
                ) from None
            if not read:
                break
        size = min(len(buffer), len(self.pending))
        buffer[:size], self.pending = self.pending[:size], self.pending[size:]
        return size


def open_text(binary: io.IOBase | BinaryIO, *, name: str, errors: str = "strict", tables: bool = False) -> Any:
    """The buffered bytes of a stream of text in UTF-8, unpacked and decoded as they are read.

    No more is read than one buffer, so that this works on pipes and on what somebody types. `name` stands for the
    stream in messages. Raises DataError for what is no text: an archive, a document, binary data, and, unless `tables`
    is set, JSON and tables of columns.
    """
    buffered = unpack(binary, name=name)
    head = buffered.peek(8)
    for mark, encoding in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            buffered = io.BufferedReader(Utf8Stream(buffered, encoding, errors, name))
            break
    if (kind := recognize(buffered.peek(8), strict=errors == "strict", tables=tables)) is not None:
        what, advice = kind
        raise DataError(f"{name} is {what}, not text with one sentence a line. {advice}")
    return buffered


def unpack(binary: io.IOBase | BinaryIO, *, name: str) -> Any:
    """The buffered bytes of a stream, unpacked as they are read where it is compressed. `name` stands for it in
    messages. Raises DataError for what is compressed twice."""
    buffered = _ensure_buffered(binary)
    if (found := detect_compression(buffered.peek(8))) is None:
        return buffered
    # Each is a raw stream as far as a buffered reader uses it.
    counted = CountedStream(buffered)
    unpacked = found[1](io.BufferedReader(counted))
    buffered = io.BufferedReader(BoundedStream(unpacked, counted, name))
    if (twice := detect_compression(buffered.peek(8))) is not None:
        raise DataError(f"{name} is a {found[0]} file inside which is a {twice[0]} file. Unpack it once first.")
    return buffered


def detect_compression(head: bytes) -> tuple[str, Any] | None:
    """The name of the compression that a stream begins with, and what unpacks it; None where it has none."""
    return next(((name, unpacks) for first, name, unpacks in COMPRESSIONS if _has_signature(head, first)), None)


def recognize(head: bytes, *, strict: bool = True, tables: bool = False) -> tuple[str, str] | None:
    """What a stream is that begins with `head`, and what to do with it; None where it may be text.

    strict: whether many NUL bytes are refused. tables: whether JSON and tables of columns may be text.
    """
    for first, what, advice in SIGNATURES:
        if head.startswith(first):
            return what, advice
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _describe_zip(head)
    if head[257:262] == b"ustar":
        return "a tar archive", _UNPACK_ADVICE.format("`tar xf`")
    if b"\0" in head and (found := _describe_binary(head, strict)) is not None:
        return found
    whole = len(head) < io.DEFAULT_BUFFER_SIZE
    return _describe_structured(head.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="replace"), whole, tables)


def _has_signature(head: bytes, first: bytes) -> bool:
    if first == b"BZh":  # three letters might be text
        return re.match(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", head) is not None
    return head.startswith(first)


def _describe_zip(head: bytes) -> tuple[str, str]:
    start = head[30:110]
    for inside, what in _ZIP_CONTENTS:
        if inside in (head if inside.endswith(b"/") else start):
            return what, _CONVERT_ADVICE
    if b"[Content_Types].xml" in start:
        return "an Office document", _CONVERT_ADVICE
    size = int.from_bytes(head[26:28], "little")
    first = shorten(head[30 : 30 + size].decode("utf-8", errors="replace"), 60)
    inside_it = f" that begins with {first}" if first.isprintable() and first else ""
    return f"a zip archive{inside_it}", _UNPACK_ADVICE.format("`unzip`")


def _describe_binary(head: bytes, strict: bool) -> tuple[str, str] | None:
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be") if _may_be_wide(head) else ():
        width = 4 if "32" in encoding else 2
        try:
            text = head[: len(head) // width * width].decode(encoding)
        except UnicodeDecodeError:
            continue
        plain = sum(character.isprintable() or character in "\n\r\t" for character in text)
        if len(text) > 1 and "\0" not in text and plain >= 0.97 * len(text) and re.search(r"[ \n]", text):
            asked = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
            return f"{asked} text without a byte order mark", f"Convert it: `iconv -f {asked} -t UTF-8`."
    many = len(head) >= MIN_BINARY_BYTES and head.count(b"\0") > len(head) / 10
    if strict and (many or not _is_utf8(head)):
        return "binary data (it has NUL bytes)", "Give a text file in UTF-8."
    return None


def _may_be_wide(head: bytes) -> bool:
    """Whether the NUL bytes of a head may be those of UTF-16 or UTF-32: enough, or nearly all at every other place, and
    not strewn over a text that is plain without them."""
    nuls = head.count(b"\0")
    if len(head) < MIN_WIDE_BYTES:
        return False
    if nuls >= len(head) / 2:
        return True
    others = head.replace(b"\0", b"").decode("utf-8", errors="replace").rstrip("\ufffd")
    if nuls < len(head) / 4 and all((c.isprintable() and c != "\ufffd") or c in "\n\r\t" for c in others):
        return False
    return max(head[0::2].count(b"\0"), head[1::2].count(b"\0")) >= 0.8 * nuls


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # which leaves a character that is cut off at the end
    except UnicodeDecodeError:
        return False
    return True


def _describe_structured(text: str, whole: bool, tables: bool) -> tuple[str, str] | None:
    """Markup, JSON, a table, or lines that end as those of an old Mac."""
    if _MARKUP.match(text):
        start = text[:2000].lower()
        what = next((what for tag, what in _LANGUAGES_OF_MARKUP if tag in start), "an XML or HTML file")
        return what, f"{_CONVERT_ADVICE} OPUS tools and `xmlstarlet sel -t -v //seg -n` do this."
    if "\n" not in text and len(re.findall(r"[^\r]\r(?=[^\r])", text)) > 1:
        return "text whose lines end in CR alone, as on an old Mac", "Convert it: `tr '\\r' '\\n'`."
    if tables:
        return None
    rows = text.split("\n")
    rows = rows if whole and rows[-1] else rows[:-1]
    if text.startswith(("{", "[")) and _is_json(rows):
        return "JSON", "Give it with data=hub data.path=json 'data.data_files={train: FILE}'."
    tabs = {row.count("\t") for row in rows}
    if len(rows) >= _MIN_TABLE_ROWS and len(tabs) == 1 and (columns := tabs.pop() + 1) > 1:
        return f"a table of {columns} columns (TSV)", (
            "Give it with data=hub data.path=csv 'data.data_files={train: FILE}' data.source_column=1 "
            "data.target_column=2, or cut out one column: `cut -f1`."
        )
    return None


def _is_json(rows: list[str]) -> bool:
    """Whether the first lines are JSON objects, or begin an array or an object of several lines."""
    if rows and rows[0].strip() in ("{", "["):
        return len(rows) > 1 and re.match(r"""\s*(\{|\[|"[^"]*"\s*:)""", rows[1]) is not None
    try:
        return len(rows) > 1 and all(isinstance(json.loads(row), dict) for row in rows[:2])
    except ValueError:
        return False


def _ensure_buffered(binary: io.IOBase | BinaryIO) -> Any:
    # peek() leaves the bytes in the buffer.
    return binary if hasattr(binary, "peek") else io.BufferedReader(cast(io.RawIOBase, binary))
