"""A job of a comparison that fails says why in a log of its own, and stops no other."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from nmt.cli import compare
from nmt.comparison import local
from tests import tiny_runs
from tests.commands import CRASHING_TRAIN


def test_a_failed_job_leaves_its_traceback_and_a_mark_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "python"
    script.write_text(f"#!{sys.executable}\n{CRASHING_TRAIN.format(noted=str(tmp_path / 'noted'))}")
    script.chmod(0o755)
    monkeypatch.setattr(local.sys, "executable", str(script))
    output = tmp_path / "all"
    settings = {"output": str(output), "seeds": 1, "baseline": None, "jobs": 1}
    with pytest.raises(SystemExit) as left:
        compare.run_task(settings, [*tiny_runs.BASE_OVERRIDES, "attention=bahdanau,luong_general"], "nmt-compare")
    assert left.value.code == compare.FAILED_RUNS_STATUS != 0
    failed = output / "attention=bahdanau" / "seed-1"
    log = (failed / "job.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert "in buried" in log
    marked = (failed / "FAILED").read_text()
    assert marked.startswith("RuntimeError: the model fell over\nexit status 1 of ")
    assert "attention=bahdanau" in marked
    assert "attention=luong_general" in (tmp_path / "noted").read_text(), "the other job was not run"
    shown = capsys.readouterr()
    assert "attention=bahdanau seed 1: FAILED: RuntimeError: the model fell over" in shown.err
    assert "RuntimeError: the model fell over" in shown.out
    assert "RuntimeError: the model fell over" in (output / "comparison.txt").read_text()


STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def test_a_second_interrupt_ends_jobs_that_take_their_time(tmp_path: Path) -> None:
    crew, status = local.ProcessGroup(), []
    waiting = threading.Thread(
        target=lambda: status.append(crew.run([sys.executable, "-c", STUBBORN], tmp_path / "log"))
    )
    waiting.start()
    while not (tmp_path / "log").exists() or not (tmp_path / "log").read_text():
        time.sleep(0.02)
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
        assert waiting.is_alive()
        crew.stop(number, None)
    waiting.join()
    assert (crew.signal_number, status) == (signal.SIGTERM, [-signal.SIGKILL])


@pytest.mark.slow
def test_a_real_crash_in_one_job_leaves_the_other_its_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'attention=bahdanau' in sys.orig_argv:\n"
        "    import nmt.training.loop as loop\n"
        "    def buried(*arguments): raise RuntimeError('the model fell over')\n"
        "    loop.Loop._step = buried\n"
    )
    monkeypatch.setitem(os.environ, "PYTHONPATH", str(hook))
    output = tmp_path / "all"
    overrides = [
        *tiny_runs.BASE_OVERRIDES,
        "threads=1",
        f"cache={tmp_path / 'cache'}",
        "attention=luong_general,bahdanau",
    ]
    with pytest.raises(SystemExit) as left:
        compare.run_task({"output": str(output), "seeds": 1, "baseline": None, "jobs": 1}, overrides, "nmt-compare")
    assert left.value.code == compare.FAILED_RUNS_STATUS
    assert (output / "attention=luong_general/seed-1/scores.json").exists()
    log = (output / "attention=bahdanau/seed-1/job.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert "in buried" in log
    assert "FAILED: attention=bahdanau seed 1" in capsys.readouterr().out
