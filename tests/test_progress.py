"""Progress is seen on every terminal, and said in lines elsewhere."""

import fcntl
import logging
import os
import pty
import select
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from nmt import progress
from nmt.progress import COLUMNS, count_columns, make_bar, report_progress, report_time


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal in the place of stderr: what reads it, and its own end."""
    reader, writer = pty.openpty()
    with (
        os.fdopen(writer, "w", closefd=False) as stream,
        pytest.MonkeyPatch.context() as patch,  # within the test, as pytest sets sys.stderr anew before
    ):
        patch.delenv("COLUMNS", raising=False)
        patch.setattr("sys.stderr", stream)
        yield reader, writer
    os.close(reader)
    os.close(writer)


def read_until(reader: int, wanted: str) -> str:
    """What is drawn until something is, or for a while."""
    drawn = ""
    while wanted not in drawn and select.select([reader], [], [], 30)[0]:
        drawn += os.read(reader, 10_000).decode()
    return drawn


@pytest.mark.parametrize(("size", "columns"), [((0, 0), 0), ((0, 40), 40), ((30, 0), 0)])
def test_a_bar_is_drawn_whatever_the_size(size: tuple[int, int], columns: int) -> None:
    with terminal() as (reader, writer):
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        assert count_columns() == columns
        with make_bar(total=7, desc="counting", mininterval=0) as bar:
            bar.update(7)
        drawn = read_until(reader, "7/7").strip().split("\r")[-1]
    assert drawn.startswith("counting: 100%|")
    assert "7/7" in drawn
    assert len(drawn) <= (columns or COLUMNS)


def test_the_variable_columns_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "33")
    assert count_columns() == 33


def test_what_takes_long_is_said_at_both_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with report_time(logging.getLogger(progress.__name__), "learning"):
        assert caplog.messages == ["learning"]
    assert caplog.messages[1].startswith("learning took ")
    with pytest.raises(KeyError), report_time(logging.getLogger(progress.__name__), "failing"):
        raise KeyError
    assert caplog.messages[2:] == ["failing"]


def test_a_terminal_sees_the_seconds() -> None:
    with terminal() as (reader, _), report_time(logging.getLogger("silent"), "learning"):
        assert "learning" in read_until(reader, "learning")


def test_a_notebook_has_bars_though_its_stderr_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with make_bar(total=7, disable=None) as bar:
        assert bar.disable
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    with make_bar(total=7, desc="counting", disable=None) as bar:
        bar.update(7)
    assert "counting: 100%|" in capsys.readouterr().err
    with make_bar(total=7, disable=True) as bar:
        assert bar.disable
    shell.config = {}
    assert not progress.is_notebook()


def test_long_work_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("nmt.test")
    caplog.set_level("INFO", logger="nmt.test")
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with report_progress(logger, 4, "hiding words") as report:
        for count in (1, 2, 1):
            report(count)
    assert caplog.messages == [f"hiding words: {done} of 4, 00:00 left" for done in (1, 3)]
    caplog.clear()
    monkeypatch.setattr(progress, "LINE_SECONDS", 10.0)
    with report_progress(logger, 2, "hiding words") as report:
        report(1)
    assert caplog.messages == []


def test_on_a_terminal_long_work_has_a_bar(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level("INFO", logger="nmt.test")
    monkeypatch.setattr(progress, "BAR_SECONDS", 0.0)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with terminal() as (reader, _), report_progress(logging.getLogger("nmt.test"), 4, "hiding words") as report:
        report(1)
        assert "hiding words" in read_until(reader, "hiding words")
    assert caplog.messages == []
