"""What a run tells of itself: metrics.jsonl always, TensorBoard where installed, a progress bar or lines of log."""

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt.progress import make_bar
from nmt.storage.files import explain_disk_errors, write_atomically
from nmt.storage.untrusted_paths import parse_json

logger = logging.getLogger(__name__)

METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"

ROW_KINDS = ("train", "validation", "skipped")
"""Of rows."""

ROW_BEGINNING = b'{"'
"""How every row begins."""

MAX_NAMED_LINES = 5
"""So many damaged lines are named."""


class MetricsLogger:
    """Writes rows of metrics to a run folder; on resuming at `step`, rows of later steps are taken back first.

    So are those of validations after `validated`, which may be the same step: what was not saved is done again.
    """

    def __init__(self, folder: Path, *, step: int, validated: int) -> None:
        self.path = folder / METRICS
        last = {"validation": validated}
        earlier_rows = [row for row in read_rows(self.path) if row["step"] <= last.get(row["kind"], step)]
        write_atomically(self.path, "".join(_format_row(row) for row in earlier_rows))
        with explain_disk_errors("write", self.path):
            self._file = self.path.open("a", encoding="utf-8")
        self._board = _open_tensorboard(folder, step)
        # A bar needs a terminal that can redraw a line; elsewhere the log's own lines say the same.
        self._bar = make_bar(
            total=100.0,
            disable=None,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed} gone, {remaining} left{postfix}",
            desc="training",
            leave=False,
        )

    def record(self, row: Mapping[str, Any]) -> None:
        """Adds a row: `kind`, `step` and numbers. Raises CheckpointError if it cannot be written."""
        with explain_disk_errors("write", self.path):
            self._file.write(_format_row(row))
            self._file.flush()
        if self._board is not None:
            for name, value in row.items():
                if isinstance(value, int | float) and name != "step":
                    self._board.add_scalar(f"{row['kind']}/{name}", value, row["step"])

    def show(self, row: Mapping[str, Any], fraction: float) -> None:
        """Tells a person: `fraction` of the run is done."""
        where, speed = f"epoch {row['epoch']} step {row['step']}", f"{row['tokens_per_second']:.0f} target tokens/s"
        text = f"{where} training loss {row['loss']:.3f} {speed}"
        if self._bar.disable:
            done = min(fraction, 1.0)
            left = f", {row['minutes'] * (1 - done) / done:.1f} min left" if done > 0 else ""
            logger.info("%s  (%.0f %%%s)", text, 100 * done, left)
        else:
            logger.debug(text)
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.n = min(100.0 * fraction, 100.0)
            self._bar.refresh()

    def close(self) -> None:
        """Closes what is open. Raises CheckpointError if what was held back cannot be written."""
        self._bar.close()
        with explain_disk_errors("write", self.path):
            self._file.close()
        if self._board is not None:
            self._board.close()


class SilentMetricsLogger:
    """In place of a MetricsLogger, for a process that is not the first of several: it writes and shows nothing."""

    def __init__(self, folder: Path, *, step: int, validated: int) -> None:
        """Takes what a MetricsLogger does."""

    def record(self, row: Mapping[str, Any]) -> None:
        """Does nothing."""

    def show(self, row: Mapping[str, Any], fraction: float) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


def read_rows(path: Path, *, warn: bool = True) -> list[dict[str, Any]]:
    """The metrics on disk, in order; a last line that a dying run left unfinished is not one of them.

    Other lines that are no rows of this program are damage, and are left out with a warning; warn: whether it is said,
    which a command does once.
    """
    if not path.is_file():
        return []
    *lines, unfinished = path.read_bytes().split(b"\n")
    found = [parse_row(line) for line in lines]
    last_row = parse_row(unfinished)
    damaged = [str(number) for number, row in enumerate(found, 1) if row is None]
    damaged += [] if last_row is not None or _may_begin_row(unfinished) else [str(len(found) + 1)]
    if damaged and warn:
        shown = ", ".join(damaged[:MAX_NAMED_LINES]) + (
            f" and {len(damaged) - MAX_NAMED_LINES} more" if len(damaged) > MAX_NAMED_LINES else ""
        )
        which = f"line {shown} is" if len(damaged) == 1 else f"lines {shown} are"
        logger.warning("%s is damaged: %s no row of metrics and left out", path, which)
    return [row for row in (*found, last_row) if row is not None]


def parse_row(line: bytes) -> dict[str, Any] | None:
    """The row in a line of metrics.jsonl; None where it is none that `MetricsLogger` could have written.

    A row has a kind, a step and finite numbers; one of a skipped step has the lines of its sentences as well.
    """
    try:
        row = parse_json(line)
        sound = (
            isinstance(row, dict)
            and row["kind"] in ROW_KINDS
            and type(row["step"]) is int
            and all(name in ("kind", "lines") or _is_number(value) for name, value in row.items())
        )
    except (ValueError, RecursionError, KeyError, TypeError, OverflowError):
        return None
    return row if sound else None


def _may_begin_row(line: bytes) -> bool:
    """Whether a dying run may have left this: the beginning of a row, or zeros where a disk had yet to write."""
    return line.rstrip(b"\0").startswith(ROW_BEGINNING[: len(line.rstrip(b"\0"))])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _format_row(row: Mapping[str, Any]) -> str:
    return json.dumps(row, allow_nan=False) + "\n"


def _open_tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    with explain_disk_errors("write", folder / TENSORBOARD):
        return SummaryWriter(str(folder / TENSORBOARD), purge_step=step + 1)
