"""Progress: bars on terminals, whatever size they say they have, and in notebooks; lines on stderr elsewhere."""

import importlib.util
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from nmt.launch import read_launch

COLUMNS, ROWS = 80, 24
"""Of a terminal that says it has none, as those of containers and serial lines do. tqdm would draw nothing there."""

BAR_SECONDS = 1.0
"""What is done sooner has no bar of `report_progress`."""

LINE_SECONDS = 10.0
"""Between two lines about the same work, where there is no terminal."""


def make_bar(**options: Any) -> "tqdm[Any]":
    """A progress bar with tqdm's options: on stderr, on terminals of no known size too; or below a notebook's cell.

    With `disable=None` it is shown on terminals and in notebooks only. A notebook's bar is that of ipywidgets where
    these are installed, and else a line of text that is written anew. Of several processes that work together, the
    first alone shows it.
    """
    if read_launch().rank:
        options["disable"] = True
    if is_notebook():
        if options.get("disable", False) is None:
            options["disable"] = False
        if importlib.util.find_spec("ipywidgets") is not None:
            from tqdm.notebook import tqdm as notebook_tqdm

            return notebook_tqdm(**options)
    columns, rows = measure_terminal()
    size = {} if columns and rows else {"ncols": columns or COLUMNS, "nrows": rows or ROWS}
    return tqdm(**{"file": sys.stderr, **size, **options})


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook, whose stderr is no terminal, yet can redraw a line."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return "IPKernelApp" in getattr(shell, "config", {})


def count_columns() -> int:
    """Those of the terminal behind stderr, unless the variable COLUMNS says otherwise; 0 where nobody knows."""
    return measure_terminal()[0]


def measure_terminal() -> tuple[int, int]:
    """The columns and rows of the terminal behind stderr; 0 where nobody knows. COLUMNS may say otherwise."""
    try:
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # no terminal, or no file at all
        columns, rows = 0, 0
    return (int(os.environ["COLUMNS"]) if os.environ.get("COLUMNS", "").isdecimal() else columns), rows


@contextmanager
def report_time(logger: logging.Logger, what: str) -> Iterator[None]:
    """Logs that something begins, and when it ends how long it took. Meanwhile a terminal shows the seconds, as far as
    what is done lets other threads run."""
    logger.info("%s", what)
    start, ended = time.perf_counter(), threading.Event()
    ticking = threading.Thread(target=_tick, args=(what, ended), daemon=True)
    if sys.stderr.isatty():
        ticking.start()
    try:
        yield
    finally:
        ended.set()
        if ticking.is_alive():
            ticking.join()
    logger.info("%s took %.1f s", what, time.perf_counter() - start)


@contextmanager
def report_progress(
    logger: logging.Logger, total: int | None, what: str, unit: str = "it"
) -> Iterator[Callable[[int], object]]:
    """A function that is told how many more are done: a bar on stderr for what takes longer than BAR_SECONDS,
    or, where there is no terminal, a line every LINE_SECONDS, with the time that is left. total: None where it is not
    known."""
    done, start = 0, time.monotonic()
    told = start
    with make_bar(total=total, desc=what, unit=unit, leave=False, disable=None, delay=BAR_SECONDS) as bar:

        def report(count: int) -> None:
            nonlocal done, told
            done += count
            bar.update(count)
            now = time.monotonic()
            if bar.disable and done != total and now - told >= LINE_SECONDS:
                told = now
                left = "" if total is None else f" of {total}, {format_left(now - start, done, total)} left"
                logger.info("%s: %d%s", what, done, left)

        yield report


def format_left(seconds: float, done: int, total: int) -> str:
    """The time that the rest takes where `done` of `total` took so many seconds, such as 1:05 for a minute and five
    seconds."""
    return tqdm.format_interval(seconds * (total - done) / max(1, done))


def _tick(what: str, ended: threading.Event) -> None:
    with make_bar(desc=what, bar_format="{desc}: {elapsed}", leave=False) as bar:
        while not ended.wait(1.0):
            bar.refresh()
