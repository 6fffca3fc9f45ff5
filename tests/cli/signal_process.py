"""Commands that are sent signals while they run, as a cluster does to its jobs."""

import importlib.util
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

needs_submitit = pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None,
    reason="submitit is not installed: pip install -c constraints.txt -e '.[cluster]'",
)


SAVING_PROGRAM = """
import signal, sys, time
def save(*_):
    print("saved", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(600)
"""


def wait_until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.02)


def send_signal_when_ready(log: Path, number: int) -> threading.Thread:
    """Sends this process a signal once the log says that the command is ready."""

    def send() -> None:
        wait_until(lambda: log.exists() and "ready" in log.read_text())
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    sender.start()
    return sender
