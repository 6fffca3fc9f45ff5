"""A folder belongs to one run at a time, and to nobody's files but a run's."""

import os
import signal
import time
from pathlib import Path

import pytest

from nmt.cli import compare
from nmt.errors import CheckpointError
from nmt.runs import run_folder, run_log
from nmt.runs.training_run import run
from nmt.storage.run_lock import NAME, lock
from tests import tiny_runs
from tests.trust.worker import Blow
from tests.trust.workers import ProcessResult, build_words, read_facts, run_process, start_process

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def second(home: Path, careless: str | None = None) -> tuple[ProcessResult, int]:
    """What becomes of a run in a folder where another is in the middle of a step, and the process of that one."""
    chosen = build_words(home, "run")
    first = start_process(home, "first", chosen, blow=Blow("nmt.training.loop:Loop._step", 2, signal.SIGSTOP))
    while not any("struck" in told for told in read_facts(home, "first")):
        assert first.is_alive()
        time.sleep(0.02)
    try:
        return run_process(home, "second", chosen, careless=careless), first.pid or 0
    finally:
        first.kill()
        first.join()


def test_a_second_run_is_told_at_once_who_is_busy_and_a_dead_one_is_not(tmp_path: Path) -> None:
    found, pid = second(tmp_path)
    assert found.status == 2
    assert f"{tmp_path / 'run'} is busy: process {pid} on " in found.output
    assert "choose another output=..." in found.output
    assert "Traceback" not in found.output
    assert run_process(tmp_path, "third", build_words(tmp_path, "run")).status == 0
    with pytest.raises(AssertionError):
        assert second(tmp_path, careless="lock")[0].status == 2


def test_a_lock_is_for_one_and_is_given_back(tmp_path: Path) -> None:
    with lock(tmp_path / "run"):
        assert (tmp_path / "run" / NAME).read_text().startswith(f"process {os.getpid()} on ")
        with pytest.raises(CheckpointError, match="is busy"), lock(tmp_path / "run"):
            pass
        with lock(tmp_path / "other"):
            pass
    with lock(tmp_path / "run"):
        pass


def test_where_there_are_no_locks_a_run_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", unsupported)
    with lock(tmp_path):
        assert "cannot be locked" in caplog.text


def test_a_second_comparison_is_told_too(tmp_path: Path) -> None:
    settings = {"output": str(tmp_path), "seeds": 1, "baseline": None, "jobs": 1}
    with lock(tmp_path), pytest.raises(CheckpointError, match="is busy"):
        compare.run_task(settings, [*tiny_runs.BASE_OVERRIDES[:3]], "nmt-compare")


@pytest.mark.parametrize("name", [*run_folder.RUN_FILES])
def test_what_no_run_wrote_is_not_overwritten(name: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / name).write_text('{"seed": 7}\n')
    (mine / "notes.txt").write_text("of no run's concern")
    with pytest.raises(CheckpointError, match=rf"is no run folder, yet holds {name}.*another output"):
        run(tiny_runs.build_settings(mine), mine)
    assert tiny_runs.snapshot(mine) == {name: b'{"seed": 7}\n', "notes.txt": b"of no run's concern"}


def test_a_folder_with_other_files_is_free_and_a_killed_run_is_recognized(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("of no run's concern")
    settings = tiny_runs.build_settings(tmp_path)
    run_folder.check(tmp_path, settings)
    run_folder.initialize(tmp_path, settings, "nmt-train")
    for name in (run_folder.SCORES, run_log.LOG, run_folder.CONFIG):
        (tmp_path / name).write_text("half")
    (tmp_path / name).unlink()
    run_folder.check(tmp_path, settings)
    assert run_folder.is_run_folder(tmp_path)
