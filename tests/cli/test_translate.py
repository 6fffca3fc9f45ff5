"""nmt-translate is a filter: line n out translates line n in, whatever the lines, the batches and the format."""

import json
import os
import stat
import subprocess
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.strategies import integers, lists, text

from nmt.cli.translate import TranslateSettings, run_task
from nmt.config import build, check
from nmt.data.lines import LINE_ENDS
from nmt.errors import ConfigError, DataError
from nmt.inference import inference, parts
from nmt.inference.answers import LINE_END_ESCAPES
from nmt.inference.streams import CHUNK_CHARACTERS, FIRST_CHUNK, open_writer, split_chunks
from nmt.model.seq2seq import Seq2Seq
from nmt.search.beam import Beam
from nmt.search.greedy import Greedy
from nmt.special_tokens import BOS, EOS
from tests.commands import build_command_line, build_environment, compose_command, read_lines, run_process, write_lines
from tests.trained import TrainedRun

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

NEWLINE = b"\n"
NASTY = (
    b"\xef\xbb\xbfThe dog sleeps.\r\n\n   \nx\xe2\x80\xa8y\x85z".replace(b"\x85", b"\xc2\x85")
    + b"\n\xf0\x9f\x98\x80\n</s> <s> <pad>\na\0b\n\t\nlast, without an end"
)


def translate_sources(trained: TrainedRun, folder: Path, *given: str) -> list[str]:
    """The output of the task for the training sources, an empty line among them."""
    source = write_lines(folder / "in.txt", *trained.text.source[:4], "", *trained.text.source[4:])
    out = folder / "out.txt"
    run_task(compose_command("translate", f"model={trained.folder}", f"input={source}", f"output={out}", *given))
    return read_lines(out)


