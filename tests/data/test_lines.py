"""What a line is, in every way that bytes can arrive."""

import bz2
import gzip
import io
import logging
import lzma
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis.strategies import binary, booleans, characters, lists, sampled_from, text

from nmt.data import formats, lines, unpack
from nmt.errors import DataError

# Any line that survives: no \n (ends it), no \r at its end, no mark at its start (dropped).
LINE = text(characters(exclude_characters="\n\ufeff", exclude_categories=("Cs",))).map(lambda line: line.rstrip("\r"))

PACKERS = (bytes, gzip.compress, bz2.compress, lzma.compress)


@given(wanted=lists(LINE), carriage_return=booleans(), mark=booleans(), last=booleans(), pack=sampled_from(PACKERS))
def test_what_was_written_is_read(
    tmp_path: Path, wanted: list[str], carriage_return: bool, mark: bool, last: bool, pack: Callable[[bytes], bytes]
) -> None:
    end = "\r\n" if carriage_return else "\n"
    content = "".join(line + end for line in wanted)
    if not last and wanted and wanted[-1]:
        content = content.removesuffix(end)
    encoded = content.encode("utf-8-sig" if mark and wanted else "utf-8")
    path = tmp_path / "text"
    assume(formats.recognize(encoded) is None)  # such as lines of tabs alone, or of old Macs
    path.write_bytes(pack(encoded))
    assert lines.read(path) == wanted
    assert list(lines.stream(str(path))) == wanted
    with path.open("rb") as opened:
        assert list(lines.decode(opened, name="here")) == wanted


@given(content=binary())
def test_lines_are_those_of_wc(content: bytes) -> None:
    refused = content.startswith((b"\xff\xfe", b"\xfe\xff")) or formats.recognize(content, strict=False)
    assume(not refused and formats.detect_compression(content) is None and content != b"\xef\xbb\xbf")
    found = list(lines.decode(io.BytesIO(content), name="here", errors="replace"))
    assert len(found) == content.count(b"\n") + bool(content and not content.endswith(b"\n"))


@given(content=text())
def test_one_line_is_one_line_for_every_tool_and_keeps_all_else(content: str) -> None:
    safe = lines.replace_line_ends(content)
    assert len(safe.splitlines()) == (1 if safe else 0)
    assert len(safe) == len(content)
    assert all(a == b or (b == " " and a in lines.LINE_ENDS) for a, b in zip(content, safe, strict=True))


def test_line_ends_are_exactly_those_of_splitlines() -> None:
    ends = {chr(code) for code in range(0x110000) if len(f"a{chr(code)}b".splitlines()) > 1}
    assert set(lines.LINE_ENDS) == ends


