"""A lock is one process's; where the system has none, the program says so and works on."""

import logging
import sys
from pathlib import Path

import pytest

from nmt.inference.resumable import lock_or_raise
from nmt.runs import process
from nmt.storage.locks import lock_file
from nmt.storage.run_lock import lock


def test_a_file_is_locked_once(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as first, (tmp_path / "a").open("rb") as second:
        lock_file(first.fileno())
        with pytest.raises(BlockingIOError):
            lock_file(second.fileno())
        first.close()
        lock_file(second.fileno())


@pytest.fixture
def without_posix(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if these modules were missing, which they are on Windows."""
    for name in ("fcntl", "resource"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("without_posix")
def test_a_system_without_locks_is_told_of_and_worked_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), lock(tmp_path), (tmp_path / "out").open("wb") as file:
        lock_or_raise(file, tmp_path / "out", "out")
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        f"{tmp_path} cannot be locked",
        "out cannot be locked",
    ]


@pytest.mark.usefixtures("without_posix")
def test_a_system_that_does_not_tell_memory_leaves_it_unknown() -> None:
    assert process.measure_peak_memory() is None
