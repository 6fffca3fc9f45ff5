"""Much text gives the same pairs, ids and hashes in whatever parts and processes, and takes little memory."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from, tuples

from nmt.data import corpus as corpora
from nmt.data import encoded, encoding, vocabulary_size
from nmt.data.array_files import ArrayFile, RaggedFile, open_ids
from nmt.data.corpus import Bitext, Files, SplitFiles, stream_chunks
from nmt.data.encoded import PackedLines, RaggedIds
from nmt.data.filters import Filters
from nmt.data.held_out import choose_held_out, hash_lines, join_chunks
from nmt.data.pair_files import corpus as pair_corpora
from nmt.data.pair_files.corpus import PairFiles
from nmt.data.prepare import prepare
from nmt.data.quality import find_known
from nmt.data.tokenizer import Bpe, Unigram
from nmt.errors import ConfigError, DataError
from tests.commands import build_environment

SETTINGS = Bpe(vocab_size=60)


def write_text(folder: Path, pairs: int, *, longest: int = 9) -> Files:
    """A corpus of so many pairs of up to `longest` words in files, of which some are blank or repeated."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefg", k=draw.randint(1, 5))) for _ in range(90)]
    for side in ("train.a", "train.b"):
        lines = [" ".join(draw.choices(words, k=draw.randint(0, longest))) for _ in range(pairs)]
        (folder / side).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    train = SplitFiles(source=str(folder / "train.a"), target=str(folder / "train.b"))
    return Files(source_language="a", target_language="b", train=train, validation=5)


