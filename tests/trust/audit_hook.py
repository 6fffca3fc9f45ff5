"""Runs nmt-translate on model folders, each in a process of its own that tells all it did: `python audit_hook.py GOOD`.

Every line of standard input is a case: a folder, or the name of one of CONTROLS. Every line of standard output is what
became of it, as JSON: see `Seen`. The processes are forked from one that has used a GOOD folder, so that whatever they
import, compile or run is the case's doing, and so that the time and memory of importing torch are not counted.
"""

import contextlib
import importlib
import io
import json
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.config_memory import remember_configs

IGNORED_EVENTS = {"builtins.id", "object.__getattr__"}
"""Audit events of looking at Python's own objects."""

TIMEOUT_SECONDS = 120
"""After so long a case hangs."""

start_time = 0.0
events: list[list[str]] = []
is_watching = False


def record_event(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook (PEP 578)."""
    if is_watching and event not in IGNORED_EVENTS:
        events.append([event, *(str(argument) for argument in arguments[:1])])


def translate(folder: str) -> None:
    """The command from its words to its end, with no lines to translate."""
    from nmt.cli import translate

    sys.argv = ["nmt-translate", f"model={folder}", "input=/dev/null"]
    translate.main()


class PickleTrap:
    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("1 + 1",)


def connect() -> None:
    with socket.socket() as opened, contextlib.suppress(OSError):
        opened.connect(("127.0.0.1", 9))


def leak(folder: str) -> None:
    raise SystemExit(os.environ[folder])


def linger(seconds: float) -> None:
    while time.process_time() - start_time < seconds:
        pass


CONTROLS: dict[str, Callable[[], object]] = {
    "opens": lambda: Path("/etc/passwd").read_bytes(),
    "environment": lambda: leak("HOME"),
    "unpickles": lambda: pickle.loads(pickle.dumps(PickleTrap())),
    "executes": lambda: exec("1 + 1"),
    "imports": lambda: importlib.import_module("__phello__"),
    "starts": lambda: subprocess.run(["true"], check=True),
    "connects": connect,
    "lingers": lambda: linger(0.3),
    "takes": lambda: bytearray(b"1") * (128 * 2**20),
    "dies": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "breaks": lambda: 1 // 0,
}
"""What no folder may bring about."""


def run_case(case: str, answer: int) -> None:
    """Runs one case and writes what was seen."""
    global start_time, is_watching
    variables: list[str] = []
    get = type(os.environ).__getitem__

    def record_lookup(environment: Any, key: str) -> str:
        variables.append(str(key))
        return get(environment, key)  # type: ignore[no-any-return]

    type(os.environ).__getitem__ = record_lookup  # type: ignore[method-assign,assignment]
    signal.alarm(TIMEOUT_SECONDS)
    status, said = 0, tempfile.TemporaryFile()  # noqa: SIM115 (the process ends with it)
    os.dup2(said.fileno(), 1)
    os.dup2(said.fileno(), 2)
    before, start_time = measure_peak_memory(), time.process_time()
    is_watching = True
    try:
        CONTROLS[case]() if case in CONTROLS else translate(case)
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 1
        print("" if isinstance(left.code, int) else left.code, file=sys.stderr, end="")
    except BaseException as problem:
        status = 1
        print("Traceback", repr(problem), file=sys.stderr)
    is_watching = False
    seconds, mebibytes = time.process_time() - start_time, (measure_peak_memory() - before) / 2**10
    sys.stderr.flush()
    sys.stdout.flush()
    said.seek(0)
    text = said.read().decode("utf-8", "backslashreplace")
    found = {"status": status, "said": text, "seconds": seconds, "mebibytes": mebibytes, "asked": variables}
    with os.fdopen(answer, "w") as writing:
        json.dump({**found, "events": events}, writing)


def measure_peak_memory() -> int:
    """The most memory that this process has held, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run_forked(case: str) -> str:
    """What became of a case, as a line of JSON; only how it ended if it did not come to its end."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            run_case(case, writing)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        found = answer.read()
    _, ended = os.waitpid(process, 0)
    return found.decode() or json.dumps({"status": -ended})


if __name__ == "__main__":
    remember_configs()
    sys.addaudithook(record_event)
    good = sys.argv[1]
    translate(good)
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        translate(f"{good}/none")  # messages have their imports too
    for line in sys.stdin:
        print(run_forked(line.removesuffix("\n")), flush=True)
