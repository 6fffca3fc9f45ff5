"""Documents: joined and split they are what they were; translations of another number of sentences keep the lines."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    with pytest.raises(SystemExit, match="these have 1 and 2"):
        join([one, other], 2, tmp_path / "out")
    marked = write_lines(tmp_path / "z", "a", f"b {SEPARATOR}")
    with pytest.raises(SystemExit, match=r"z:2 has ¶"):
        join([marked], 2, tmp_path / "out")
    join([one], 2, tmp_path / "out")
    with pytest.raises(SystemExit, match="exists already"):
        join([one], 2, tmp_path / "out")
