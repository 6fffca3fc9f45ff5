"""What a line is, in every way that bytes can arrive."""

import gzip
import io
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import binary, booleans, characters, lists, text

from nmt.data import lines
from nmt.errors import DataError

# Any line that survives: no \n (ends it), no \r at its end and no byte order mark at its start (both dropped).
LINE = text(characters(exclude_characters="\n\ufeff", exclude_categories=("Cs",))).map(lambda line: line.rstrip("\r"))


@given(wanted=lists(LINE), carriage_return=booleans(), mark=booleans(), last=booleans(), packed=booleans())
def test_what_was_written_is_read(
    tmp_path: Path, wanted: list[str], carriage_return: bool, mark: bool, last: bool, packed: bool
) -> None:
    end = "\r\n" if carriage_return else "\n"
    content = "".join(line + end for line in wanted)
    if not last and wanted and wanted[-1]:
        content = content.removesuffix(end)
    encoded = content.encode("utf-8-sig" if mark and wanted else "utf-8")
    path = tmp_path / "text"
    path.write_bytes(gzip.compress(encoded) if packed else encoded)
    assert lines.read(path) == wanted
    assert list(lines.stream(str(path))) == wanted
    with path.open("rb") as opened:
        assert list(lines.decode(opened, name="here")) == wanted


@given(content=binary())
def test_lines_are_those_of_wc(content: bytes) -> None:
    content = content.replace(b"\x1f\x8b", b"")  # would be gzip
    found = list(lines.decode(io.BytesIO(content), name="here", errors="replace"))
    assert len(found) == content.count(b"\n") + bool(content and not content.endswith(b"\n"))


@given(content=text())
def test_one_line_is_one_line_for_every_tool_and_keeps_all_else(content: str) -> None:
    safe = lines.one_line(content)
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


def test_damaged_gzip_says_so(tmp_path: Path) -> None:
    path = tmp_path / "train.gz"
    path.write_bytes(gzip.compress(b"a\n" * 10_000)[:-10])
    with pytest.raises(DataError, match=r"train\.gz .*damaged or incomplete"):
        lines.read(path)


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
