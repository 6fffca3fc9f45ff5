"""Parallel files: what is checked before anything is read, and what on reading."""

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from nmt.data import corpus as corpora
from nmt.data.corpus import Bitext, Files, SplitFiles
from nmt.errors import ConfigError, DataError


def write(path: Path, *lines: str) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


@pytest.fixture
def sides(tmp_path: Path) -> dict[str, SplitFiles]:
    return {
        split: SplitFiles(
            source=write(tmp_path / f"{split}.de", *(f"ein {split} {n}" for n in range(rows))),
            target=write(tmp_path / f"{split}.en", *(f"a {split} {n}" for n in range(rows))),
            links=write(tmp_path / f"{split}.align", *["0-0 1p1"] * rows) if split == "test" else None,
        )
        for split, rows in (("train", 5), ("validation", 3), ("test", 2))
    }


def files(**options: Any) -> Files:
    if "test" in options:
        options["test"] = corpora.OptionalSplitFiles(**vars(options["test"]))
    return Files(source_language="de", target_language="en", **options)


def test_every_split_loads_with_its_links(sides: dict[str, SplitFiles]) -> None:
    corpus = files(**sides)
    corpus.check()
    assert corpus.load("train") == Bitext(
        [f"ein train {n}" for n in range(5)], [f"a train {n}" for n in range(5)], None
    )
    assert corpus.load("test") == Bitext(["ein test 0", "ein test 1"], ["a test 0", "a test 1"], ["0-0 1p1"] * 2)
    del sides["test"]
    assert files(**sides).load("test") is None


@pytest.mark.parametrize(
    ("links", "told"),
    [
        (
            "0-0 0-10000000",
            r"test\.align \(data\.test\.links\), line 2: link 0-10000000 lies outside .* 3 source and 3",
        ),
        ("3-0", r"line 2: link 3-0 lies outside"),
        ("2p3", r"line 2: link 2-3 lies outside"),
        ("0-0 -1--1", r"test\.align \(data\.test\.links\), line 2: a link is written i-j .* got '-1--1'"),
    ],
)
def test_links_lie_inside_their_pairs(links: str, told: str, sides: dict[str, SplitFiles]) -> None:
    assert sides["test"].links is not None
    write(Path(sides["test"].links), "2-2", links)
    with pytest.raises(DataError, match=told):
        files(**sides).load("test")


