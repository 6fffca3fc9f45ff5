"""How far a comparison is: which step its runs are at, and how long it will take, on stderr while they run."""

import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from tqdm import tqdm

from nmt.comparison.plan import Job
from nmt.comparison.results import LOG_FILE
from nmt.printable import escape_controls, print_text
from nmt.progress import is_notebook, make_bar
from nmt.runs.run_folder import SCORES
from nmt.training.metrics_logger import METRICS, parse_row

TAIL_BYTES = 2**15
"""Bytes from the end of a file that are read: many rows of training, and some validations."""

PERCENT_PATTERN = re.compile(r"step \d+ (?:training )?loss .*\((\d+) %")
"""How far a run is, in the lines of its log."""

REFRESH_SECONDS = 1.0
"""Seconds between two pictures of the bar."""

FIRST_LINE_SECONDS, MAX_LINE_SECONDS = 10.0, 60.0
"""Seconds until the first line where no bar can be drawn, and between two lines later; gaps double in between."""


class RunProgress(NamedTuple):
    """What the newest rows of a run say: of training, and of validation, either empty; and how much of it is done."""

    train: dict[str, Any]
    validation: dict[str, Any]
    fraction_done: float

    @property
    def total_seconds(self) -> float | None:
        """How long the run takes in all, as far as is known: its time so far by the share that is done."""
        minutes = self.train.get("minutes", 0.0)
        return 60 * minutes / self.fraction_done if self.fraction_done > 0 and minutes > 0 else None


def read_run_progress(job: Job) -> RunProgress:
    """Where a run is, which may be writing at this moment. What is not there yet, or not yet whole, is left out."""
    newest: dict[str, dict[str, Any]] = {}
    for line in reversed(read_tail(job.folder / METRICS)):
        if (row := parse_row(line.encode())) is not None:
            newest.setdefault(row["kind"], row)
    train, validation = newest.get("train", {}), newest.get("validation", {})
    latest = max((train, validation), key=lambda row: row.get("step", 0))
    stop = job.settings["training"]["stop"]
    fractions = [latest.get("step", 0) / stop["steps"]] if stop["steps"] else []
    fractions += [latest.get("minutes", 0.0) / stop["minutes"]] if stop["minutes"] else []
    # How many steps an epoch has is known to the run alone, which says in its log how far it is.
    percents = (
        [found for line in read_tail(job.folder / LOG_FILE) if (found := PERCENT_PATTERN.search(line))]
        if stop["epochs"]
        else []
    )
    fractions += [int(percents[-1][1]) / 100] if percents else []
    return RunProgress(train, validation, min(1.0, max(fractions, default=0.0)))


