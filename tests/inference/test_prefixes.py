"""nmt-translate with beginnings that translations must have."""

from pathlib import Path

import pytest

from nmt.cli.translate import run_task
from nmt.errors import DataError
from nmt.inference.prefixes import join_prefixes, split_prefixes
from tests.commands import compose_command, read_lines, write_lines
from tests.trained import TrainedRun


def translate(trained: TrainedRun, folder: Path, source: list[str], *given: str) -> list[str]:
    """The translations of these lines."""
    path, out = write_lines(folder / "in.txt", *source), folder / "out.txt"
    run_task(compose_command("translate", f"model={trained.folder}", f"input={path}", f"output={out}", *given))
    return read_lines(out)


def test_line_n_of_the_file_begins_translation_n(trained: TrainedRun, tmp_path: Path) -> None:
    source = [*trained.text.source[:4], ""]
    begun = [trained.text.target[3].split()[0], "", " ".join(trained.text.target[0].split()[:2]), "", ""]
    prefix = write_lines(tmp_path / "begun.txt", *begun)
    free = translate(trained, tmp_path, source)
    found = translate(trained, tmp_path, source, f"prefix={prefix}", "chunk=2")
    for text, start, plain in zip(found, begun, free, strict=True):
        assert text.startswith(start)
        assert start or text == plain
    column = [f"{line}\t{start}" for line, start in zip(source, begun, strict=True)]  # as regular as a table
    words = ("prefix=column", "tokens=1", "search.no_repeat_ngram=9", 'search.no_repeat_exempt=["e"]')
    assert translate(trained, tmp_path, column, *words) == found


def test_characters_that_the_vocabulary_does_not_have_are_told(
    trained: TrainedRun, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    translate(trained, tmp_path, [trained.text.source[0], f"{trained.text.source[1]}\t漢字"], "prefix=column")
    assert "line 2: the prefix has characters that the vocabulary does not have" in caplog.text
    assert "line 1" not in caplog.text


@pytest.mark.parametrize(("count", "message"), [(1, "has 1 lines, and the input has more"), (3, "which has 2")])
def test_another_number_of_prefixes_is_refused_and_leaves_no_output(
    trained: TrainedRun, tmp_path: Path, count: int, message: str
) -> None:
    prefix = write_lines(tmp_path / "begun.txt", *[""] * count)
    with pytest.raises(DataError, match=message):
        translate(trained, tmp_path, trained.text.source[:2], f"prefix={prefix}")
    assert not (tmp_path / "out.txt").exists()


def test_a_file_of_prefixes_that_is_not_there_is_told_by_its_setting(trained: TrainedRun, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no file .*none\.txt \(prefix\)"):
        translate(trained, tmp_path, ["a"], f"prefix={tmp_path / 'none.txt'}")


def test_tabs_of_the_source_stay_in_the_source() -> None:
    joined = list(join_prefixes(iter(["a\tb", "c"]), iter(["d\te", ""]), name="begun.txt"))
    assert split_prefixes(joined, "begun.txt") == (["a\tb", "c"], ["d e", ""])
    assert split_prefixes(["a\tb", "c"], None) == (["a\tb", "c"], None)
    assert split_prefixes(["a\tb", "c"], "column") == (["a", "c"], ["b", ""])


def test_a_prefix_of_more_pieces_than_max_source_is_refused(trained: TrainedRun, tmp_path: Path) -> None:
    source = [f"{trained.text.source[0]}\te", "a\t" + "e " * 8000]
    with pytest.raises(DataError, match=r"line 2: the prefix has \d+ pieces, and may have 500 at most \(max_source\)"):
        translate(trained, tmp_path, source, "prefix=column")
    assert translate(trained, tmp_path, source[:1], "prefix=column", "max_source=9")
