"""Fresh processes without their price: they are forked from one that has imported everything and trained nothing."""

import json
import multiprocessing
import os
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from tests import tiny_runs
from tests.trust.worker import run_command

FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["tests.trust.worker"])


class ProcessResult(NamedTuple):
    """How a process ended: its exit status, the signal that ended it being negative, what it said, CPU time, and when.

    `end_time` is a time of `time.monotonic`, which is the same in all processes.
    """

    status: int
    output: str
    facts: list[dict[str, Any]]
    cpu: float
    end_time: float

    @property
    def shell_status(self) -> int:
        """The exit status as a shell shows it."""
        return 128 - self.status if self.status < 0 else self.status

    def find_fact(self, name: str) -> Any:
        """The last thing of that name that the process told; None if it told none."""
        return next((told[name] for told in reversed(self.facts) if name in told), None)


def build_words(home: Path, name: str, *overrides: str) -> list[str]:
    """The words of a tiny run in `home`; all runs there share prepared data."""
    return [*tiny_runs.BASE_OVERRIDES, *overrides, f"output={home / name}", f"cache={home / 'cache'}", "threads=1"]


def start_process(home: Path, name: str, chosen: list[str], **more: Any) -> BaseProcess:
    """A process at work on nmt-train; `more` goes to `child.command`."""
    place = home / f"{name}.process"
    place.mkdir(parents=True, exist_ok=True)
    for left in place.iterdir():
        left.unlink()
    process = FORKSERVER.Process(target=run_command, args=(chosen, str(place)), kwargs=more)
    process.start()
    return process


def wait_for(home: Path, name: str, process: BaseProcess) -> ProcessResult:
    """What became of it, once it has ended."""
    cpu = [0.0]
    watch = threading.Thread(target=_watch, args=(process.pid, cpu))
    watch.start()
    process.join()
    at = time.monotonic()
    watch.join()
    place = home / f"{name}.process"
    assert process.exitcode is not None
    said, told = (place / "said.txt"), read_facts(home, name)
    return ProcessResult(process.exitcode, said.read_text() if said.exists() else "", told, cpu[0], at)


def read_facts(home: Path, name: str) -> list[dict[str, Any]]:
    """What a process has told so far."""
    told = home / f"{name}.process" / "told.json"
    return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []


def _watch(pid: int | None, cpu: list[float]) -> None:
    """Notes the CPU seconds of a process until it is gone."""
    wait = threading.Event()
    while True:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return
        if fields[0] == "Z":
            return
        cpu[0] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        wait.wait(0.02)


def run_process(home: Path, name: str, chosen: list[str], **more: Any) -> ProcessResult:
    """nmt-train from its start to its end, whichever end that is."""
    return wait_for(home, name, start_process(home, name, chosen, **more))
