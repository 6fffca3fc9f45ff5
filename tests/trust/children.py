"""Fresh processes without their price: they are forked from one that has imported everything and trained nothing."""

import json
import multiprocessing
import os
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from nmt.training.files import load_tensors, read_json
from nmt.training.journal import rows
from tests import tiny
from tests.trust.child import command

NURSERY = multiprocessing.get_context("forkserver")
NURSERY.set_forkserver_preload(["tests.trust.child"])
TIMES = {"minutes", "tokens_per_second", "seconds"}


class Ended(NamedTuple):
    """How a process ended: its exit status, the signal that ended it being negative, what it said, CPU time, and when.

    `at` is a time of `time.monotonic`, which is the same in all processes.
    """

    status: int
    said: str
    told: list[dict[str, Any]]
    cpu: float
    at: float

    @property
    def shown(self) -> int:
        """The exit status as a shell shows it."""
        return 128 - self.status if self.status < 0 else self.status

    def fact(self, name: str) -> Any:
        """The last thing of that name that the process told; None if it told none."""
        return next((told[name] for told in reversed(self.told) if name in told), None)


def words(home: Path, name: str, *overrides: str) -> list[str]:
    """The words of a tiny run in `home`; all runs there share prepared data."""
    return [*tiny.SMALL, *overrides, f"output={home / name}", f"cache={home / 'cache'}", "threads=1"]


def started(home: Path, name: str, chosen: list[str], **more: Any) -> BaseProcess:
    """A process at work on nmt-train; `more` goes to `child.command`."""
    place = home / f"{name}.process"
    place.mkdir(parents=True, exist_ok=True)
    for left in place.iterdir():
        left.unlink()
    process = NURSERY.Process(target=command, args=(chosen, str(place)), kwargs=more)
    process.start()
    return process


def ended(home: Path, name: str, process: BaseProcess) -> Ended:
    """What became of it, once it has ended."""
    cpu = [0.0]
    watch = threading.Thread(target=_watch, args=(process.pid, cpu))
    watch.start()
    process.join()
    at = time.monotonic()
    watch.join()
    place = home / f"{name}.process"
    assert process.exitcode is not None
    said, told = (place / "said.txt"), facts(home, name)
    return Ended(process.exitcode, said.read_text() if said.exists() else "", told, cpu[0], at)


def facts(home: Path, name: str) -> list[dict[str, Any]]:
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


def done(home: Path, name: str, chosen: list[str], **more: Any) -> Ended:
    """nmt-train from its start to its end, whichever end that is."""
    return ended(home, name, started(home, name, chosen, **more))


def left(folder: Path) -> dict[str, Any]:
    """What a run leaves, to the byte, apart from times: the last checkpoint and all metrics, and what they rest on."""
    last = folder / "checkpoints" / "last"
    found: dict[str, Any] = {name: (last / name).read_bytes() for name in ("model.safetensors", "state.safetensors")}
    found["tensors"] = sorted(load_tensors(last / "state.safetensors"))
    found["state.json"] = timeless(read_json(last / "state.json"))
    found["metrics"] = [timeless(row) for row in rows(folder / "metrics.jsonl")]
    found["steps"] = sorted(path.name for path in folder.glob("checkpoints/step-*"))
    found |= {path.name: path.read_bytes() for path in folder.glob("test.*.txt")}
    for path in sorted(folder.glob("checkpoints/step-*/*")):
        if path.name in {"validation.json", "hypotheses.txt"}:
            found[f"{path.parent.name}/{path.name}"] = path.read_bytes()
    return found


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: timeless(below) for key, below in value.items() if key not in TIMES}
    return value


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The names of what differs."""
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