def read_folder(cache: Path) -> dict[str, bytes]:
    """The files of the one folder in a cache."""
    (folder,) = cache.iterdir()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything in parts of a few lines."""
    for place in (corpora, pair_corpora):
        monkeypatch.setattr(place, "PAIRS_PER_CHUNK", 13)
    monkeypatch.setattr(encoding, "LINES_PER_CHUNK", 11)
    monkeypatch.setattr(encoding, "PAIRS_PER_ANSWER", 17)


@pytest.mark.parametrize(("overfit", "processes"), [(None, 1), (None, 2), (23, 2)])
def test_what_is_prepared_depends_on_neither_parts_nor_processes(
    overfit: int | None, processes: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    corpus, filters = write_text(tmp_path, 150), Filters(min_length=2, max_length=30, overfit=overfit)
    whole = prepare(corpus, SETTINGS, filters, tmp_path / "whole")
    request.getfixturevalue("small_parts")
    parts = prepare(corpus, SETTINGS, filters, tmp_path / "parts", processes=processes)
    assert read_folder(tmp_path / "parts") == read_folder(tmp_path / "whole")
    assert parts.report == whole.report
    assert parts.report["pairs"]["read"] > parts.report["pairs"]["kept"] > 17
    assert parts.validation_text == whole.validation_text


def test_an_error_in_the_middle_leaves_nothing(
    tmp_path: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, calls = write_text(tmp_path, 150), iter(range(99))
    hash_text = encoding.TextHashes.from_text

    def fail(*sides: list[str]) -> Any:
        if next(calls) == 5:
            raise DataError("the middle")
        return hash_text(*sides)

    monkeypatch.setattr(encoding.TextHashes, "from_text", fail)
    with pytest.raises(DataError, match="the middle"):
        prepare(corpus, SETTINGS, Filters(), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


PARTS = lists(lists(integers(-9, 9), max_size=5), min_size=1, max_size=6)


@pytest.mark.parametrize("shape", [(), (3,), (2, 5)])
@pytest.mark.parametrize("by_column", [False, True])
def test_a_file_that_grows_is_what_numpy_writes_of_the_whole(
    shape: tuple[int, ...], by_column: bool, tmp_path: Path
) -> None:
    draw = np.random.default_rng(1)
    parts = [draw.integers(99, size=(rows, *shape), dtype=np.int32) for rows in (0, 7, 1, 1000)]
    file = ArrayFile(tmp_path / "parts.npy", by_column=by_column)
    for part in parts:
        file.append(part)
    file.close()
    whole = np.concatenate(parts)
    if by_column:
        found = np.load(tmp_path / "parts.npy", mmap_mode="r")
        assert found.shape == (*shape, len(whole))
        # The columns of `found` are the rows of `whole`, whose numbers lie in the order in which they are read.
        assert found.ravel(order="F").tolist() == whole.ravel().tolist()
        return
    np.save(tmp_path / "whole.npy", whole)
    assert (tmp_path / "parts.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


@given(parts=PARTS)
def test_ragged_parts_follow_one_another(parts: list[list[int]], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("ragged")
    paths = folder / "flat.npy", folder / "offsets.npy"
    file = RaggedFile(*paths)
    for part in parts:
        file.append(*RaggedIds.from_sentences([[number] * abs(number) for number in part]))
    file.close()
    found = open_ids(*paths)
    wanted = [[number] * abs(number) for part in parts for number in part]
    assert [found.get_sentence(place) for place in range(found.sentences)] == wanted


PAIRS = lists(tuples(sampled_from(["", " ", "a", "b ", " b", "c", "d", "e"]), sampled_from(["", "x", "y"])), min_size=9)


@given(pairs=PAIRS, size=integers(1, 9), wanted=integers(1, 5))
def test_held_out_pairs_are_those_of_a_plain_loop(pairs: list[tuple[str, str]], size: int, wanted: int) -> None:
    chunks = [Bitext(*map(list, zip(*pairs[at : at + size], strict=True))) for at in range(0, len(pairs), size)]
    keys = hash_lines([source for source, _ in pairs]).tolist()
    first: dict[int, int] = {}
    for place, (source, target) in enumerate(pairs):
        if source.strip() and target.strip():
            first.setdefault(keys[place], place)
    if len(first) <= wanted:
        with pytest.raises(DataError, match=f"has {len(first)} different source sentences"):
            choose_held_out(chunks, wanted, setting="x")
        return
    chosen = sorted(first)[:wanted]
    held = choose_held_out(chunks, wanted, setting="x")
    assert list(zip(*held.text[:2], strict=True)) == [pairs[place] for place in sorted(first[key] for key in chosen)]
    assert held.left.tolist() == [key not in chosen for key in keys]


def test_chunks_of_a_corpus_are_what_it_loads(tmp_path: Path, small_parts: None) -> None:
    files = write_text(tmp_path, 100)
    both = SplitFiles(source=str(tmp_path / "train.a"), target=str(tmp_path / "train.b"))
    whole = Files(source_language="a", target_language="b", train=both, validation=both).load("train")
    assert whole is not None
    rows = zip(whole.source, whole.target, strict=True)
    (tmp_path / "train.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    table = PairFiles(source_language="a", target_language="b", train=str(tmp_path / "train.tsv"), validation=5)
    for corpus in (files, table):
        chunks = list(stream_chunks(corpus, "train"))
        assert max(len(chunk.source) for chunk in chunks) <= 13
        assert join_chunks(chunks) == corpus.load("train") == files.load("train")
        assert list(stream_chunks(corpus, "test")) == []


@pytest.mark.parametrize(("first", "second"), [(26, 27), (27, 26), (13, 14), (5, 40)])
def test_files_that_do_not_match_are_told_in_chunks_too(
    first: int, second: int, tmp_path: Path, small_parts: None
) -> None:
    for side, count in (("a", first), ("b", second)):
        lines = ["x"] * count
        lines[3] = "" if side == "a" else "x"
        (tmp_path / side).write_text("\n".join(lines) + "\n")
    both = SplitFiles(source=str(tmp_path / "a"), target=str(tmp_path / "b"))
    corpus = Files(source_language="a", target_language="b", train=both, validation=both)
    shorter, longer = min(first, second), tmp_path / ("a" if first > second else "b")
    with pytest.raises(DataError) as told:
        corpus.load("train")
    assert f"{tmp_path / 'a'} has {first} lines and {tmp_path / 'b'} has {second}, but line n" in str(told.value)
    assert f"Line {shorter + 1} of {longer} is the first without a partner: 'x'." in str(told.value)
    assert str(told.value).endswith("Line 4 is empty in only one of them: they may part there.")


def test_keys_are_found_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(2)
    keys, known = (draw.integers(50, size=size, dtype=np.uint64) for size in (31, 23))
    monkeypatch.setattr("nmt.data.quality.KEYS_PER_PART", 7)
    assert find_known(keys, known).tolist() == np.isin(keys, known).tolist()


def test_a_vocabulary_is_learnt_from_evenly_spaced_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{place:07d}" for place in range(100)]
    packed = PackedLines.from_lines(lines)
    assert vocabulary_size.count_bytes(packed) == vocabulary_size.count_bytes(lines) == 800
    choose = vocabulary_size.choose_lines
    assert choose(packed, "auto", 2) is packed
    assert list(choose(packed, 40, 2)) == lines[::5]
    monkeypatch.setattr(vocabulary_size, "MAX_TRAINING_BYTES", 200)
    for sides in (1, 2):
        chosen = choose(packed, "auto", sides)
        assert list(chosen) == list(choose(lines, "auto", sides)) == lines[:: 4 * sides]
        assert sides * (vocabulary_size.count_bytes(chosen) - 8) <= 200, "but for the first line"
    with pytest.raises(ConfigError, match=r"tokenizer\.learn_from=1 must"):
        Bpe(learn_from=1)
    assert Unigram(learn_from=2_000_000).get_identity()["learnt_from"] == 2_000_000, "as it was named before"


def test_segmentations_of_much_text_are_drawn_into_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sampling = Bpe(vocab_size=60, sampling=0.3)
    data = prepare(write_text(tmp_path, 150), sampling, Filters(), tmp_path / "cache")
    monkeypatch.setattr(encoded, "LINES_PER_SEED", 11)
    few = encoded.resegment(data.train, data.tokenizers, [3])
    monkeypatch.setattr(encoded, "MIN_SPOOLED_SENTENCES", 100)
    many = encoded.resegment(data.train, data.tokenizers, [3])
    for side, other, best in zip(few[:2], many[:2], data.train[:2], strict=True):
        assert isinstance(other.flat, np.memmap)
        assert (side.flat.tolist(), side.offsets.tolist()) == (other.flat.tolist(), other.offsets.tolist())
        assert side.flat.tolist() != best.flat.tolist()
    assert len(list((tmp_path / "cache").iterdir())) == 1


MEASURE = """
import sys
from pathlib import Path
from nmt.data import corpus, encoding
from nmt.data.corpus import Files, SplitFiles
from nmt.data.filters import Filters
from nmt.data.given import PretrainedTokenizers
from nmt.data.prepare import prepare
from nmt.data.tokenizer import Tokenizer, Tokenizers
from nmt.data.batching import Batches, BatchSettings