def test_only_the_first_mark_and_the_last_carriage_return_go(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("\ufeff\ufeffa\r\r\n\ufeffb\x0b\x85c\r".encode())
    assert lines.read(path) == ["\ufeffa\r", "\ufeffb\x0b\x85c"]


def test_bad_bytes_are_located_or_replaced_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "train.de"
    path.write_bytes(b"gut\nsch\xf6n\nk\xfchl\n")
    with pytest.raises(DataError, match=r"train\.de, line 2: byte 0xf6 \(byte 4 of the line\).*iconv.*errors=replace"):
        lines.read(path)
    with caplog.at_level(logging.WARNING):
        assert lines.read(path, "replace") == ["gut", "sch\ufffdn", "k\ufffdhl"]
    assert "2 of 3 lines" in caplog.text
    assert "first: line 2" in caplog.text


def test_a_stream_is_read_as_it_arrives() -> None:
    class Slow(io.RawIOBase):
        """Gives one line a read and remembers how many were asked for."""

        given = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            self.given += 1
            buffer[:2] = b"a\n"
            return 2

    slow = Slow()
    arriving = lines.decode(slow, name="here")  # type: ignore[arg-type]
    assert [next(arriving) for _ in range(3)] == ["a", "a", "a"]
    assert slow.given <= 4


@pytest.mark.parametrize("pack", PACKERS[1:])
def test_a_damaged_compressed_file_says_so(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "train.gz"
    packed = pack(b"".join(b"%d\n" % number for number in range(10_000)))
    for damaged in (packed[:-10], packed[:40] + b"damaged" + packed[47:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"train\.gz .*damaged or incomplete"):
            lines.read(path)


@pytest.mark.parametrize("pack", PACKERS[1:])
def test_a_damaged_start_of_a_later_stream_is_no_end_of_the_file(pack: Callable[[bytes], bytes]) -> None:
    first, second = pack(b"one\n"), pack(b"two\nthree\n")
    assert list(lines.decode(io.BytesIO(first + second), name="here")) == ["one", "two", "three"]
    assert list(lines.decode(io.BytesIO(first + bytes(8) + second + bytes(4)), name="here")) == ["one", "two", "three"]
    for rest in (bytes([second[0] ^ 1]) + second[1:], second[:1], second[:-3], b"three\n"):
        found = lines.decode(io.BytesIO(first + rest), name="here")
        with pytest.raises(DataError, match="damaged or incomplete after line"):
            list(found)


def test_the_padding_of_xz_has_four_bytes_or_a_multiple() -> None:
    for count in (1, 3, 5):
        with pytest.raises(DataError, match=r"damaged or incomplete after line 1 .*no multiple of 4"):
            list(lines.decode(io.BytesIO(lzma.compress(b"a\n") + bytes(count)), name="here"))


def test_a_pipe_may_be_read_once_and_is_not_opened_before(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    lines.check(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"one\ntwo\n",))
    writer.start()
    assert lines.read(pipe) == ["one", "two"]
    writer.join()


def test_a_missing_file_is_told_with_its_nearest_neighbour(tmp_path: Path) -> None:
    for name in ("train.en", "valid.en", "notes"):
        (tmp_path / name).write_text("a\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no file .*trian\.en.*nearest.*train\.en"):
        lines.read(tmp_path / "trian.en")
    with pytest.raises(DataError, match=rf"Its folder, {tmp_path}, holds none with a similar name\.$"):
        lines.read(tmp_path / "europarl.de.gz")
    with pytest.raises(DataError, match="folder does not exist"):
        lines.read(tmp_path / "deeper" / "still" / "train.en")
    with pytest.raises(DataError, match="is a folder"):
        lines.read(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no files"):
        lines.read(tmp_path / "empty" / "train.en")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("pack", PACKERS[:2])
def test_a_byte_order_mark_says_how_a_file_is_read(
    tmp_path: Path, encoding: str, pack: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    wanted = ["a b", "", "größer 好 😀"] * 3000
    path = tmp_path / "text"
    content = "".join(line + "\r\n" for line in wanted).encode(encoding)
    path.write_bytes(pack("\ufeff".encode(encoding) + content))
    assert lines.read(path) == wanted
    path.write_bytes(pack("\ufeff".encode(encoding)))
    assert lines.read(path) == []
    path.write_bytes(pack(content))
    with pytest.raises(DataError, match=f"{encoding[:6].upper()}.*without a byte order mark.*iconv"):
        lines.check(path)
    path.write_bytes(("\ufeff".encode(encoding) + content)[:-1])
    with pytest.raises(DataError, match=f"mark of {encoding[:6].upper()}"):
        lines.read(path)


def zipped(name: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, "a\n")
    return content.getvalue()


def tarred() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    return content.getvalue()


REFUSED = {
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\x00",
    "a zip archive that begins with c.en.*unzip": zipped("c.en"),
    "a Word document": zipped("word/document.xml"),
    "a tar archive": tarred(),
    "gzip file inside which is a xz file": gzip.compress(lzma.compress(b"a\n")),
    "a PDF document.*pdftotext": b"%PDF-1.4\n%\xe2\xe3",
    "a Parquet file.*data.path=parquet": b"PAR1\x15\x04",
    "an SQLite database": b"SQLite format 3\x00\x10",
    "binary data": bytes(range(256)) * 9,
    "a translation memory": b'<?xml version="1.0"?>\n<tmx version="1.4"><header srclang="en"/><body>\n',
    "an XLIFF file": b'\xef\xbb\xbf<xliff version="1.2">\n<file>\n',
    "an HTML page": b"<!DOCTYPE html>\n<title>a</title>",
    "old Mac.*tr ": b"a\rb\rc\r",
    "is JSON.*data.path=json": b'{"translation": {"en": "a"}}\n{"translation": {"en": "b"}}\n',
    "a table of 2 columns.*data.source_column=1": b"a\tb\n" * 5,
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_text_is_named_before_it_is_read(tmp_path: Path, what: str) -> None:
    path = tmp_path / "text"
    path.write_bytes(REFUSED[what])
    for touch in (lambda: lines.check(path, errors="strict"), lambda: lines.read(path)):
        with pytest.raises(DataError, match=f"text.*{what}"):
            touch()
    with pytest.raises(DataError, match=f"^standard input.*{what}"):
        next(lines.decode(io.BytesIO(REFUSED[what]), name="standard input"))


@pytest.mark.parametrize(
    "content",
    ["<b>bold</b> text", "{a} b", "a\tb\nc\nd\n", "<html> begins a page", "BZh, said he", "[\na\n", "%", "PK"],
)
def test_text_that_resembles_something_else_is_text(content: str) -> None:
    assert list(lines.decode(io.BytesIO(content.encode()), name="here")) == content.removesuffix("\n").split("\n")


@pytest.mark.parametrize(
    "content", [b"b\0c\n", b"\0\n", b"\0", b"a\n" * 5000 + b"b\0c\n", b"a\0b\n\0\n", b"abab" * 20 + b"\0\n"]
)
def test_a_stray_nul_is_a_character(content: bytes) -> None:
    assert list(lines.decode(io.BytesIO(content), name="here"))[-1] == content.decode().rstrip("\n").split("\n")[-1]


def test_a_line_without_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1 << 20)
    bomb = gzip.compress(b"a\n" + b"b" * (5 << 20))
    with pytest.raises(DataError, match="line 2 has more than 1 MiB"):
        list(lines.decode(io.BytesIO(bomb), name="bomb"))
    fits = b"b" * (1 << 20)
    assert list(lines.decode(io.BytesIO(fits), name="here")) == [fits.decode()]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_small_file_does_not_unpack_without_end(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "ALWAYS_ALLOWED_BYTES", 100_000)
    blank, text = b"\n" * 1_000_000, os.urandom(100_000).hex().encode() + b"\n"
    with pytest.raises(DataError, match=r"blank\.xz unpacks to more than 500 times its size"):
        list(lines.decode(io.BytesIO(pack(blank)), name="blank.xz"))
    assert len(list(lines.decode(io.BytesIO(pack(text)), name="text.xz"))) == 1
    assert len(list(lines.decode(io.BytesIO(pack(blank[:90_000])), name="blank.xz"))) == 90_000