def test_a_filter_keeps_lines_apart_and_writes_nothing_else(trained: TrainedRun, tmp_path: Path) -> None:
    done = run_process("translate", f"model={trained.folder}", text=NASTY, folder=tmp_path)
    assert done.returncode == 0
    *warned, summary = done.stderr.decode().splitlines()
    assert summary.startswith(f"nmt-translate: {len(NASTY.split(NEWLINE))} lines in ")
    assert [line.split(" has ")[1][:10] for line in warned] == ["characters"]
    assert done.stdout.endswith(b"\n")
    out = done.stdout.decode().split("\n")[:-1]
    assert len(out) == len(NASTY.split(b"\n"))
    assert [number for number in (1, 2, 7) if out[number]] == []
    assert all(len(line.splitlines()) <= 1 and not set(line) & set(LINE_ENDS) for line in out)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_seen_enough_ends_it_quietly(trained: TrainedRun, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.txt", *trained.text.source * 20)
    command = build_command_line("translate", f"model={trained.folder}", f"input={source}", "chunk=1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=build_environment()) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0


def test_a_missing_model_is_told_before_anything_is_read(tmp_path: Path) -> None:
    command = build_command_line("translate", f"model={tmp_path / 'none'}")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=build_environment(), **pipes) as running:
        assert running.wait(timeout=60) == 2  # standard input is open, and nobody ever writes to it
        assert running.stderr is not None
        assert b"no such folder" in running.stderr.read()


def test_translations_do_not_depend_on_batches_and_chunks(trained: TrainedRun, tmp_path: Path) -> None:
    together = translate_sources(trained, tmp_path)
    assert together == translate_sources(trained, tmp_path, "chunk=1", "tokens=1")
    assert together == translate_sources(trained, tmp_path, "chunk=3", "tokens=50")
    assert together[4] == ""
    assert len(set(together)) > 4  # or all this would say little


def test_a_model_memorizes_eight_pairs(trained: TrainedRun, tmp_path: Path) -> None:
    out = translate_sources(trained, tmp_path)
    assert sum(found == right for found, right in zip(out[:4] + out[5:], trained.text.target, strict=True)) >= 4


def test_nbest_lists_hypotheses_by_line_and_score(trained: TrainedRun, tmp_path: Path) -> None:
    out = translate_sources(trained, tmp_path, "search.size=3", "search.nbest=3", "format=nbest")
    rows = [row.split(" ||| ") for row in out]
    for number, best in enumerate(translate_sources(trained, tmp_path, "search.size=3")):
        found = [(row[1], float(row[2])) for row in rows if row[0] == str(number)]
        assert found[0][0] == best
        assert len(found) == (3 if best else 1)
        assert all(first[1] >= second[1] for first, second in pairwise(found))
    assert [int(row[0]) for row in rows] == sorted(int(row[0]) for row in rows)


def test_json_holds_pieces_and_the_weights_between_them(trained: TrainedRun, tmp_path: Path) -> None:
    best = translate_sources(trained, tmp_path)
    objects = [json.loads(line) for line in translate_sources(trained, tmp_path, "format=json", "weights=true")]
    assert [found["text"] for found in objects] == best
    assert [found["source_text"] for found in objects] == read_lines(tmp_path / "in.txt")
    assert [found["line"] for found in objects] == list(range(1, len(best) + 1))
    assert objects[4]["hypotheses"] == []
    for found in (each for each in objects if each["hypotheses"]):
        first = found["hypotheses"][0]
        assert first["text"] == found["text"]
        assert first["log_prob"] <= first["score"] <= 0
        weights = np.array(first["weights"])
        assert weights.shape == (len(first["pieces"]), len(found["source"]))
        assert np.allclose(weights.sum(1), 1, atol=0.01)
        assert first["pieces"][-1] == found["source"][-1] == "</s>"


@pytest.mark.parametrize("search", ["beam", "greedy", "sampling"])
def test_json_has_the_log_probability_of_each_piece(trained: TrainedRun, tmp_path: Path, search: str) -> None:
    given = {"sampling": ("search.samples=2", "search.seed=3"), "beam": ("search.size=3", "search.nbest=3")}
    out = translate_sources(trained, tmp_path, f"search={search}", *given.get(search, ()), "format=json")
    settings = build(
        TranslateSettings,
        check(compose_command("translate", f"model={trained.folder}", "device=cpu"), TranslateSettings),
    )
    loaded = inference.load(str(trained.folder), settings)
    target = loaded.tokenizers.target
    for found in map(json.loads, out):
        for each in found["hypotheses"]:
            assert "weights" not in each
            assert len(each["log_probs"]) == len(each["pieces"])
            assert sum(each["log_probs"]) == pytest.approx(each["log_prob"], abs=1e-4)
            pieces = {piece: id for id, piece in enumerate(target.convert_ids_to_pieces(range(target.vocab_size)))}
            ids = [pieces[piece] for piece in each["pieces"]]
            (source,) = loaded.tokenizers.source.encode([found["source_text"]])
            assert each["log_probs"] == pytest.approx(compute_forced_log_probs(loaded.model, source, ids), abs=1e-3)


@torch.inference_mode()
def compute_forced_log_probs(model: Seq2Seq, source: list[int], target: list[int]) -> list[float]:
    """The log-probability of each target id, EOS included, all positions at once."""
    ids = torch.tensor([[*source, EOS]])
    log_probs = model.log_probs(ids, torch.tensor([ids.shape[1]]), torch.tensor([[BOS, *target[:-1]]]))[0]
    return log_probs.gather(1, torch.tensor(target)[:, None]).flatten().tolist()


def test_weights_are_for_json_only() -> None:
    with pytest.raises(ConfigError, match=r"weights=true .* format=json; got text"):
        run_task(compose_command("translate", "model=none", "weights=true"))


def test_json_is_one_line_for_every_tool() -> None:
    character = "".join(chr(code) for code in LINE_END_ESCAPES)
    written = json.dumps(f"a{character}{LINE_ENDS}", ensure_ascii=False).translate(LINE_END_ESCAPES)
    assert not set(written) & set(LINE_ENDS)
    assert json.loads(written) == f"a{character}{LINE_ENDS}"


def test_settings_of_search_change_the_stored_one_and_a_name_replaces_it(trained: TrainedRun) -> None:
    settings = build(
        TranslateSettings,
        check(compose_command("translate", f"model={trained.folder}", "device=cpu"), TranslateSettings),
    )
    loaded = inference.load(str(trained.folder), settings)
    stored = inference.build_translator(loaded, settings, {}).search
    assert stored == Beam(size=2, max_ratio=1.2, max_extra=3)
    assert inference.build_translator(loaded, settings, {"size": 7}).search == Beam(size=7, max_ratio=1.2, max_extra=3)
    chosen = compose_command("translate", "search=greedy", "search.max_extra=1")["search"]
    assert inference.build_translator(loaded, settings, chosen).search == Greedy(max_extra=1)
    with pytest.raises(ConfigError, match=r"search\.sise .* Did you mean size\?"):
        inference.build_translator(loaded, settings, {"sise": 7})


def test_of_a_long_line_the_beginning_is_translated_and_it_is_said(
    trained: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[int] = []
    monkeypatch.setattr(parts.logger, "warning", lambda text, number, *rest: warned.append(number))
    settings = build(
        TranslateSettings, check(compose_command("translate", f"model={trained.folder}"), TranslateSettings)
    )
    worker = inference.build_translator(inference.load(str(trained.folder), settings), settings, {})
    ids = worker.tokenizers.source.encode([*trained.text.source[:4], "", *trained.text.source[4:]])
    most = 5
    out = translate_sources(trained, tmp_path, f"max_source={most}", "chunk=2")
    assert out == [found.text for found in worker.translate_ids([line[:most] for line in ids])]
    assert warned == [number for number, line in enumerate(ids, 1) if len(line) > most]


@pytest.mark.parametrize("word", ["chunk=0", "max_source=0", "tokens=0", "threads=0", "processes=100000"])
def test_what_is_out_of_range_is_told_with_its_name(word: str) -> None:
    with pytest.raises(ConfigError, match=word.split("=")[0]):
        run_task(compose_command("translate", "model=none", word))


def test_an_output_appears_only_when_it_is_whole(trained: TrainedRun, tmp_path: Path) -> None:
    source, out = tmp_path / "bad.txt", write_lines(tmp_path / "out.txt", "from before")
    source.write_bytes(b"good\n" * 3 + b"\xff\n")
    with pytest.raises(DataError, match="line 4"):
        run_task(compose_command("translate", f"model={trained.folder}", f"input={source}", f"output={out}", "chunk=1"))
    assert read_lines(out) == ["from before"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.txt", "out.txt"]


def test_what_is_no_regular_file_is_written_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with open_writer(str(pipe)) as put:
        put(["one", "two"])
        assert os.read(reader, 100) == b"one\ntwo\n"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    for impossible in (tmp_path, tmp_path / "none" / "out.txt"):
        with pytest.raises(DataError, match="cannot be written"), open_writer(str(impossible)):
            pass


@given(found=lists(text(max_size=5), max_size=90), most=integers(1, 70))
def test_chunks_are_the_lines_in_their_order(found: list[str], most: int) -> None:
    parts = list(split_chunks(found, most))
    assert [line for part in parts for line in part] == found
    assert all(0 < len(part) <= most for part in parts)


def test_chunks_come_soon_and_bound_memory() -> None:
    endless = (str(number) for number in iter(int, 1))
    assert [len(part) for part in islice(split_chunks(endless, 100), 4)] == [FIRST_CHUNK, 2 * FIRST_CHUNK, 100, 100]
    wide = "x" * (CHUNK_CHARACTERS // 2)
    assert [len(part) for part in split_chunks([wide] * 5, 100)] == [2, 2, 1]


def test_a_file_is_not_translated_over_itself(trained: TrainedRun, tmp_path: Path) -> None:
    text = write_lines(tmp_path / "in.txt", *trained.text.source[:2])
    (tmp_path / "link.txt").symlink_to(text)
    before = text.read_bytes()
    with pytest.raises(ConfigError, match="input and output are one file"):
        run_task(
            compose_command("translate", f"model={trained.folder}", f"input={text}", f"output={tmp_path / 'link.txt'}")
        )
    assert text.read_bytes() == before


def test_a_reader_that_goes_away_hears_nothing_more(trained: TrainedRun, tmp_path: Path) -> None:
    text = write_lines(tmp_path / "in.txt", *trained.text.source[:2])
    reader, writer = os.pipe()
    os.close(reader)  # as `head` does once it has its lines
    with os.fdopen(writer, "wb") as output, text.open("rb") as given:
        done = subprocess.run(
            build_command_line("translate", f"model={trained.folder}"),
            stdin=given,
            stdout=output,
            stderr=subprocess.PIPE,
            env=build_environment(),
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")
