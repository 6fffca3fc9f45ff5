"""Commands as processes of their own, and the signals that end them. Imports little, for the nodes of a cluster."""

import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import nmt

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

SIGNAL_NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")
SIGNALS = tuple(getattr(signal, name) for name in SIGNAL_NAMES if hasattr(signal, name))
"""Windows has the first two alone."""

KILL_SIGNAL = getattr(signal, "SIGKILL", signal.SIGTERM)
"""What ends a process at once: on Windows SIGTERM does."""


WARNING_VARIABLE = "SUBMITIT_PREEMPT_SIGNAL"
"""The environment variable by which submitit names the signal of its warning."""

PARENT_PIPE = "NMT_PARENT_PIPE"
"""The environment variable that names the end of a pipe at which a child sees that its parent is gone."""


@runtime_checkable
class Stoppable(Protocol):
    """What a signal is passed on to."""

    def stop(self, number: int, frame: FrameType | None) -> None: ...


class ProcessGroup:
    """The processes at work, and the signal that ended the work, if one came."""

    def __init__(self) -> None:
        self.children: list[subprocess.Popen[bytes]] = []
        self.signal_number: int = 0

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Passes on that work is to end, so that each run saves a checkpoint; a second SIGINT ends them at once."""
        at_once = self.signal_number and number == signal.SIGINT
        self.signal_number = self.signal_number or number
        for child in list(self.children):
            child.send_signal(KILL_SIGNAL if at_once else signal.SIGTERM)

    def run(self, command: Sequence[str], log: Path) -> int:
        """Runs a command with its output in `log`; returns its exit status.

        It has a process group of its own, so that Ctrl-C in a terminal reaches it through `stop`, once. Where this
        process ends without a word, as by SIGKILL, the child sees it if it calls `end_with_parent`.
        """
        with log.open("wb") as output, open_pipe() as reading:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": build_module_path(), PARENT_PIPE: str(reading)},
                process_group=None if os.name == "nt" else 0,
                pass_fds=() if os.name == "nt" else (reading,),
            )
            self.children.append(child)
            if self.signal_number:  # it came while the process was being made
                child.send_signal(signal.SIGTERM)
            status = child.wait()
            self.children.remove(child)
        return status


class Command:
    """A command that submitit can carry to another machine, and start again where time or place ran out.

    It is words and the name of a file, so that what submitit stores of it is no more than those.
    """

    def __init__(self, words: Sequence[str], log: Path) -> None:
        self.words = list(words)
        self.log = log
        self.group = ProcessGroup()

    def __call__(self) -> None:
        """Runs it to its end, passing on what a cluster sends to cancel it. Raises CalledProcessError if it fails."""
        with forward_signals(self.group, (signal.SIGINT, signal.SIGTERM)), ThreadPoolExecutor(1) as pool:
            status = pool.submit(self.run).result()
        if status:
            raise subprocess.CalledProcessError(status, self.words)

    def run(self) -> int:
        """Runs it, in a thread of its own, with the cluster's warning blocked; returns its exit status.

        SLURM sends the warning that time is over to every process of a job, and one that has no handler for it ends at
        once, without a checkpoint. A process inherits what the thread that starts it has blocked.
        """
        name = f"SIG{os.environ.get(WARNING_VARIABLE, 'USR2')}"
        if hasattr(signal, "pthread_sigmask") and hasattr(signal, name):
            signal.pthread_sigmask(signal.SIG_BLOCK, {getattr(signal, name)})
        return self.group.run(self.words, self.log)

    def checkpoint(self) -> "DelayedSubmission":
        """Has it save what it has, and returns what is to be run next: the same, which then goes on from there.

        submitit calls this in a signal handler shortly before the time of a job is over, or its place is needed.
        """
        from submitit.helpers import DelayedSubmission

        self.group.stop(signal.SIGTERM, None)
        while self.group.children:  # a thread waits for them; a handler that did so too could wait for itself
            time.sleep(0.05)
        return DelayedSubmission(Command(self.words, self.log))


@contextmanager
def open_pipe() -> Iterator[int]:
    """The reading end of a pipe that is closed at the end of the block, or of this process: nobody else can write."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def end_with_parent() -> None:
    """Sends this process SIGTERM when the `ProcessGroup` that started it is gone; does nothing without such a parent.

    A thread waits at the parent's pipe, which the kernel closes however the parent ends.
    """
    try:
        reading = int(os.environ.pop(PARENT_PIPE))
        os.set_inheritable(reading, False)
        if not stat.S_ISFIFO(os.fstat(reading).st_mode):
            return
    except (KeyError, ValueError, OSError):
        return

    def wait() -> None:
        with suppress(OSError):
            while os.read(reading, 1):
                pass
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()


@contextmanager
def forward_signals(receiver: Stoppable, numbers: Sequence[signal.Signals] = SIGNALS) -> Iterator[None]:
    """Inside, what would end the command ends the runs first; what the command was told to ignore stays ignored.

    Handlers belong to the main thread: in another one nothing changes.
    """
    can_handle = threading.current_thread() is threading.main_thread()
    handled = [number for number in numbers if can_handle and signal.getsignal(number) != signal.SIG_IGN]
    handlers = {number: signal.signal(number, receiver.stop) for number in handled}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def build_module_path() -> str:
    """PYTHONPATH with which other processes import this very package."""
    root = str(Path(nmt.__file__).resolve().parents[1])
    return os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
