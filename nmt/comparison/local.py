"""Runs of nmt-train as processes of their own: what happens to one happens to no other, nor to the comparison."""

import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from nmt.comparison.plan import Job
from nmt.comparison.processes import Crew, signals
from nmt.comparison.progress import Progress
from nmt.comparison.results import FAILED, LOG, measured
from nmt.printable import print_text
from nmt.runs import run_folder


class Local:
    """The launcher of this machine: processes, `at_once` at a time, each with a log, which signals are passed on to."""

    cpus = None

    def check(self) -> None:
        """Nothing can be missing."""

    def work(self, jobs: Sequence[Job], *, at_once: int) -> int:
        """Runs all that is not finished, `at_once` at a time; returns the signal that ended it, 0 if none did."""
        crew = Crew()
        with Progress(jobs, at_once=at_once).shown() as progress, signals(crew), ThreadPoolExecutor(at_once) as pool:
            # Signal handlers run in the main thread, which waits here; the processes are waited for in the others.
            list(pool.map(lambda numbered: one(crew, numbered[0], numbered[1], progress), named(jobs)))
        return crew.caught


def one(crew: Crew, job: Job, name: str, progress: Progress | None = None) -> None:
    """One run, unless it is finished or all is to end; says what became of it."""
    watch = Progress([job], at_once=1) if progress is None else progress
    if crew.caught:
        return
    if not begin(job, name):
        watch.end(job)
        return
    say(f"{name} training, with its log in {job.folder / LOG}")
    words = command(job)
    watch.begin(job)
    status = crew.run(words, job.folder / LOG)
    watch.end(job)
    if not crew.caught:
        end(job, name, f"exit status {status} of {shlex.join(words)}")


# What every launcher does before and after a run ------------------------------------------------------------------


def named(jobs: Sequence[Job]) -> list[tuple[Job, str]]:
    """Every run with the beginning of what is said about it."""
    return [(job, f"[{n}/{len(jobs)}] {job.variant} seed {job.seed}:") for n, job in enumerate(jobs, 1)]


def command(job: Job) -> list[str]:
    """The command line of a run. -P: what lies in the current directory must not hide modules of the same name."""
    return [sys.executable, "-P", "-m", "nmt.cli.train", *job.overrides]


def begin(job: Job, name: str) -> bool:
    """Makes room for a run; False if it is finished, which is said."""
    if run_folder.finished(job.folder, job.settings):
        say(f"{name} finished before")
        return False
    job.folder.mkdir(parents=True, exist_ok=True)
    for before in (FAILED, LOG):
        (job.folder / before).unlink(missing_ok=True)
    return True


def end(job: Job, name: str, how: str) -> None:
    """Says what a run came to; one without scores leaves its last words, and `how` it ended, in a file."""
    if not run_folder.finished(job.folder, job.settings):
        reason = told(job.folder / LOG)
        (job.folder / FAILED).write_text(f"{reason}\n{how}\n", encoding="utf-8")
        say(f"{name} FAILED: {reason}")
        return
    values = measured(job.folder).values
    say(f"{name} BLEU {values['BLEU']:.2f} after {values['minutes']:.1f} minutes")


def told(log: Path) -> str:
    """The last thing that a log says."""
    if not log.exists():
        return "it was never begun"
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


def say(line: str) -> None:
    """To stderr, at once and above a bar that is shown; stdout is for the table."""
    with tqdm.external_write_mode(file=sys.stderr):
        print_text(line, "stderr")
