"""Runs of nmt-train as processes of their own: what happens to one happens to no other, nor to the comparison."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import nmt
from nmt.cli.results import FAILED, LOG, measured
from nmt.cli.sweep import Job
from nmt.training import run_folder

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


class Crew:
    """The processes at work, and the signal that ended the work, if one came."""

    def __init__(self) -> None:
        self.children: list[subprocess.Popen[bytes]] = []
        self.caught: int = 0

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Passes on that work is to end, so that each run saves a checkpoint; a second SIGINT ends them at once."""
        at_once = self.caught and number == signal.SIGINT
        self.caught = self.caught or number
        for child in list(self.children):
            child.send_signal(signal.SIGKILL if at_once else signal.SIGTERM)

    def run(self, command: Sequence[str], log: Path) -> int:
        """Runs a command with its output in `log`; returns its exit status.

        It has a process group of its own, so that Ctrl-C in a terminal reaches it through `stop`, once.
        """
        root = str(Path(nmt.__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        with log.open("wb") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": path},
                process_group=0,
            )
            self.children.append(child)
            if self.caught:  # it came while the process was being made
                child.send_signal(signal.SIGTERM)
            status = child.wait()
            self.children.remove(child)
        return status


def work(jobs: Sequence[Job], *, at_once: int) -> int:
    """Runs all that is not finished, `at_once` at a time; returns the signal that ended it, 0 if none did."""
    crew = Crew()
    with signals(crew), ThreadPoolExecutor(at_once) as pool:
        # Signal handlers run in the main thread, which waits here; the processes are waited for in the others.
        list(pool.map(lambda numbered: one(crew, numbered[1], f"[{numbered[0]}/{len(jobs)}]"), enumerate(jobs, 1)))
    return crew.caught


@contextmanager
def signals(crew: Crew) -> Iterator[None]:
    """Inside, what would end the command ends the runs first; what the command was told to ignore stays ignored."""
    heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, crew.stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def one(crew: Crew, job: Job, number: str) -> None:
    """One run, unless it is finished or all is to end; says what became of it."""
    name = f"{number} {job.variant} seed {job.seed}:"
    if crew.caught:
        return
    if run_folder.finished(job.folder, job.settings):
        say(f"{name} finished before")
        return
    say(f"{name} training, with its log in {job.folder / LOG}")
    job.folder.mkdir(parents=True, exist_ok=True)
    (job.folder / FAILED).unlink(missing_ok=True)
    # -P: what lies in the current directory must not hide modules of the same name.
    command = [sys.executable, "-P", "-m", "nmt.cli.train", *job.overrides]
    status = crew.run(command, job.folder / LOG)
    if crew.caught:
        return
    if not run_folder.finished(job.folder, job.settings):
        (job.folder / FAILED).write_text(f"{told(job.folder / LOG)}\nexit status {status} of {shlex.join(command)}\n")
        say(f"{name} FAILED: {told(job.folder / LOG)}")
        return
    values = measured(job.folder).values
    say(f"{name} BLEU {values['BLEU']:.2f} after {values['minutes']:.1f} minutes")


def told(log: Path) -> str:
    """The last thing that a log says."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


def say(line: str) -> None:
    """To stderr, at once; stdout is for the table."""
    print(line, file=sys.stderr, flush=True)