def read(name):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(name))

corpus.PAIRS_PER_CHUNK = encoding.LINES_PER_CHUNK = 2048
folder, model = Path(sys.argv[1]), Tokenizer.load(sys.argv[2])
train = SplitFiles(source=str(folder / "train.a"), target=str(folder / "train.b"))
text = Files(source_language="a", target_language="b", train=train, validation=5)
given = PretrainedTokenizers(Tokenizers(model, model), sampling=0.0)
data = prepare(text, given, Filters(), folder / "cache")
epoch = Batches(data.train, data.tokenizers, BatchSettings(pool=2048), seed=1).make_epoch(0)
for index in range(min(100, len(epoch))):
    epoch.get_batch(index)
print(read("RssAnon"))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_pairs_that_are_prepared_take_few_bytes_of_memory_each(tmp_path: Path) -> None:
    """What a process holds for itself after preparing and 100 batches grows by what an epoch's order takes, and by what
    the heap keeps of hashes: not by the text, its pieces, and where they begin, which are mapped."""
    held, mapped = [], []
    for pairs in (8_000, 32_000):
        folder = tmp_path / str(pairs)
        folder.mkdir()
        write_text(folder, pairs, longest=40)
        if not held:
            text = (folder / "train.a").read_text().splitlines()[:1000]
            (tmp_path / "model").write_bytes(SETTINGS.train(text, text).target.serialized)
        command = [sys.executable, "-c", MEASURE, str(folder), str(tmp_path / "model")]
        done = subprocess.run(command, env=build_environment(), capture_output=True, text=True, check=True)
        held.append(int(done.stdout))
        mapped.append(sum(map(len, read_folder(folder / "cache").values())))
    assert held[1] - held[0] < 0.25 * (mapped[1] - mapped[0])
