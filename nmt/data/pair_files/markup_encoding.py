"""The encoding of XML, told by its first bytes and its declaration, and XML in any encoding as UTF-8."""

import codecs
import re
from collections.abc import Iterator
from typing import Any

from nmt.data.formats import BYTE_ORDER_MARKS
from nmt.errors import DataError
from nmt.printable import shorten

BLOCK_BYTES = 1 << 16

_BEGINNINGS = (
    *BYTE_ORDER_MARKS,
    (codecs.BOM_UTF8, "utf-8"),
    ("<".encode("utf-32-le"), "utf-32-le"),
    ("<".encode("utf-32-be"), "utf-32-be"),
    ("<?".encode("utf-16-le"), "utf-16-le"),
    ("<?".encode("utf-16-be"), "utf-16-be"),
)
"""First bytes that tell the encoding (Extensible Markup Language 1.0, appendix F), whatever the declaration says."""

_DECLARATION = re.compile(rb"""<\?xml\s[^>]{0,200}?\bencoding\s{0,9}=\s{0,9}["']([^"'>]{0,200})["']""")

_PLAIN = bytes(range(32, 127)) + b" \\u0041 .xn--mnchen-3ya. \r\n\t"
"""What stands for itself in the encodings that extend ASCII; others, and codecs of escapes and names, change it."""


def stream_utf8(opened: Any, *, name: str) -> Iterator[bytes]:
    """A stream of XML in UTF-8, in blocks, as it is read. `name` stands for it in messages.

    Raises DataError, with the line, where it declares an encoding that is none, and for bytes that its encoding does
    not have.
    """
    block = opened.read(BLOCK_BYTES)
    encoding = find_encoding(block, name=name)
    if encoding == "utf-8":  # the parser finds bad bytes
        while block:
            yield block
            block = opened.read(BLOCK_BYTES)
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    line, is_over = 1, False
    while not is_over:
        is_over = not block
        try:
            text = decoder.decode(block, is_over)
        except UnicodeDecodeError as problem:
            before = problem.object[: problem.start].decode(encoding, "ignore")
            raise DataError(
                f"{name}, line {line + before.count(chr(10))} is not valid {encoding.upper()} ({problem.reason}), in "
                "which it is written according to its first bytes. Correct its declaration, or convert it: `iconv -f "
                f"{encoding.upper()} -t UTF-8` shows where it fails."
            ) from None
        line += text.count("\n")
        yield text.encode()
        block = b"" if is_over else opened.read(BLOCK_BYTES)


def find_encoding(head: bytes, *, name: str) -> str:
    """Python's name of the encoding of XML that begins with `head`. Raises DataError where it declares one that is
    unknown or cannot be that of its first line."""
    for first, encoding in _BEGINNINGS:
        if head.startswith(first):
            return encoding
    if (declared := _DECLARATION.match(head.lstrip())) is None:
        return "utf-8"
    asked = declared[1].decode("ascii", errors="replace")
    try:
        codec = codecs.lookup(asked)
        fits = codec.incrementaldecoder is not None and _PLAIN.decode(asked) == _PLAIN.decode("ascii")
    except Exception:  # of a codec, which raises what it likes for what it does not read
        fits = False
    if not fits:
        raise DataError(
            f"{name}, line 1: it declares the encoding {shorten(asked, 60)!r}, which is unknown, or is not that of its "
            'first line. Convert it to UTF-8, for example with `iconv -t UTF-8`, and write encoding="UTF-8" there.'
        )
    return codec.name