def test_identity_follows_the_content_and_not_the_path(sides: dict[str, SplitFiles], tmp_path: Path) -> None:
    identity = files(**sides).get_identity()
    (tmp_path / "moved").mkdir()
    moved = Path(sides["train"].source).rename(tmp_path / "moved" / "other")
    elsewhere = SplitFiles(source=str(moved), target=sides["train"].target)
    assert files(**sides | {"train": elsewhere}).get_identity() == identity
    assert files(**sides | {"train": elsewhere}, errors="replace").get_identity() != identity
    moved.write_bytes(moved.read_bytes().replace(b"3", b"4"))
    assert files(**sides | {"train": elsewhere}).get_identity() != identity


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("name", ["source", "target", "links"])
def test_check_finds_what_is_missing_empty_or_a_folder(
    sides: dict[str, SplitFiles], split: str, name: str, tmp_path: Path
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
            files(**sides | {split: SplitFiles(**found | {name: str(broken)})}).check()


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_pipe_is_refused_and_not_opened(sides: dict[str, SplitFiles], split: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    piped = SplitFiles(source=str(tmp_path / "pipe"), target=sides[split].target)
    with pytest.raises(DataError, match=rf"pipe \(data\.{split}\.source\) is a pipe"):
        files(**sides | {split: piped}).check()


def test_unequal_files_are_told_with_their_counts_and_the_first_lone_line(
    sides: dict[str, SplitFiles], tmp_path: Path
) -> None:
    longer = write(tmp_path / "longer.en", *(f"line {n}" for n in range(7)))
    corpus = files(**sides | {"train": SplitFiles(source=sides["train"].source, target=longer)})
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
    sides: dict[str, SplitFiles], split: corpora.Split
) -> None:
    Path(sides[split].source).write_bytes(b"sch\xf6n\n")
    with pytest.raises(DataError, match=r"set data\.errors=replace"):
        files(**sides).load(split)


def test_a_file_that_unpacks_to_nothing_is_empty(sides: dict[str, SplitFiles], tmp_path: Path) -> None:
    packed = tmp_path / "nothing.gz"
    packed.write_bytes(gzip.compress(b""))
    corpus = files(**sides | {"train": SplitFiles(source=str(packed), target=str(packed))})
    corpus.check()
    with pytest.raises(DataError, match=r"nothing\.gz .*is empty"):
        corpus.load("train")


def test_a_test_split_is_whole_or_absent(sides: dict[str, SplitFiles]) -> None:
    path = sides["test"].source
    del sides["test"]
    absent = Files(source_language="de", target_language="en", test=corpora.OptionalSplitFiles(), **sides)
    assert absent.load("test") is None
    for partial, missing in (
        ({"source": path}, r"data\.test\.target"),
        ({"target": path}, r"data\.test\.source"),
        ({"links": path}, r"data\.test\.source and data\.test\.target"),
    ):
        with pytest.raises(ConfigError, match=f"needs both sides; write {missing}="):
            Files(source_language="de", target_language="en", test=corpora.OptionalSplitFiles(**partial), **sides)


def test_a_number_of_pairs_is_split_off_and_none_of_their_sources_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = [(f"ein  Wort {n % 40}", f"a word {n % 45}") for n in range(90)] + [("", "blank"), ("ein Wort 99", " ")]
    source, target = (write(tmp_path / f"t.{side}", *(pair[side] for pair in pairs)) for side in (0, 1))
    corpus = files(train=SplitFiles(source=source, target=target), validation=7)
    corpus.check()
    with caplog.at_level("INFO"):
        train, validation = corpus.load("train"), corpus.load("validation")
    assert train is not None
    assert validation is not None
    held = set(validation.source)
    assert len(held) == len(validation.source) == 7
    assert list(zip(*train[:2], strict=True)) == [pair for pair in pairs if pair[0] not in held]
    firsts = dict(reversed(pairs))
    assert [(one, firsts[one]) for one in validation.source] == list(zip(*validation[:2], strict=True))
    assert sorted(validation.source, key=list(firsts).index, reverse=True) == list(validation.source)
    assert caplog.text.count(f"7 pairs are split off for validation; {92 - 7 - len(train.source)} more") == 2
    shuffled = sorted(pairs, key=lambda pair: pair[1])
    again = [write(tmp_path / f"s.{side}", *(pair[side].replace("  ", " ") for pair in shuffled)) for side in (0, 1)]
    other = files(train=SplitFiles(source=again[0], target=again[1]), validation=7).load("validation")
    assert other is not None
    assert {" ".join(line.split()) for line in other.source} == {" ".join(line.split()) for line in held}


def test_a_number_of_validation_pairs_is_part_of_the_identity_and_leaves_some_for_training(
    sides: dict[str, SplitFiles],
) -> None:
    train = sides["train"]
    identity = files(train=train, validation=2).get_identity()
    assert identity["train"] == files(**sides).get_identity()["train"]
    assert identity != files(train=train, validation=3).get_identity()
    loaded = files(train=train, validation=4, test=sides["test"]).load("train")
    assert loaded is not None
    assert len(loaded.source) == 1
    with pytest.raises(DataError, match=r"data\.validation=5 cannot be split off: .* has 5 different"):
        files(train=train, validation=5).load("validation")
    with pytest.raises(ConfigError, match=r"data\.validation=0 must be at least 1"):
        files(train=train, validation=0)
