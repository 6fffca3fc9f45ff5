"""Parallel files: what is checked before anything is read, and what on reading."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from nmt.data import corpus as corpora
from nmt.data.corpus import Bitext, Files, Sides
from nmt.errors import ConfigError, DataError


def write(path: Path, *lines: str) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


@pytest.fixture
def sides(tmp_path: Path) -> dict[str, Sides]:
    return {
        split: Sides(
            source=write(tmp_path / f"{split}.de", *(f"ein {split} {n}" for n in range(rows))),
            target=write(tmp_path / f"{split}.en", *(f"a {split} {n}" for n in range(rows))),
            links=write(tmp_path / f"{split}.align", *["0-0 1p1"] * rows) if split == "test" else None,
        )
        for split, rows in (("train", 5), ("validation", 3), ("test", 2))
    }


def files(**options: Any) -> Files:
    if "test" in options:
        options["test"] = corpora.TestSides(**vars(options["test"]))
    return Files(source_language="de", target_language="en", **options)


def test_every_split_loads_with_its_links(sides: dict[str, Sides]) -> None:
    corpus = files(**sides)
    corpus.check()
    assert corpus.load("train") == Bitext(
        [f"ein train {n}" for n in range(5)], [f"a train {n}" for n in range(5)], None
    )
    assert corpus.load("test") == Bitext(["ein test 0", "ein test 1"], ["a test 0", "a test 1"], ["0-0 1p1"] * 2)
    del sides["test"]
    assert files(**sides).load("test") is None


def test_identity_follows_the_content_and_not_the_path(sides: dict[str, Sides], tmp_path: Path) -> None:
    identity = files(**sides).identity()
    (tmp_path / "moved").mkdir()
    moved = Path(sides["train"].source).rename(tmp_path / "moved" / "other")
    elsewhere = Sides(source=str(moved), target=sides["train"].target)
    assert files(**sides | {"train": elsewhere}).identity() == identity
    assert files(**sides | {"train": elsewhere}, errors="replace").identity() != identity
    moved.write_bytes(moved.read_bytes().replace(b"3", b"4"))
    assert files(**sides | {"train": elsewhere}).identity() != identity


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("name", ["source", "target", "links"])
def test_check_finds_what_is_missing_empty_or_a_folder(
    sides: dict[str, Sides], split: str, name: str, tmp_path: Path
) -> None:
    found = {key: getattr(sides[split], key) for key in ("source", "target", "links")}
    (tmp_path / "empty").touch()
    asked = rf"\(data\.{split}\.{name}\)"
    for broken, message in (
        (tmp_path / "gone", f"no file .*gone {asked}"),
        (tmp_path / "empty", f"empty {asked} is empty"),
        (tmp_path, f"{asked} is a folder"),
    ):
        with pytest.raises(DataError, match=message):
            files(**sides | {split: Sides(**found | {name: str(broken)})}).check()


def test_unequal_files_are_told_with_their_counts_and_the_first_lone_line(
    sides: dict[str, Sides], tmp_path: Path
) -> None:
    longer = write(tmp_path / "longer.en", *(f"line {n}" for n in range(7)))
    corpus = files(**sides | {"train": Sides(source=sides["train"].source, target=longer)})
    corpus.check()
    with pytest.raises(
        DataError, match=r"train\.de has 5 lines and .*longer\.en has 7.* Line 6 of .*longer\.en.*'line 5'"
    ):
        corpus.load("train")
    write(tmp_path / "longer.en", "a", "", "b", "c", "d", "e")
    with pytest.raises(DataError, match="Line 2 is empty in only one"):
        corpus.load("train")


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_bytes_that_are_not_utf8_are_told_with_the_key_that_lets_them_pass(
    sides: dict[str, Sides], split: corpora.Split
) -> None:
    Path(sides[split].source).write_bytes(b"sch\xf6n\n")
    with pytest.raises(DataError, match=r"set data\.errors=replace"):
        files(**sides).load(split)


def test_a_file_that_unpacks_to_nothing_is_empty(sides: dict[str, Sides], tmp_path: Path) -> None:
    packed = tmp_path / "nothing.gz"
    packed.write_bytes(gzip.compress(b""))
    corpus = files(**sides | {"train": Sides(source=str(packed), target=str(packed))})
    corpus.check()
    with pytest.raises(DataError, match=r"nothing\.gz .*is empty"):
        corpus.load("train")


def test_a_test_split_is_whole_or_absent(sides: dict[str, Sides]) -> None:
    path = sides["test"].source
    del sides["test"]
    absent = Files(source_language="de", target_language="en", test=corpora.TestSides(), **sides)
    assert absent.load("test") is None
    for partial, missing in (
        ({"source": path}, r"data\.test\.target"),
        ({"target": path}, r"data\.test\.source"),
        ({"links": path}, r"data\.test\.source and data\.test\.target"),
    ):
        with pytest.raises(ConfigError, match=f"needs both sides; write {missing}="):
            Files(source_language="de", target_language="en", test=corpora.TestSides(**partial), **sides)
