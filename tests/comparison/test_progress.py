"""How far a comparison is: read from what runs write, told in lines where no bar can be drawn, and estimated."""

import io
import json
import os
import pty
import struct
import sys
import termios
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest

from nmt.comparison import local, progress
from nmt.comparison.plan import Job
from nmt.comparison.progress import ComparisonProgress, RunProgress, can_redraw, read_run_progress, read_tail


def make_job(folder: Path, variant: str = "a", seed: int = 1, **stop: Any) -> Job:
    place = folder / variant / f"seed-{seed}"
    place.mkdir(parents=True)
    limits = {"steps": None, "epochs": None, "minutes": None, "patience": None, **stop}
    return Job(variant, seed, place, {"training": {"stop": limits}}, [])


def write_metrics(job: Job, *rows: dict[str, Any], cut: str = "") -> None:
    (job.folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + cut)


def make_train_row(step: int, **more: float) -> dict[str, Any]:
    return {"kind": "train", "step": step, "epoch": 1, "loss": 9.0 / step, "minutes": step / 10, **more}


def test_the_newest_rows_are_read_whatever_is_being_written(tmp_path: Path) -> None:
    one = make_job(tmp_path, steps=40)
    assert read_run_progress(one) == RunProgress({}, {}, 0.0)
    validation = {"kind": "validation", "step": 8, "epoch": 1, "bleu": 3.0, "minutes": 0.8}
    write_metrics(one, make_train_row(4), validation, make_train_row(10), cut='{"kind": "train", "st')
    assert read_run_progress(one) == RunProgress(make_train_row(10), validation, 0.25)


def test_of_a_long_file_only_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = make_job(tmp_path, steps=1000)
    write_metrics(one, *(make_train_row(step) for step in range(1, 500)))
    monkeypatch.setattr(progress, "TAIL_BYTES", 300)
    assert len(read_tail(one.folder / "metrics.jsonl")) < 5
    assert read_run_progress(one).train == make_train_row(499)


def test_the_nearest_limit_says_how_much_is_done(tmp_path: Path) -> None:
    one = make_job(tmp_path, steps=100, minutes=4.0)
    write_metrics(one, make_train_row(20))
    assert read_run_progress(one).fraction_done == 0.5  # 2 of 4 minutes
    assert read_run_progress(one).total_seconds == pytest.approx(4 * 60)
    other = make_job(tmp_path, "b", epochs=10)
    write_metrics(other, make_train_row(20))
    assert read_run_progress(other).fraction_done == 0.0  # it alone knows how long an epoch is
    (other.folder / "job.log").write_text(
        "epoch 1 step 20 training loss 0.450 900 target tokens/s  (5 %, 38.0 min left)\nmore\n"
    )
    assert read_run_progress(other).fraction_done == 0.05


def test_what_is_left_is_estimated_from_runs_that_ended_and_those_that_run(tmp_path: Path) -> None:
    first, second, third, fourth = (make_job(tmp_path, name, seed, steps=40) for seed in (1, 2) for name in "ab")
    shown = ComparisonProgress([first, second, third, fourth], at_once=1)
    assert shown.estimate_seconds_left({}) is None
    assert "? left" in shown.describe()[1]
    (first.folder / "scores.json").write_text("{}")
    shown.begin(first)
    shown.end(first)
    shown.durations = {"a": [100.0]}  # as if it had taken so long
    write_metrics(second, make_train_row(10))  # a quarter in one minute, so three more, and four for its second seed
    shown.begin(second)
    assert shown.estimate_seconds_left({second.folder: read_run_progress(second)}) == pytest.approx(
        3 * 60 + 100 + 4 * 60
    )
    done, told = shown.describe()
    assert done == 1.25
    assert told.startswith("1 of 4 runs done; 08:40 left; b seed 1 step 10/40, training loss 0.900")
    together = ComparisonProgress([first, second, third, fourth], at_once=2)
    together.durations = shown.durations
    assert together.estimate_seconds_left({}) == pytest.approx(200)


def test_a_run_that_failed_at_once_does_not_tell_how_long_others_take(tmp_path: Path) -> None:
    one = make_job(tmp_path, steps=4)
    shown = ComparisonProgress([one], at_once=1)
    shown.begin(one)
    shown.end(one)
    assert shown.durations == {}
    assert shown.describe() == (1.0, "1 of 1 runs done; ? left")


def test_where_no_bar_can_be_drawn_lines_come_more_and_more_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, clock = make_job(tmp_path, steps=4), [0.0]
    write_metrics(one, make_train_row(1))
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    shown = ComparisonProgress([one], at_once=1)
    shown.begin(one)
    times = []
    for second in range(600):
        clock[0] = float(second)
        shown.show()
        if line := capsys.readouterr().err:
            assert line.startswith("0 of 1 runs done; 00:18 left; a seed 1 step 1/4, training loss 9.000\n")
            times.append(second)
    gaps = [later - earlier for earlier, later in zip([0, *times], times, strict=False)]
    assert gaps[:4] == [10, 20, 40, 60]
    assert set(gaps[4:]) == {60}


@pytest.mark.parametrize(("columns", "expected"), [(0, False), (80, True)])
def test_a_terminal_without_columns_gets_lines(monkeypatch: pytest.MonkeyPatch, columns: int, expected: bool) -> None:
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert can_redraw() is expected
    os.close(ours)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not can_redraw()


def read_all(terminal: int) -> str:
    """What was written to a terminal, whose other end is closed."""
    found = b""
    with suppress(OSError):  # how Linux says that there is no more
        while more := os.read(terminal, 10_000):
            found += more
    os.close(terminal)
    return found.decode()


def test_a_terminal_shows_the_bar_and_what_is_said_stands_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make_job(tmp_path, steps=4)
    write_metrics(one, make_train_row(2))
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 150, 0, 0))
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        shown = ComparisonProgress([one], at_once=1)
        shown.begin(one)
        shown.show()
        local.log_line("[1/1] a seed 1: BLEU 3.00")
        shown.close()
    told = read_all(ours)
    assert " 50%|" in told
    assert "a seed 1 step 2/4" in told
    assert "\r[1/1] a seed 1: BLEU 3.00\r\n" in told.replace("\r ", "\r").replace("\x1b[A", "")
