"""Which files a setting such as `input` names: one, several, those that match a pattern, or standard input."""

import glob
import io
import os
import queue
import select
import stat
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TextIO

from nmt.data import lines
from nmt.errors import ConfigError, DataError
from nmt.storage.distinct_paths import STANDARD_INPUT

STDIN = STANDARD_INPUT
"""Stands for standard input."""

FileNames = str | list[str] | None
"""What may be given for files."""

GATHER_SECONDS = 0.05
"""Seconds for which lines of a pipe are gathered after the first: all that arrive later are translated later."""


def find_files(given: FileNames, *, setting: str) -> list[str]:
    """The files that a setting names, in their order; those of a pattern such as dir/*.txt are sorted. None is STDIN.

    A name with * ? or [ that is there is that file. Raises DataError where a pattern matches nothing, and ConfigError
    where there is no name.
    """
    names = [STDIN] if given is None else [given] if isinstance(given, str) else given
    if not names or not all(names):
        raise ConfigError(f"{setting} names no file. Write {setting}=FILE, {setting}=[FILE,FILE], or {setting}=-.")
    found: list[str] = []
    for name in names:
        path = os.path.expanduser(name)
        if name == STDIN or os.path.exists(path) or not glob.has_magic(name):
            found.append(name)
            continue
        matching = sorted(match for match in glob.glob(path, recursive=True) if not os.path.isdir(match))
        if not matching:
            raise DataError(f"{name} ({setting}) matches no file.")
        found += matching
    if found.count(STDIN) > 1:
        raise ConfigError(f"{setting} names standard input, -, more than once, and it can be read only once.")
    return found


def read_files(files: Sequence[str], errors: lines.Errors, *, setting: str, tables: bool = False) -> Iterator[str]:
    """The lines of files, one after another, as they arrive; with `tables`, lines may have columns.

    Raises DataError now where one cannot be read.
    """
    for file in files:
        if file == STDIN:
            check_stdin(setting)
        else:
            lines.check(file, setting=setting, errors=errors, tables=tables)
    return _read_lines(files, errors, tables)


def read_lines(file: str, errors: lines.Errors, *, setting: str) -> list[str]:
    """All lines of a file, or of standard input. Raises DataError."""
    return list(read_files([file], errors, setting=setting))


def _read_lines(files: Sequence[str], errors: lines.Errors, tables: bool) -> Iterator[str]:
    for file in files:
        if file == STDIN:
            yield from lines.decode(open_stdin(), name="standard input", errors=errors, tables=tables)
        else:
            yield from lines.stream(file, errors, tables=tables)


def check_stdin(setting: str) -> None:
    """Raises DataError where standard input was closed, which is not the same as to be empty."""
    try:
        os.read(sys.stdin.fileno(), 0)
    except OSError as problem:
        if problem.errno is not None:  # otherwise it is not the process's own
            raise DataError(
                f"Standard input cannot be read ({problem.strerror}); it may be closed. Write {setting}=FILE, or send "
                "text to it."
            ) from None
    except (AttributeError, ValueError):
        return


def open_stdin() -> BinaryIO:
    """Standard input with a buffer of its own, so that a thread that waits for it holds nothing that Python closes."""
    try:
        return io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False))
    except (AttributeError, OSError, ValueError):
        return sys.stdin.buffer


def has_pauses(files: Sequence[str]) -> bool:
    """Whether one of the files may keep its reader waiting: a pipe, a socket or a terminal."""
    return any(_may_wait(file) for file in files)


def _may_wait(file: str) -> bool:
    try:
        number = sys.stdin.fileno() if file == STDIN else os.open(Path(file).expanduser(), os.O_RDONLY | os.O_NONBLOCK)
    except (AttributeError, OSError, ValueError):
        return False
    try:
        mode = os.fstat(number).st_mode
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(number)
    finally:
        if file != STDIN:
            os.close(number)


def is_reader_gone(stream: TextIO) -> bool:
    """Whether nobody reads the pipe that a stream writes to any more, as `head` does once it has its lines."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (AttributeError, OSError, ValueError):
        return False


def gather_lines(text: Iterable[str], max_lines: int, *, characters: int) -> Iterator[list[str]]:
    """Runs of up to `max_lines` lines, and of about so many `characters`, as they arrive; an empty one where there is
    none.

    A thread reads ahead, so that lines which arrive while others are translated make up the next run: the slower the
    model, the longer the runs. An empty run says that all lines before it shall be answered now.
    """
    line_queue: queue.Queue[str | BaseException | None] = queue.Queue(maxsize=max_lines)
    threading.Thread(target=_put_all, args=(text, line_queue), daemon=True).start()
    while True:
        try:
            line = line_queue.get(timeout=GATHER_SECONDS)
        except queue.Empty:
            yield []
            line = line_queue.get()
        run, size, deadline = list[str](), 0, time.monotonic() + GATHER_SECONDS
        while isinstance(line, str):
            run.append(line)
            size += len(line)
            if len(run) >= max_lines or size >= characters:
                break
            try:
                line = line_queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
        if run:
            yield run
        if isinstance(line, BaseException):
            raise line
        if line is None:
            return


def _put_all(text: Iterable[str], line_queue: "queue.Queue[str | BaseException | None]") -> None:
    """Puts every line, and then None; or what reading them raised."""
    try:
        for line in text:
            line_queue.put(line)
    except BaseException as problem:
        line_queue.put(problem)
    else:
        line_queue.put(None)
