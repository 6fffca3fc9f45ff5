"""What is prepared is what a plain loop would make, and what is kept is never stale, torn or in anybody's way."""

import gzip
import json
import os
import random
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt.data import corpus as corpora
from nmt.data import prepared_cache, training_pairs
from nmt.data.corpus import Bitext, Files, SplitFiles
from nmt.data.data_report import LENGTH_WARNING_PIECES
from nmt.data.filters import Filters
from nmt.data.prepare import PreparedData, prepare
from nmt.data.tasks import NO_LANGUAGE
from nmt.data.tokenizer import Bpe, Unigram
from nmt.errors import ConfigError, DataError
from nmt.special_tokens import UNK


def sentences(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghij", k=draw.randint(2, 5))) for _ in range(60)]
    return [" ".join(draw.choices(words, k=draw.randint(0, 12))) for _ in range(count)]


@dataclass
class Memory:
    """A corpus that lies in memory."""

    splits: dict[str, Bitext]
    source_language: str = "de"
    target_language: str = "en"
    loaded: list[str] = field(default_factory=list)

    def check(self) -> None:
        pass

    def get_identity(self) -> dict[str, Any]:
        return {"text": {split: [list(text.source), list(text.target)] for split, text in self.splits.items()}}

    def load(self, split: str) -> Bitext | None:
        self.loaded.append(split)
        return self.splits.get(split)


@pytest.fixture
def corpus() -> Memory:
    train = Bitext([*sentences(1, 150), "", "a", "\u2603"], [*sentences(2, 150), "b", "", "cd"])
    return Memory({"train": train, "validation": Bitext(["ab", "", "cd"], ["", "ef", "gh"])})


SETTINGS = Bpe(vocab_size=70)
FILTERS = Filters(min_length=2, max_length=20, max_ratio=2.5)


def text(prepared: PreparedData) -> list[tuple[str, str]]:
    return list(zip(prepared.train.source_text, prepared.train.target_text, strict=True))


def test_filters_keep_what_a_plain_loop_keeps(corpus: Memory, tmp_path: Path) -> None:
    prepared = prepare(corpus, SETTINGS, FILTERS, tmp_path)
    encode = prepared.tokenizers.source.encode
    wanted, counts = [], dict.fromkeys(("empty", "too_short", "too_long", "unequal"), 0)
    train = corpus.splits["train"]
    for pair in zip(train.source, train.target, strict=True):
        lengths = sorted(len(ids) for ids in encode(pair))
        if lengths[0] == 0:
            counts["empty"] += 1
        elif lengths[0] < 2:
            counts["too_short"] += 1
        elif lengths[1] > 20:
            counts["too_long"] += 1
        elif lengths[1] / lengths[0] > 2.5:
            counts["unequal"] += 1
        else:
            wanted.append(pair)
    assert all(counts.values())
    assert text(prepared) == wanted
    assert [(train.source[line], train.target[line]) for line in prepared.train.lines] == wanted
    assert prepared.report["pairs"] == {"read": 153, **counts, "kept": len(wanted)}
    for side, ids in enumerate((prepared.train.source, prepared.train.target)):
        assert [ids.get_sentence(n) for n in range(ids.sentences)] == encode([pair[side] for pair in wanted])
        about = prepared.report[("source", "target")[side]]
        assert about["longest"] == ids.lengths.max()
        assert about["tokens"] == ids.lengths.sum()
        assert about["unknown_share"] == np.mean(np.asarray(ids.flat) == UNK)


def test_what_is_memorized_is_what_validation_asks(corpus: Memory, tmp_path: Path) -> None:
    corpus.splits["test"] = corpus.splits["validation"]
    everything = prepare(corpus, SETTINGS, FILTERS, tmp_path)
    prepared = prepare(corpus, SETTINGS, replace(FILTERS, overfit=5), tmp_path)
    assert text(prepared) == text(everything)[:5]
    assert list(zip(*prepared.validation_text[:2], strict=True)) == text(prepared)
    assert [prepared.validation.target.get_sentence(n) for n in range(5)] == [
        prepared.train.target.get_sentence(n) for n in range(5)
    ]
    assert prepared.test is None
    assert prepared.tokenizers.source.serialized == everything.tokenizers.source.serialized
    with pytest.raises(ConfigError, match="at least 1 pair"):
        Filters(overfit=0)


def test_validation_leaves_out_what_is_blank_and_a_test_set_keeps_its_lines(
    corpus: Memory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corpus.splits["validation"] = Bitext(["ab", "", "cd", " ", "x " * 300], ["", "ef", "gh", "\t", "y"], list("abcde"))
    prepared = prepare(corpus, SETTINGS, FILTERS, tmp_path)
    assert prepared.validation_text == Bitext(["cd", "x " * 300], ["gh", "y"], ["c", "e"])
    assert prepared.validation.lines.tolist() == [2, 4]
    assert prepared.report["blank"] == {"validation": {"read": 5, "both": 1, "source": 1, "target": 1, "used": 2}}
    assert "validation: 3 of 5 pairs are left out of the scores: 1 are blank on both sides, 1 have a" in caplog.text
    assert prepared.test is None
    corpus.splits["test"] = Bitext(["ab", "cd"], ["", "x"], ["0-0", ""])
    prepared = prepare(corpus, SETTINGS, FILTERS, tmp_path)
    assert prepared.test == corpus.splits["test"]
    assert prepared.report["blank"]["test"] == {"read": 2, "both": 0, "source": 0, "target": 1, "used": 1}


@pytest.mark.parametrize("split", ["validation", "test"])
def test_nothing_to_score_is_told_before_a_vocabulary_is_learnt(
    corpus: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    corpus.splits[split] = Bitext(["a", ""], [" ", "b"])
    monkeypatch.setattr(Bpe, "train", lambda *arguments: pytest.fail("a vocabulary is being learnt"))
    with pytest.raises(DataError, match=f"nothing to score in the {split} split: none of its 2 pairs has text on both"):
        prepare(corpus, SETTINGS, FILTERS, tmp_path)


@pytest.mark.parametrize("cached", [False, True])
def test_held_out_text_that_was_trained_on_is_counted_as_a_plain_loop_counts(
    corpus: Memory, tmp_path: Path, cached: bool, caplog: pytest.LogCaptureFixture
) -> None:
    kept = text(prepare(corpus, SETTINGS, FILTERS, tmp_path))
    if not cached:
        shutil.rmtree(tmp_path)
    (one, two), (three, _) = kept[0], kept[1]
    corpus.splits["validation"] = Bitext([f" {one.replace(' ', '  ')} ", three, "ab", "cd"], [two, "new", "gh", "ij"])
    corpus.splits["test"] = Bitext([pair[0] for pair in kept], [pair[1] for pair in kept])
    caplog.clear()
    report = prepare(corpus, SETTINGS, FILTERS, tmp_path).report["overlap"]
    sources = {" ".join(pair[0].split()) for pair in kept}
    held = corpus.splits["validation"]
    assert report["validation"] == {
        "read": 4,
        "pairs": 1,
        "sources": sum(" ".join(line.split()) in sources for line in held.source),
        "share": 0.25,
        "examples": [[held.source[0], two]],
    }
    assert report["test"]["pairs"] == report["test"]["sources"] == report["test"]["read"] == len(kept)
    assert report["test"]["examples"] == [list(pair) for pair in kept[:3]]
    warned = "\n".join(record.message for record in caplog.records if record.levelname == "WARNING")
    assert "1 of 4 validation pairs (25 %) occur in the training text" in warned
    assert f"{len(kept)} of {len(kept)} test pairs (100 %) occur in the training text" in warned


@pytest.mark.parametrize("split", ["validation", "test"])
def test_what_is_wrong_with_held_out_text_is_told_before_a_vocabulary_is_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    paths = {}
    for name, lines in (("short", 4), ("long", 5)):
        paths[name] = tmp_path / f"{name}.gz"
        paths[name].write_bytes(gzip.compress(b"a\n" * lines))
    even = {"source": str(paths["long"]), "target": str(paths["long"])}
    uneven = {"source": str(paths["long"]), "target": str(paths["short"])}
    given: dict[str, Any] = {
        "train": SplitFiles(**even),
        "validation": SplitFiles(**even),
        "test": corpora.OptionalSplitFiles(**even),
    }
    given[split] = type(given[split])(**uneven)
    monkeypatch.setattr(Unigram, "train", lambda *arguments: pytest.fail("a vocabulary is being learnt"))
    with pytest.raises(DataError, match=r"long\.gz has 5 lines and .*short\.gz has 4"):
        prepare(Files(source_language="x", target_language="y", **given), Unigram(), FILTERS, tmp_path / "cache")


def test_the_second_time_is_the_same_from_disk(corpus: Memory, tmp_path: Path) -> None:
    first = prepare(corpus, SETTINGS, FILTERS, tmp_path)
    corpus.loaded.clear()
    second = prepare(corpus, SETTINGS, FILTERS, tmp_path)
    assert "train" not in corpus.loaded
    assert isinstance(second.train.source.flat, np.memmap)
    assert text(second) == text(first)
    assert second.train.lines.tolist() == first.train.lines.tolist()
    assert second.report == first.report
    assert second.tokenizers.source is second.tokenizers.target
    assert second.tokenizers.source.serialized == first.tokenizers.source.serialized
    assert len(list(tmp_path.iterdir())) == 1


def test_whatever_shapes_the_data_makes_a_new_folder_and_sampling_does_not(corpus: Memory, tmp_path: Path) -> None:
    def folders() -> int:
        return len(list(tmp_path.iterdir()))

    prepare(corpus, SETTINGS, FILTERS, tmp_path)
    prepared = prepare(corpus, Bpe(vocab_size=70, sampling=0.1), FILTERS, tmp_path)
    assert folders() == 1
    assert prepared.tokenizers.source.sampling == prepared.tokenizers.target.sampling == 0.1
    apart = prepare(corpus, Bpe(vocab_size=70, joint=False), FILTERS, tmp_path)
    assert apart.tokenizers.source is not apart.tokenizers.target
    assert folders() == 2
    again = prepare(corpus, Bpe(vocab_size=70, joint=False), FILTERS, tmp_path)
    assert [side.serialized for side in again.tokenizers] == [side.serialized for side in apart.tokenizers]
    prepare(corpus, SETTINGS, Filters(), tmp_path)
    assert folders() == 3
    source = corpus.splits["train"].source
    corpus.splits["train"] = corpus.splits["train"]._replace(source=[*source[:-1], "abc"])
    prepare(corpus, SETTINGS, FILTERS, tmp_path)
    assert folders() == 4


@pytest.mark.parametrize(
    "name", ["source.flat.npy", "target.text_offsets.npy", "lines.npy", "source.spm", "about.json"]
)
@pytest.mark.parametrize("gone", [True, False])
def test_a_damaged_folder_is_made_anew(
    corpus: Memory, tmp_path: Path, name: str, gone: bool, caplog: pytest.LogCaptureFixture
) -> None:
    first = text(prepare(corpus, SETTINGS, FILTERS, tmp_path))
    (folder,) = tmp_path.iterdir()
    file = folder / name
    file.unlink() if gone else file.write_bytes(file.read_bytes()[:-7])
    assert text(prepare(corpus, SETTINGS, FILTERS, tmp_path)) == first
    assert "damaged" in caplog.text
    assert list(tmp_path.iterdir()) == [folder]
    corpus.loaded.clear()
    assert text(prepare(corpus, SETTINGS, FILTERS, tmp_path)) == first
    assert "train" not in corpus.loaded


def deepen(path: Path) -> None:
    path.write_text('{"files": ' + "[" * 100_000)


def flip_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def put_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


KEPT = [f"{side}.{name}.npy" for side in ("source", "target") for name in training_pairs.ARRAYS]


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        *((flip_middle, name) for name in [*KEPT, "lines.npy", "keys.npy", "source.spm", "about.json"]),
        *((put_pipe, name) for name in ["target.flat.npy", "keys.npy", "source.spm", "about.json"]),
        *((put_folder, name) for name in ["keys.npy", "about.json"]),
        (deepen, "about.json"),
    ],
)
def test_what_is_not_as_it_was_written_is_made_anew(
    corpus: Memory, tmp_path: Path, damage: Callable[[Path], None], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    prepared = prepare(corpus, SETTINGS, FILTERS, tmp_path)
    first = text(prepared), prepared.report  # before the damage, as files are mapped into memory
    (folder,) = tmp_path.iterdir()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    damage(folder / name)
    again = prepare(corpus, SETTINGS, FILTERS, tmp_path)
    assert (text(again), again.report) == first
    assert f"{folder} are damaged" in caplog.text
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(tmp_path.iterdir()) == [folder]


def test_what_has_the_name_of_a_folder_and_is_none_is_replaced(corpus: Memory, tmp_path: Path) -> None:
    first = text(prepare(corpus, SETTINGS, FILTERS, tmp_path))
    (folder,) = tmp_path.iterdir()
    shutil.rmtree(folder)
    os.mkfifo(folder)
    os.mkfifo(tmp_path / f".{'a' * 24}.{'0' * 32}")
    assert text(prepare(corpus, SETTINGS, FILTERS, tmp_path)) == first
    assert folder.is_dir()
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_killed_process_left_unfinished_is_removed_and_nothing_else(corpus: Memory, tmp_path: Path) -> None:
    names = [f".{'a' * 24}.{'0' * 32}", f".{'b' * 24}.{'1' * 32}.damaged", f".{'c' * 24}.{'2' * 32}", ".notes", "notes"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "source.spm").write_bytes(b"half")
    with prepared_cache._lock_folder(tmp_path / names[2]):  # as by another process that is at work there
        prepare(corpus, SETTINGS, FILTERS, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert set(names) & left == set(names[2:])
    assert len(left) == 4
    prepare(corpus, SETTINGS, Filters(), tmp_path)
    assert set(names) & {path.name for path in tmp_path.iterdir()} == set(names[3:])


def test_runs_at_the_same_time_do_not_hurt_one_another(corpus: Memory, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: prepare(corpus, SETTINGS, FILTERS, tmp_path), range(4)))
    (folder,) = tmp_path.iterdir()
    assert json.loads((folder / "about.json").read_text(encoding="utf-8"))["report"].items() <= found[0].report.items()
    assert all(text(prepared) == text(found[0]) for prepared in found)


def test_a_folder_that_another_run_is_tidying_away_is_not_written_to(
    corpus: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making a folder and locking it, a run that removes what dead ones left may have taken it for such."""
    lock_file, taken = prepared_cache.lock_file, []

    def lock(descriptor: int) -> None:
        if not taken:
            taken.append(os.readlink(f"/proc/self/fd/{descriptor}"))
            raise BlockingIOError
        lock_file(descriptor)

    monkeypatch.setattr(prepared_cache, "lock_file", lock)
    prepare(corpus, SETTINGS, FILTERS, tmp_path)
    assert list(Path(taken[0]).iterdir()) == []
    assert [path for path in tmp_path.iterdir() if (path / "about.json").exists()] != []


def test_impossible_data_and_settings_are_told(corpus: Memory, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"None of the 153 training pairs passed .*\(25 empty, 128 too_short\)"):
        prepare(corpus, SETTINGS, Filters(min_length=90), tmp_path)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DataError, match=r"cannot be written to .*Choose another folder"):
        prepare(corpus, SETTINGS, FILTERS, file)
    corpus.splits["train"] = Bitext(["a"] * 3, ["", " ", "\t"])
    with pytest.raises(DataError, match="All 3 lines of the target training data are blank"):
        prepare(corpus, SETTINGS, FILTERS, tmp_path)
    corpus.splits["train"] = Bitext([], [])
    with pytest.raises(DataError, match="no pairs in its train split"):
        prepare(corpus, SETTINGS, FILTERS, tmp_path)
    for wrong in ({"min_length": 0}, {"max_length": 0}, {"max_ratio": 0.5}):
        with pytest.raises(ConfigError, match=f"filters.{next(iter(wrong))}="):
            Filters(**wrong)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == [file]


def test_validation_pairs_that_would_outlast_training_are_warned_of(
    corpus: Memory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, target = (list(side) for side in corpus.splits["validation"][:2])
    source += ["ab " * 2 * LENGTH_WARNING_PIECES]
    target = [*target[:2], "ef " * (LENGTH_WARNING_PIECES - 1), "gh"]
    source[2] = "ab"
    corpus.splits["validation"] = Bitext(source, target)
    data = prepare(corpus, SETTINGS, FILTERS, tmp_path)
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    longest = data.validation.source.lengths[1]
    assert warned[-1].startswith(
        f"validation pairs of more than {LENGTH_WARNING_PIECES} pieces: 2, and line 4 has {longest}."
    )
    assert list(data.validation_text.source) == source[2:]


@pytest.mark.parametrize("copied", [0.05, 0.1])
@pytest.mark.parametrize("cached", [False, True])
def test_a_target_that_repeats_the_source_is_remarked_on(
    copied: float, cached: bool, corpus: Memory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corpus.splits["validation"] = Bitext(["ab cd"], ["cd ab"])
    source = [f"{line} abc" for line in sentences(1, 100)]
    other = [f"{line} fgh" for line in sentences(2, 100)]
    corpus.splits["train"] = Bitext(source, [*source[: int(100 * copied)], *other[int(100 * copied) :]])
    for _ in range(1 + cached):
        caplog.clear()
        report = prepare(corpus, SETTINGS, Filters(max_ratio=100.0), tmp_path).report
    assert report["copies"]["train"] == {"read": 100, "pairs": int(100 * copied), "share": copied}
    assert report["copies"]["validation"]["pairs"] == 0
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    said = ["10 of 100 training pairs (10 %) say the same on both sides: is the target what it should be?"]
    assert warned == (said if copied == 0.1 else [])


def test_strings_that_are_to_be_copied_are_not_remarked_on(
    corpus: Memory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corpus.target_language = NO_LANGUAGE
    corpus.splits = {split: Bitext(lines, lines) for split in ("train", "validation") for lines in [sentences(1, 100)]}
    assert prepare(corpus, SETTINGS, Filters(max_ratio=100.0), tmp_path).report["copies"]["train"]["share"] == 1.0
    assert "say the same on both sides" not in caplog.text
