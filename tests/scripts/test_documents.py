"""Documents: joined and split they are what they were; translations of another number of sentences keep the lines."""

import errno
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import DataError
from scripts.command import run_script
from scripts.documents import SEPARATOR, join, join_sentences, split, split_document
from tests.commands import write_lines

SENTENCES = st.lists(st.text("ab .", max_size=6).map(str.strip), min_size=1, max_size=9)


@given(lines=SENTENCES, count=st.integers(1, 4))
def test_joined_sentences_split_into_themselves(lines: list[str], count: int) -> None:
    documents = list(join_sentences(lines, count))
    assert len(documents) == -(-len(lines) // count)
    sizes = [min(count, len(lines) - start) for start in range(0, len(lines), count)]
    found = [split_document(text, size) for text, size in zip(documents, sizes, strict=True)]
    assert [line for part in found for line in part] == lines


@pytest.mark.parametrize(
    ("text", "wanted"), [("a", ["a", "", ""]), ("a ¶ b ¶ c ¶ d", ["a", "b", "c d"]), ("", ["", "", ""])]
)
def test_a_document_gives_as_many_sentences_as_are_asked_for(text: str, wanted: list[str]) -> None:
    assert split_document(text, 3) == wanted


def test_files_are_joined_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write_lines(tmp_path / name, *"abcde") for name in ("x.en", "x.de")]
    join(files, 2, tmp_path / "out")
    assert [(tmp_path / "out" / path.name).read_text() for path in files] == ["a ¶ b\nc ¶ d\ne\n"] * 2
    translated = write_lines(tmp_path / "translated", "A ¶ B", "C", "E ¶ F")
    split(tmp_path / "out" / "x.en", translated)
    printed = capsys.readouterr()
    assert printed.out == "A\nB\nC\n\nE F\n"
    assert printed.err == "2 of 3 documents had another number of sentences\n"


def test_what_cannot_be_joined_is_refused(tmp_path: Path) -> None:
    one, other = write_lines(tmp_path / "x", "a", "b"), write_lines(tmp_path / "y", "a")
    with pytest.raises(DataError, match="these have 1 and 2"):
        join([one, other], 2, tmp_path / "out")
    marked = write_lines(tmp_path / "z", "a", f"b {SEPARATOR}")
    with pytest.raises(DataError, match=r"z:2 has ¶"):
        join([marked], 2, tmp_path / "out")
    join([one], 2, tmp_path / "out")
    with pytest.raises(DataError, match="exists already"):
        join([one], 2, tmp_path / "out")


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "x"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("a\nb\nc\n"))
    writer.start()
    join([pipe], 2, tmp_path / "out")
    writer.join()
    assert (tmp_path / "out" / "x").read_text() == "a ¶ b\nc\n"


def test_empty_files_have_no_documents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = write_lines(tmp_path / "empty")
    with pytest.raises(DataError, match="empty is empty"):
        join([empty], 2, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    split(empty, empty)
    assert capsys.readouterr().out == ""


def test_what_cannot_be_used_is_one_sentence_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = write_lines(tmp_path / "good", "a"), tmp_path / "bad"
    bad.write_bytes(b"x\n\xff\n")

    def fail() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out")

    tasks = {
        "There is no file": lambda: split(tmp_path / "none", good),
        "is a folder": lambda: split(tmp_path, good),
        "bad, line 2: byte 0xff": lambda: join([bad], 2, tmp_path / "out"),
        "good cannot be used: File exists": lambda: join([write_lines(tmp_path / "other", "a")], 2, good),
        "out cannot be used: No space left": fail,
    }
    for said, task in tasks.items():
        with pytest.raises(SystemExit) as ended:
            run_script(task)
        assert ended.value.code == 2
        told = capsys.readouterr().err
        assert said in told
        assert told.count("\n") == 1
