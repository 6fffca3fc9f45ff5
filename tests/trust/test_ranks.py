"""Several processes train one model: as one process does, in one run folder, and they end together."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.storage.checkpoints import Checkpoints
from nmt.storage.files import read_json
from nmt.training.metrics_logger import read_rows
from tests import tiny_runs
from tests.commands import build_environment
from tests.run_files import find_differences, read_run_files
from tests.training.fake_training import NO_DROPOUT
from tests.trust.ranks import run_ranks
from tests.trust.test_memory import WIDE
from tests.trust.test_signals import PHASES
from tests.trust.worker import Blow
from tests.trust.workers import build_words, run_process

RHYTHM = ("training.stop.steps=6", "training.validation.every_steps=3", "training.log_every=1")
PROBES = ("probes.sentences=1", "probes.shortest=1", "probes.longest=99")
SAME = (*NO_DROPOUT, "training.accumulate=2", *RHYTHM, *PROBES)
"""A run that draws nothing at random."""
TOLERANCE = 1e-6


def read_numbers(folder: Path) -> dict[tuple[str, int, str], float]:
    """Every number of every row of metrics that is no time."""
    times = {"minutes", "tokens_per_second"}
    return {
        (row["kind"], row["step"], name): value
        for row in read_rows(folder / "metrics.jsonl")
        for name, value in row.items()
        if name not in times | {"kind", "lines"}
    }


def read_outcome(folder: Path) -> dict[str, Any]:
    """What a run found: translations and scores of the test set, and which files it left."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    texts = {path.name: path.read_bytes() for path in folder.glob("test.*.txt")}
    return {"files": files, "scores": read_json(folder / "scores.json")["test"], **texts}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of one process, `one`."""
    home = tmp_path_factory.mktemp("ranks")
    found = run_process(home, "one", build_words(home, "one", *SAME))
    assert found.status == 0, found.output
    return home


def test_two_processes_train_as_one_does_and_one_of_them_speaks(home: Path) -> None:
    first, second = run_ranks(home, "two", build_words(home, "two", *SAME), 2)
    assert (first.status, second.status) == (0, 0), first.output + second.output
    assert read_numbers(home / "two") == pytest.approx(read_numbers(home / "one"), rel=TOLERANCE)
    assert read_outcome(home / "two") == read_outcome(home / "one")
    assert second.output == ""
    assert "2 processes share every step" in first.output
    assert read_json(home / "two" / "run.json")["processes"] == 2


def test_a_signal_to_one_process_saves_and_other_numbers_of_processes_go_on(home: Path) -> None:
    words = build_words(home, "resumed", *SAME)
    blow = Blow("nmt.training.objective:Objective.backward", 4, signal.SIGTERM)
    found = run_ranks(home, "resumed", words, 2, {1: {"blow": blow}})
    assert [each.shell_status for each in found] == [143, 143], found[0].output + found[1].output
    assert "the same command goes on from here" in found[0].output
    newest = Checkpoints(home / "resumed" / "checkpoints", keep_last=1, keep_best=1).find_newest()
    assert newest is not None
    assert newest.name == "step-000003"
    found = run_ranks(home, "resumed", words, 3)
    assert {each.status for each in found} == {0}, "".join(each.output for each in found)
    assert read_numbers(home / "resumed") == pytest.approx(read_numbers(home / "one"), rel=TOLERANCE)
    assert read_outcome(home / "resumed")["scores"] == read_outcome(home / "one")["scores"]


def test_a_process_that_is_killed_ends_the_others(home: Path) -> None:
    blow = Blow("nmt.training.objective:Objective.backward", 4, signal.SIGKILL)
    first, second = run_ranks(home, "killed", build_words(home, "killed", *SAME), 2, {1: {"blow": blow}})
    assert (first.status, second.status) == (2, -signal.SIGKILL), first.output + second.output
    assert "The first message of another process says why" in first.output
    assert "Traceback" not in first.output


# Slow ---------------------------------------------------------------------------------------------------------------

DECODERS = {
    "luong": (),
    "bahdanau": ("model/decoder=bahdanau",),
    "conditional": ("model/decoder=conditional",),
    "transformer": (*tiny_runs.TRANSFORMER, "model.encoder.dropout=0", "model.decoder.dropout=0"),
    "ntm": ("model/decoder=ntm",),
    "snail": (*tiny_runs.SNAIL_DECODER, "model.decoder.dropout=0"),
}
LONG = ("training.stop.steps=200", "training.validation.every_steps=100", "training.log_every=1")


@pytest.mark.slow
@pytest.mark.parametrize("decoder", DECODERS)
def test_two_hundred_steps_of_two_processes_are_those_of_one(decoder: str, tmp_path: Path) -> None:
    chosen = (*SAME, *LONG, *DECODERS[decoder], "optimizer.learning_rate=0.002")
    one = run_process(tmp_path, "one", build_words(tmp_path, "one", *chosen))
    assert one.status == 0, one.output
    two = run_ranks(tmp_path, "two", build_words(tmp_path, "two", *chosen), 2)
    assert {each.status for each in two} == {0}, two[0].output + two[1].output
    wanted, found = (
        {key: value for key, value in read_numbers(tmp_path / name).items() if key[0] == "train" and key[2] == "loss"}
        for name in ("one", "two")
    )
    assert len(found) == 200
    assert found == pytest.approx(wanted, rel=TOLERANCE)


@pytest.mark.slow
def test_a_process_without_memory_ends_all_with_its_own_message(tmp_path: Path) -> None:
    found = run_ranks(tmp_path, "small", build_words(tmp_path, "small", *WIDE), 2, {1: {"room": 100}})
    assert [each.status for each in found] == [2, 2], found[0].output + found[1].output
    assert found[1].output.startswith("nmt-train: process 1:")
    assert "does not fit into memory" in found[1].output
    assert "The first message of another process says why" in found[0].output
    assert abs(found[0].end_time - found[1].end_time) < 60


@pytest.mark.slow
def test_processes_compute_the_same_again_to_the_byte(tmp_path: Path) -> None:
    found = []
    for name in ("first", "second"):
        ranks = run_ranks(tmp_path, name, build_words(tmp_path, name, *tiny_runs.RANDOM_OVERRIDES, *RHYTHM), 3)
        assert {each.status for each in ranks} == {0}, ranks[0].output
        found.append(read_run_files(tmp_path / name))
    assert find_differences(*found) == []


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["searching", "drawing", "saving"])
def test_a_signal_to_one_process_in_any_phase_is_one_to_all(phase: str, tmp_path: Path) -> None:
    """The first process, since four sentences are one batch, which it translates alone."""
    overrides = (*tiny_runs.RANDOM_OVERRIDES, *RHYTHM, "probes.sentences=4", *PROBES[1:])
    whole = run_ranks(tmp_path, "whole", build_words(tmp_path, "whole", *overrides), 2)
    assert {each.status for each in whole} == {0}, whole[0].output
    words = build_words(tmp_path, "struck", *overrides)
    struck = run_ranks(tmp_path, "struck", words, 2, {0: {"blow": Blow(*PHASES[phase], signal.SIGTERM)}})
    assert [each.shell_status for each in struck] == [143, 143], struck[0].output + struck[1].output
    again = run_ranks(tmp_path, "struck", words, 2)
    assert {each.status for each in again} == {0}, again[0].output
    assert find_differences(read_run_files(tmp_path / "struck"), read_run_files(tmp_path / "whole")) == []


def start_torchrun(home: Path, words: list[str], *options: str) -> "subprocess.Popen[str]":
    """Two processes of nmt-train, started by torchrun."""
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", *options]
    said = (home / "torchrun.txt").open("w")
    return subprocess.Popen(
        [*start, "-m", "nmt.cli.train", *words], stdout=said, stderr=said, text=True, env=build_environment()
    )


def find_newest_step(folder: Path) -> int:
    """That of the newest checkpoint; 0 where there is none."""
    return max((int(path.name.removeprefix("step-")) for path in folder.glob("checkpoints/step-*")), default=0)


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 120) -> None:
    """Waits for what must come while a process runs."""
    until = time.monotonic() + seconds
    while not condition() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_a_signal_to_torchrun_saves_a_checkpoint(tmp_path: Path) -> None:
    words = build_words(tmp_path, "run", "training.stop.steps=100000", "training.log_every=1", *RHYTHM[1:2])
    process = start_torchrun(tmp_path, [*words, "training.validation.every_steps=100000"])
    metrics = tmp_path / "run" / "metrics.jsonl"
    wait_until(lambda: len(read_rows(metrics, warn=False)) > 5, process)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    trained = max(row["step"] for row in read_rows(metrics))
    assert find_newest_step(tmp_path / "run") == trained, (tmp_path / "torchrun.txt").read_text()


@pytest.mark.slow
def test_a_process_that_is_killed_twenty_times_costs_at_most_an_interval(tmp_path: Path) -> None:
    kills, every, draw = 20, 4, random.Random(5)
    rhythm = (f"training.validation.every_steps={every}", f"training.stop.steps={every * (kills + 4)}")
    overrides = (*tiny_runs.RANDOM_OVERRIDES, "training.log_every=1", *rhythm)
    whole = start_torchrun(tmp_path, build_words(tmp_path, "whole", *overrides))
    assert whole.wait(200) == 0, (tmp_path / "torchrun.txt").read_text()
    killed = start_torchrun(tmp_path, build_words(tmp_path, "killed", *overrides), f"--max-restarts={kills}")
    done = 0
    for _ in range(kills):
        before = find_newest_step(tmp_path / "killed")
        wait_until(lambda before=before: find_newest_step(tmp_path / "killed") > before, killed)
        if killed.poll() is not None:
            break
        time.sleep(draw.uniform(0, 0.3))
        children = Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()
        os.kill(int(draw.choice(children)), signal.SIGKILL)
        done += 1
    assert killed.wait(200) == 0, (tmp_path / "torchrun.txt").read_text()
    assert done >= kills // 2
    assert find_differences(read_run_files(tmp_path / "killed"), read_run_files(tmp_path / "whole")) == []
