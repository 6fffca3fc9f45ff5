"""A corpus of recordings: names are relative to their table, and its identity is that of all that it names."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nmt.data.corpus import Files, SplitFiles
from nmt.data.filters import Filters
from nmt.data.prepare import prepare
from nmt.data.source_lines import describe_line
from nmt.data.sources.target_only import TargetOnly
from nmt.data.sources.vectors import VectorReader
from nmt.data.tokenizer import Tokenizer, Unigram
from nmt.data.vector_files import VectorFiles
from nmt.errors import ConfigError, DataError
from tests.commands import write_lines


def build(folder: Path, **settings: object) -> VectorFiles:
    given = {"train": str(folder / "train.tsv"), "validation": str(folder / "valid.tsv"), "target_language": "en"}
    return VectorFiles(**{**given, **settings})  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    for number in range(6):
        np.save(tmp_path / "clips" / f"{number}.npy", np.full((number + 1, 2), number, np.float32))
    write_lines(tmp_path / "train.tsv", *(f"clips/{number}.npy\tword {number}" for number in range(5)), "1,2 3,4\tlast")
    write_lines(tmp_path / "valid.tsv", "clips/5.npy\tword 5")
    return tmp_path


def test_names_are_relative_to_their_table(folder: Path) -> None:
    corpus = build(folder)
    corpus.check()
    train, validation = corpus.load("train"), corpus.load("validation")
    assert train is not None
    assert train.source == [*(str(folder / "clips" / f"{number}.npy") for number in range(5)), "1,2 3,4"]
    assert train.target == [*(f"word {number}" for number in range(5)), "last"]
    assert validation is not None
    assert validation.target == ["word 5"]
    assert corpus.load("test") is None
    assert describe_line(corpus, "validation", 0) == f"{folder / 'valid.tsv'}, line 1"


def test_lines_can_be_split_off(folder: Path) -> None:
    corpus = build(folder, validation=2)
    parts = [corpus.load(split) for split in ("train", "validation")]
    assert [len(part.source) for part in parts if part is not None] == [4, 2]
    assert {line for part in parts if part is not None for line in part.target} == {
        *map("word {}".format, range(5)),
        "last",
    }
    table = (folder / "train.tsv").read_text().splitlines()
    for split in ("train", "validation"):
        part = corpus.load(split)
        assert part is not None
        for place, target in enumerate(part.target):
            name, _, number = describe_line(corpus, split, place).rpartition(", line ")
            assert name == str(folder / "train.tsv")
            assert table[int(number) - 1].endswith(f"\t{target}")


def test_what_files_hold_is_part_of_the_identity(folder: Path) -> None:
    before = build(folder).get_identity()
    assert build(folder).get_identity() == before
    np.save(folder / "clips" / "3.npy", np.zeros((4, 2), np.float32))
    after = build(folder).get_identity()
    assert after["train"] != before["train"]
    assert after["validation"] == before["validation"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("clips/1.npy", r"line 2 has 1 columns; name\.npy, a tab and the transcript"),
        ("clips/1.npy\ta\tb", r"line 2 has 3 columns"),
        ("clips/none.npy\ta", r"train\.tsv, line 2: .*none\.npy does not exist"),
    ],
)
def test_lines_that_are_none(folder: Path, line: str, message: str) -> None:
    write_lines(folder / "train.tsv", "clips/0.npy\ta", line)
    with pytest.raises(DataError, match=message):
        build(folder).get_identity()


def test_settings_are_checked(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.validation"):
        build(folder, validation=0)
    write_lines(folder / "train.tsv")
    with pytest.raises(DataError, match="is empty"):
        build(folder).load("train")
    with pytest.raises(DataError, match=r"data\.train"):
        build(folder, train=str(folder / "no.tsv")).check()


class NoTrainer(Unigram):
    """Learns nothing: what is wrong with sources must be told before."""

    def train_target(self, target: Sequence[str]) -> Tokenizer:
        raise AssertionError("a vocabulary is learnt")


@pytest.mark.parametrize("split", ["train", "valid"])
def test_sources_are_looked_at_before_a_vocabulary_is_learnt(folder: Path, split: str) -> None:
    with (folder / f"{split}.tsv").open("a") as table:
        table.write("clips/bad.npy\tbad\n")
    np.save(folder / "clips" / "bad.npy", np.zeros((2, 3), np.float32))
    settings = TargetOnly(VectorReader(features=2), NoTrainer(vocab_size=30))
    number = len((folder / f"{split}.tsv").read_text().splitlines())
    with pytest.raises(DataError, match=rf"{split}\.tsv, line {number}: .*bad\.npy has the shape \(2, 3\)"):
        prepare(build(folder), settings, Filters(), folder / "cache")


def test_a_line_of_text_files_is_named(folder: Path) -> None:
    """Of several files, with and without validation pairs that are split off."""
    names = [str(write_lines(folder / f"{part}.en", *(f"{part} {n}" for n in range(4)))) for part in "ab"]
    for validation in (3, SplitFiles(source=names, target=names)):
        train = SplitFiles(source=names, target=names)
        corpus = Files(source_language="en", target_language="de", train=train, validation=validation)
        for split in ("train", "validation"):
            part = corpus.load(split)
            assert part is not None
            for place, line in enumerate(part.source):
                name, _, number = describe_line(corpus, split, place).rpartition(", line ")
                assert Path(name).read_text().splitlines()[int(number) - 1] == line
