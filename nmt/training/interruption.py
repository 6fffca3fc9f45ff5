"""Being asked to end: what SIGINT (Ctrl-C), SIGTERM and SIGUSR1 (a scheduler's warning) do to a run."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from torch import nn

from nmt.errors import TrainingInterrupt as TrainingInterrupt
from nmt.ranks import ALONE, Ranks

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""Windows has no SIGUSR1."""


Handler = Callable[[int, FrameType | None], Any] | signal.Handlers
"""What answers a signal."""


class Interruption:
    """The first signal that came inside `defer_signals`: `signal_number` is its number, 0 while there is none.

    A second SIGINT is answered by `second`, which ends the process at once, as the kernel would; other signals may come
    as often as they like, because schedulers and terminals often send one to a process and to its group. ranks: the
    processes of the run, one of which may get a signal that others do not.
    """

    def __init__(self, *, second: Handler = signal.SIG_DFL, ranks: Ranks = ALONE) -> None:
        self.signal_number = 0
        self.second = second
        self.ranks = ranks

    @contextmanager
    def defer_signals(self) -> Iterator[None]:
        """Records the first signal that comes inside; `raise_if_interrupted` then ends the work."""
        with handle_signals(self._record_signal):
            yield
        self.raise_if_any_interrupted()

    def raise_if_interrupted(self) -> None:
        """Raises Interrupted if a signal has come. To be called where it does no harm."""
        if self.signal_number:
            raise TrainingInterrupt(self.signal_number)

    def raise_if_any_interrupted(self) -> None:
        """Raises Interrupted in all processes if a signal has come to one of them, all of which must call this."""
        self.adopt(int(self.ranks.find_largest([self.signal_number])[0]))
        self.raise_if_interrupted()

    def adopt(self, number: int) -> None:
        """Takes a signal that came to another process as this one's, unless one has come already; 0 is none."""
        self.signal_number = self.signal_number or number

    @contextmanager
    def check_on_forward(self, module: nn.Module) -> Iterator[None]:
        """Inside, every call of a module heeds; so can a search be left that knows nothing of signals."""
        hook = module.register_forward_pre_hook(lambda *_: self.raise_if_interrupted())
        try:
            yield
        finally:
            hook.remove()

    def _record_signal(self, number: int, frame: FrameType | None) -> None:
        first, self.signal_number = not self.signal_number, self.signal_number or number
        if signal.getsignal(signal.SIGINT) == self._record_signal:
            signal.signal(signal.SIGINT, self.second)
        if first and self.ranks.is_first:  # last, since it may have to wait for a reader
            again = "; Ctrl-C again ends it now" if number == signal.SIGINT else ""
            _write_line(f"{signal.Signals(number).name}: the run ends as soon as it can go on from there{again}")


def _write_line(text: str) -> None:
    """A line on standard error, past its buffer, in which a signal may have interrupted another writer."""
    with suppress(OSError, ValueError):  # nobody may be there to read it
        os.write(sys.stderr.fileno(), f"\n{text}\n".encode())


@contextmanager
def handle_signals(handler: Handler) -> Iterator[None]:
    """Inside, signals are answered by `handler`; those that the process was told to ignore stay ignored.

    Handlers belong to the main thread: in another one nothing changes.
    """
    main = threading.current_thread() is threading.main_thread()
    numbers = [number for number in SIGNALS if main and signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
