"""What happens in the processes that the tests start, stop and kill. Imported by them beforehand, so it is heavy."""

import importlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch

from nmt.cli import train
from nmt.runs import training_run
from nmt.storage.checkpoints import Checkpoints
from nmt.storage.files import TEMPORARY_PREFIX
from nmt.training.interruption import Interruption
from nmt.training.loop import Loop
from tests.commands import compose_command
from tests.config_memory import remember_configs
from tests.synthetic_light import lighten
from tests.trust.disk import Disk

for module in ("torch._dynamo", "matplotlib.backends.backend_pdf", "sacrebleu.metrics", "sacremoses"):
    importlib.import_module(module)  # a run would do that, which takes as long as all else that it does here
remember_configs()
compose_command("train")  # so that no process parses the files of configs again


class Blow(NamedTuple):
    """A signal that a process sends itself around the `call`-th call of a function, the first being 1."""

    function: str
    """Where it is looked up: `nmt.training.loop:Loop.validate`."""
    call: int
    signal: int
    after: bool = False
    again: int = 0
    """A second signal, at the call after that."""


class Kill(NamedTuple):
    """SIGKILL at the `call`-th change on disk below the run folder, the first being 0; `only` at paths with this in."""

    call: int
    only: str = ""
    torn: bool = False
    """A write is then half done."""


BROKEN_PROMISES: dict[str, Callable[[], None]] = {
    "tidy": lambda: setattr(Checkpoints, "recover", lambda checkpoints: None),
    "heed": lambda: setattr(Interruption, "raise_if_interrupted", lambda interruption: None),
    "lock": lambda: setattr(training_run, "lock", nullcontext),
    "save": lambda: setattr(
        training_run.TrainingRun, "make_checkpoint_writer", lambda run, more=None: lambda report: None
    ),
}
"""The program without one of its promises, for tests of the tests."""


def run_command(
    words: list[str],
    folder: str,
    blow: Blow | None = None,
    kill: Kill | None = None,
    careless: str | None = None,
    room: int | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """nmt-train with these words, as from a shell in `folder`; what it says goes to said.txt there.

    told.json gets what lies unfinished in the run folder when training begins, and when a blow came. `room`: MiB of
    memory from then on. `variables`: of the environment.
    """
    os.environ.update(variables)
    os.chdir(folder)
    said = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.argv = ["nmt-train", *words]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    lighten(pytest.MonkeyPatch())
    output = Path(next(word for word in words if word.startswith("output=")).removeprefix("output="))
    _record_start(output, room)
    if careless is not None:
        BROKEN_PROMISES[careless]()
    if blow is not None:
        _install_blow(blow)
    if kill is not None:
        Disk(output, _make_strike(kill), only=kill.only).install(pytest.MonkeyPatch())
    train.main()


def _record_start(output: Path, room: int | None) -> None:
    run = Loop.run

    def record_and_run(loop: Loop) -> str:
        _record_facts(
            litter=sorted(str(path) for path in output.rglob(f"{TEMPORARY_PREFIX}*")), step=loop.state.progress.step
        )
        if room is not None:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room * 2**20, -1))
        return run(loop)

    Loop.run = record_and_run  # type: ignore[method-assign]


def _install_blow(blow: Blow) -> None:
    module, _, path = blow.function.partition(":")
    *above, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in above:
        owner = getattr(owner, part)
    real = getattr(owner, name)
    calls = 0

    def strike_around(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        number = {blow.call: blow.signal, blow.call + 1: blow.again}.get(calls, 0)
        if number and not blow.after:
            _strike(number)
        found = real(*arguments, **more)
        if number and blow.after:
            _strike(number)
        return found

    setattr(owner, name, strike_around)


def _strike(number: int) -> None:
    _record_facts(struck=number, at=time.monotonic(), cpu=time.process_time())
    os.kill(os.getpid(), number)


def _make_strike(kill: Kill) -> Any:
    def strike(call: int, disk: Disk) -> None:
        if call == kill.call:
            _record_facts(killed=disk.calls[-1])
            if kill.torn:
                disk.tear()
            os.kill(os.getpid(), signal.SIGKILL)

    return strike


def _record_facts(**facts: Any) -> None:
    with os.fdopen(os.open("told.json", os.O_WRONLY | os.O_CREAT | os.O_APPEND), "wb") as file:
        file.write((json.dumps(facts) + "\n").encode())
