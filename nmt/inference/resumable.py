"""A long translation that was interrupted: what lies beside the output so that the same command goes on with it."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from nmt.errors import DataError, NmtError
from nmt.inference.streams import WRITING, encoded, opened
from nmt.storage.locks import lock_file
from nmt.storage.untrusted_paths import LEXICON, LEXICON_BYTES, list_model_files, ordinary

logger = logging.getLogger(__name__)

NOTE = ".json"
"""Ends the name of the note on an output that is not yet whole."""


class Note(NamedTuple):
    """How far an output is: lines of the input that are answered in it, their SHA-256, and the bytes of the answers."""

    lines: int
    read: str
    bytes: int


class Reading:
    """Which lines have been read, and how many."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.lines = 0

    def take(self, lines: Iterable[str]) -> str:
        """The SHA-256 of all lines so far, and of these."""
        for line in lines:
            self._hash.update(line.encode() + b"\n")
            self.lines += 1
        return self._hash.hexdigest()


class Output(NamedTuple):
    """A place for answers. `text` is what is still to be translated, and `done` lines came before."""

    text: Iterator[str]
    done: int
    put: Callable[[list[str], Iterable[str]], None]
    """Takes lines of the input and what is written for them."""


@contextmanager
def resumable(path: str, job: Mapping[str, Any], read: Callable[[], Iterator[str]]) -> Iterator[Output]:
    """An output file that appears when it is whole, and is begun where an earlier command with the same job stopped.

    `read` gives the lines of the input from their start. An earlier command's part is used if its note has the same
    `job` and the lines it had read are those that are read now; else all begins anew. What ends in an NmtError is not
    kept. Raises DataError if the file cannot be written, or is being written.
    """
    final = Path(path).expanduser().resolve()
    written, note = (final.with_name(f"{WRITING}{final.name}{end}") for end in ("", NOTE))
    text, reading = read(), Reading()
    with opened(written, path, "ab") as file:
        alone(file, path)
        kept = found(note, job)
        if kept is not None and (kept.bytes > written.stat().st_size or skipped(text, reading, kept) != kept.read):
            text, reading, kept = read(), Reading(), None
        file.truncate(0 if kept is None else kept.bytes)
        first = reading.lines

        def put(lines: list[str], answers: Iterable[str]) -> None:
            file.write(encoded(answers))
            file.flush()
            os.fsync(file.fileno())
            now = Note(read=reading.take(lines), lines=reading.lines, bytes=file.tell())
            temporary = note.with_name(f"{note.name}.new")
            temporary.write_text(json.dumps({"job": job, **now._asdict()}), encoding="utf-8")
            temporary.replace(note)

        try:
            yield Output(text, first, put)
        except NmtError:
            written.unlink(missing_ok=True)
            note.unlink(missing_ok=True)
            raise
        except KeyboardInterrupt:
            logger.warning("interrupted after line %d; the same command goes on there", reading.lines)
            raise
        written.replace(final)
        note.unlink(missing_ok=True)


def alone(file: BinaryIO, asked: str) -> None:
    """Raises DataError if another process writes this file."""
    try:
        lock_file(file.fileno())
    except BlockingIOError:
        raise DataError(
            f"{asked} is being written by another command. Wait for it, or choose another output."
        ) from None
    except OSError as problem:
        logger.warning("%s cannot be locked (%s): see to it that no second command writes it", asked, problem)


def found(note: Path, job: Mapping[str, Any]) -> Note | None:
    """What an earlier command with the same job noted; None if there is nothing that can be used."""
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        if kept.pop("job") == json.loads(json.dumps(job)):
            return Note(int(kept["lines"]), str(kept["read"]), int(kept["bytes"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def skipped(text: Iterator[str], reading: Reading, note: Note) -> str:
    """The SHA-256 of as many lines as were answered."""
    return reading.take(islice(text, note.lines))


def fingerprint(folder: Path, *, lexicon: bool = False) -> str:
    """What names the model in a folder: a SHA-256 over its files, and over its lexicon where that is used.

    Raises ModelError if one is missing, or is no regular file in the folder.
    """
    paths = list_model_files(folder)
    if lexicon and os.path.lexists(folder / LEXICON):
        paths.append(ordinary(folder, LEXICON, most=LEXICON_BYTES))
    found = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            found.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()