def read_tail(path: Path) -> list[str]:
    """The last lines of a file, the first of which may be cut; none of one that is not there."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return []


class ComparisonProgress:
    """Keeps count of the runs of a comparison and shows them: a bar where it can be redrawn, else a line now and then.

    `begin` and `end` are called for each run that is not finished before; both may be called from several threads.
    """

    def __init__(self, jobs: Sequence[Job], *, at_once: int) -> None:
        self.jobs = list(jobs)
        self.at_once = at_once
        self.running_jobs: dict[Path, tuple[Job, float]] = {}
        self.ended_folders: set[Path] = set()
        self.durations: dict[str, list[float]] = {}
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._gap = FIRST_LINE_SECONDS
        self._next = self._started + FIRST_LINE_SECONDS
        self._bar = make_bar(
            total=float(len(self.jobs)),
            disable=None if can_redraw() else True,
            bar_format="{desc} {percentage:3.0f}%|{bar:20}| {elapsed} gone{postfix}",
            desc="comparing",
            leave=False,
            dynamic_ncols=True,
        )

    def begin(self, job: Job) -> None:
        """A run starts now, if it has not before."""
        with self._lock:
            self.running_jobs.setdefault(job.folder, (job, time.monotonic()))

    def end(self, job: Job) -> None:
        """A run has ended, or had before; one with scores tells how long others of its variant will take."""
        with self._lock:
            self.ended_folders.add(job.folder)
            begun = self.running_jobs.pop(job.folder, None)
            if begun is not None and (job.folder / SCORES).exists():
                self.durations.setdefault(job.variant, []).append(time.monotonic() - begun[1])

    def show(self) -> None:
        """Draws the bar anew, or prints a line if it is time for one."""
        now = time.monotonic()
        if not self._bar.disable:
            done, text = self.describe()
            self._bar.n = done
            self._bar.set_postfix_str(escape_controls(text), refresh=False)
            self._bar.refresh()
        elif now >= self._next and self.running_jobs:
            self._gap = min(2 * self._gap, MAX_LINE_SECONDS)
            self._next = now + self._gap
            print_text(self.describe()[1], "stderr")

    def describe(self) -> tuple[float, str]:
        """How many runs' worth is done, and all for a person."""
        with self._lock:
            running = dict(self.running_jobs)
            ended = len(self.ended_folders)
        readings = {folder: read_run_progress(job) for folder, (job, _) in running.items()}
        done = sum((reading.fraction_done for reading in readings.values()), float(ended))
        left = self.estimate_seconds_left(readings)
        parts = [f"{ended} of {len(self.jobs)} runs done", f"{format_time(left)} left"]
        return done, "; ".join(
            [*parts, *(describe_run(running[folder][0], found) for folder, found in readings.items())]
        )

    def estimate_seconds_left(self, readings: Mapping[Path, RunProgress]) -> float | None:
        """An estimate for all runs, from those that ended and those that run; None where nothing is known yet.

        A run that waits takes as long as others of its variant, or else as the mean of all that are known.
        """
        with self._lock:
            known = {variant: fmean(found) for variant, found in self.durations.items()}
            begun = {folder: started for folder, (_, started) in self.running_jobs.items()}
            waiting = [job for job in self.jobs if job.folder not in self.ended_folders]
        for job in waiting:
            if job.folder in readings and (seconds := readings[job.folder].total_seconds) is not None:
                known.setdefault(job.variant, seconds)
        if not known:
            return None
        mean_seconds, now, left = fmean(known.values()), time.monotonic(), []
        for job in waiting:
            reading, seconds = readings.get(job.folder), known.get(job.variant, mean_seconds)
            if reading is not None and reading.total_seconds is not None:
                seconds = (1 - reading.fraction_done) * reading.total_seconds
            elif job.folder in begun:
                seconds = max(0.0, seconds - (now - begun[job.folder]))
            left.append(seconds)
        return max(sum(left) / self.at_once, max(left, default=0.0))

    def close(self) -> None:
        """Takes the bar away."""
        self._bar.close()

    @contextmanager
    def run_display(self) -> Iterator["ComparisonProgress"]:
        """Shows it from another thread until the block ends."""
        stop_event = threading.Event()

        def repeat() -> None:
            while not stop_event.wait(REFRESH_SECONDS):
                self.show()

        thread = threading.Thread(target=repeat, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            stop_event.set()
            thread.join()
            self.close()


def can_redraw() -> bool:
    """Whether there is a notebook, or a terminal at stderr, that can redraw a line; one without columns cannot."""
    try:
        return is_notebook() or (sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0)
    except (OSError, ValueError):
        return False


def describe_run(job: Job, reading: RunProgress) -> str:
    """Where a run is: its step, the loss of training, and BLEU of its last validation."""
    name = f"{job.variant} seed {job.seed}"
    if not reading.train:
        return f"{name} reads its data"
    stop = job.settings["training"]["stop"]
    of = f"/{stop['steps']}" if stop["steps"] else ""
    parts = [f"{name} step {reading.train['step']}{of}"]
    if not stop["steps"] and stop["epochs"]:
        parts.append(f"epoch {reading.train['epoch']}/{stop['epochs']}")
    if "loss" in reading.train:
        parts.append(f"training loss {reading.train['loss']:.3f}")
    if "bleu" in reading.validation:
        parts.append(f"BLEU {reading.validation['bleu']:.2f} at step {reading.validation['step']}")
    return ", ".join(parts)


def format_time(seconds: float | None) -> str:
    """A duration for a person: `03:20`, or `1:03:20`; `?` where it is not known."""
    return "?" if seconds is None else str(tqdm.format_interval(seconds))
