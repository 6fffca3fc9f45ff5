"""Runs of nmt-train as processes of their own: what happens to one happens to no other, nor to the comparison."""

import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from nmt.comparison.plan import Job
from nmt.comparison.processes import ProcessGroup, forward_signals
from nmt.comparison.progress import ComparisonProgress
from nmt.comparison.results import FAILURE_FILE, LOG_FILE, read_run
from nmt.printable import print_text
from nmt.runs import run_folder


class LocalLauncher:
    """The launcher of this machine: processes, `at_once` at a time, each with a log, which signals are passed on to."""

    cpus = None

    def check(self) -> None:
        """Nothing can be missing."""

    def work(self, jobs: Sequence[Job], *, at_once: int) -> int:
        """Runs all that is not finished, `at_once` at a time; returns the signal that ended it, 0 if none did."""
        crew = ProcessGroup()
        with (
            ComparisonProgress(jobs, at_once=at_once).run_display() as progress,
            forward_signals(crew),
            ThreadPoolExecutor(at_once) as pool,
        ):
            # Signal handlers run in the main thread, which waits here; the processes are waited for in the others.
            list(pool.map(lambda numbered: run_job(crew, numbered[0], numbered[1], progress), number_jobs(jobs)))
        return crew.signal_number


def run_job(crew: ProcessGroup, job: Job, name: str, progress: ComparisonProgress | None = None) -> None:
    """One run, unless it is finished or all is to end; says what became of it."""
    tracker = ComparisonProgress([job], at_once=1) if progress is None else progress
    if crew.signal_number:
        return
    if not begin_job(job, name):
        tracker.end(job)
        return
    log_line(f"{name} training, with its log in {job.folder / LOG_FILE}")
    arguments = build_command(job)
    tracker.begin(job)
    status = crew.run(arguments, job.folder / LOG_FILE)
    tracker.end(job)
    if not crew.signal_number:
        end_job(job, name, f"exit status {status} of {shlex.join(arguments)}")


# What every launcher does before and after a run ------------------------------------------------------------------


def number_jobs(jobs: Sequence[Job]) -> list[tuple[Job, str]]:
    """Every run with the beginning of what is said about it."""
    return [(job, f"[{n}/{len(jobs)}] {job.variant} seed {job.seed}:") for n, job in enumerate(jobs, 1)]


def build_command(job: Job) -> list[str]:
    """The command line of a run. -P: what lies in the current directory must not hide modules of the same name."""
    return [sys.executable, "-P", "-m", "nmt.cli.train", *job.overrides]


def begin_job(job: Job, name: str) -> bool:
    """Makes room for a run; False if it is finished, which is said."""
    if run_folder.is_finished(job.folder, job.settings):
        log_line(f"{name} finished before")
        return False
    job.folder.mkdir(parents=True, exist_ok=True)
    for before in (FAILURE_FILE, LOG_FILE):
        (job.folder / before).unlink(missing_ok=True)
    return True


def end_job(job: Job, name: str, outcome: str) -> None:
    """Says what a run came to; one without scores leaves its last words, and the `outcome`, in a file."""
    if not run_folder.is_finished(job.folder, job.settings):
        reason = read_last_log_line(job.folder / LOG_FILE)
        (job.folder / FAILURE_FILE).write_text(f"{reason}\n{outcome}\n", encoding="utf-8")
        log_line(f"{name} FAILED: {reason}")
        return
    values = read_run(job.folder).values
    log_line(f"{name} BLEU {values['BLEU']:.2f} after {values['minutes']:.1f} minutes")


def read_last_log_line(log: Path) -> str:
    """The last thing that a log says."""
    if not log.exists():
        return "it was never begun"
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


def log_line(line: str) -> None:
    """To stderr, at once and above a bar that is shown; stdout is for the table."""
    with tqdm.external_write_mode(file=sys.stderr):
        print_text(line, "stderr")
