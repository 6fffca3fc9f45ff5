"""What a run says: to train.log and, without times, to stderr."""

import logging
import sys
from contextlib import suppress
from pathlib import Path

from nmt.printable import Formatter
from nmt.runs.run_files import LOG
from nmt.storage.files import explain_disk_errors


class LogFile(logging.FileHandler):
    """A log that a full disk cannot end a run with: what must not be lost is written elsewhere, and fails there."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Goes on without this line."""

    def close(self) -> None:
        """Closes the file, and lets go of what cannot be written."""
        with suppress(OSError):
            super().close()


def open_log(folder: Path) -> list[logging.Handler]:
    """Sends what the program logs to train.log and, without times, to stderr."""
    with explain_disk_errors("write", folder / LOG):
        to_file = LogFile(folder / LOG, encoding="utf-8")
    to_file.setFormatter(Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    to_screen = logging.StreamHandler(sys.stderr)
    to_screen.setFormatter(Formatter("%(message)s"))
    ours = logging.getLogger("nmt")
    ours.setLevel(logging.INFO)
    ours.propagate = False
    for handler in (to_file, to_screen):
        ours.addHandler(handler)
    return [to_file, to_screen]


def silence_log() -> list[logging.Handler]:
    """Keeps what the program logs to itself: of several processes, the first alone speaks."""
    handler = logging.NullHandler()
    ours = logging.getLogger("nmt")
    ours.setLevel(logging.CRITICAL)
    ours.propagate = False
    ours.addHandler(handler)
    return [handler]


def close_log(handlers: list[logging.Handler]) -> None:
    """Takes the handlers of one run away again, so that the next in the same process has its own."""
    ours = logging.getLogger("nmt")
    ours.propagate = True
    for handler in handlers:
        ours.removeHandler(handler)
        handler.close()
