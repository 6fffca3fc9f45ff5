"""A long translation that was interrupted: what lies beside the output so that the same command goes on with it."""

import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from nmt.errors import DataError, NmtError
from nmt.inference.streams import encode_lines, explain_unwritable, open_writer
from nmt.storage.json_files import MAX_JSON_BYTES
from nmt.storage.locks import lock_file
from nmt.storage.new_files import (
    TEMPORARY_PREFIX,
    ForeignFileError,
    copy_permissions,
    open_own,
    open_replacement,
    remove_abandoned,
)
from nmt.storage.untrusted_paths import LEXICON, MAX_LEXICON_BYTES, find_regular_file, list_model_files, parse_json

logger = logging.getLogger(__name__)

NOTE_SUFFIX = ".json"
"""Ends the name of the note on an output that is not yet whole."""


class TranslationProgress(NamedTuple):
    """How far an output is: lines of the input that are answered in it, their SHA-256, and the bytes of the answers."""

    lines: int
    read: str
    bytes: int


class ProgressNote(NamedTuple):
    """What lies beside a part of an output: what it is of, and how far it is."""

    job: Any
    progress: TranslationProgress


class LineHash:
    """Which lines have been read, and how many."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.lines = 0

    def update(self, lines: Iterable[str]) -> str:
        """The SHA-256 of all lines so far, and of these."""
        for line in lines:
            self._hash.update(line.encode() + b"\n")
            self.lines += 1
        return self._hash.hexdigest()


class ResumableOutput(NamedTuple):
    """A place for answers. `text` is what is still to be translated, and `lines_done` lines came before."""

    text: Iterator[str]
    lines_done: int
    write: Callable[[list[str], Iterable[str]], None]
    """Takes lines of the input and what is written for them."""


@contextmanager
def open_resumable(path: str, job: Mapping[str, Any], read: Callable[[], Iterator[str]]) -> Iterator[ResumableOutput]:
    """An output file that appears when it is whole, and is begun where an earlier command with the same job stopped.

    `read` gives the lines of the input from their start. An earlier command's part is used if its note has the same
    `job` and the lines it had read are those that are read now; else all begins anew. Where something else has the name
    of a part or its note, it is left alone, with a warning, and the output is written without them. What ends in an
    NmtError is not kept. Raises DataError if the file cannot be written, or is being written.
    """
    final = Path(path).expanduser().resolve()
    part_path, note_path = (final.with_name(f"{TEMPORARY_PREFIX}{final.name}{end}") for end in ("", NOTE_SUFFIX))
    remove_abandoned(final.parent)
    try:
        file, note = open_part(part_path, note_path, path)
    except ForeignFileError as problem:
        logger.warning(
            "%s. It is left as it is, and %s is written all the same, but anew if this command is stopped. Remove it, "
            "or choose another output",
            problem,
            path,
        )
        with open_plain(path, read()) as output:
            yield output
        return
    with file, keep_part(file, Part(path, final, part_path, note_path), note, job, read) as output:
        yield output


class Part(NamedTuple):
    """Where an output that is not yet whole lies. path: its name, as it was given. final: where it goes. part, note:
    what there is of it, and how far that is."""

    path: str
    final: Path
    part: Path
    note: Path


@contextmanager
def keep_part(
    file: BinaryIO, part: Part, note: ProgressNote | None, job: Mapping[str, Any], read: Callable[[], Iterator[str]]
) -> Iterator[ResumableOutput]:
    """Goes on with a part, which gets the name of the output when it is whole, and stays for the next command where
    that is interrupted."""
    copy_permissions(part.final, file)
    text, line_hash, bytes_done = skip_answered(read, note, job, part.part.stat().st_size)
    file.truncate(bytes_done)
    file.seek(0, os.SEEK_END)
    first = line_hash.lines

    def write_note(lines: Iterable[str]) -> None:
        now = TranslationProgress(read=line_hash.update(lines), lines=line_hash.lines, bytes=file.tell())
        with open_replacement(part.note, sync=False) as noting:
            noting.write(json.dumps({"job": job, **now._asdict()}).encode())

    def write_answers(lines: list[str], answers: Iterable[str]) -> None:
        file.write(encode_lines(answers))
        file.flush()
        os.fsync(file.fileno())
        write_note(lines)

    try:
        write_note([])  # before the first answer, so that no part is without one
        yield ResumableOutput(text, first, write_answers)
    except NmtError:
        part.part.unlink(missing_ok=True)
        part.note.unlink(missing_ok=True)
        raise
    except KeyboardInterrupt:
        logger.warning("interrupted after line %d; the same command goes on there", line_hash.lines)
        raise
    with explain_unwritable(part.path):
        part.part.replace(part.final)
    part.note.unlink(missing_ok=True)


@contextmanager
def open_plain(path: str | None, text: Iterator[str]) -> Iterator[ResumableOutput]:
    """Where answers go at once, or whole or not at all."""
    with open_writer(path) as put:
        yield ResumableOutput(text, 0, lambda lines, answers: put(answers))


def open_part(part_path: Path, note_path: Path, display_path: str) -> tuple[BinaryIO, ProgressNote | None]:
    """The part of an output that an earlier command left, with its note, or a new one, without; locked.

    Raises ForeignFileError where one of the two is none that this program can have left, and DataError where another
    process is writing them, or they cannot be written.
    """
    is_new = not os.path.lexists(part_path)
    with explain_unwritable(display_path):
        file = open_own(part_path, "ab")
    assert file is not None  # it is made
    try:
        lock_or_raise(file, part_path, display_path)
        note = read_note(note_path)
        if note is None and os.fstat(file.fileno()).st_size:
            raise ForeignFileError(f"{part_path} has no {note_path.name} beside it, as a part of an output has")
    except NmtError as problem:
        if is_new and isinstance(problem, ForeignFileError):
            part_path.unlink(missing_ok=True)
        file.close()
        raise
    return file, note


def lock_or_raise(file: BinaryIO, path: Path, display_path: str) -> None:
    """Raises DataError if another process writes this file, or has just given it its final name."""
    is_busy = False
    try:
        lock_file(file.fileno())
    except BlockingIOError:
        is_busy = True
    except OSError as problem:
        logger.warning("%s cannot be locked (%s): see to it that no second command writes it", display_path, problem)
    if is_busy or not os.path.lexists(path) or not os.path.samestat(os.fstat(file.fileno()), os.lstat(path)):
        raise DataError(f"{display_path} is being written by another command. Wait for it, or choose another output.")


def read_note(path: Path) -> ProgressNote | None:
    """The note on a part; None where there is none. Raises ForeignFileError where it is none that was written whole."""
    try:
        if (file := open_own(path, "rb", max_bytes=MAX_JSON_BYTES)) is None:
            return None
        with file:
            content = parse_json(file.read(MAX_JSON_BYTES))
        progress = TranslationProgress(content["lines"], str(content["read"]), content["bytes"])
        if all(type(count) is int and 0 <= count <= sys.maxsize for count in (progress.lines, progress.bytes)):
            return ProgressNote(content["job"], progress)
    except (ValueError, KeyError, TypeError, RecursionError, OSError):
        pass
    raise ForeignFileError(f"{path} is no note on a part of an output")


def skip_answered(
    read: Callable[[], Iterator[str]], note: ProgressNote | None, job: Mapping[str, Any], size: int
) -> tuple[Iterator[str], LineHash, int]:
    """What is still to be translated, what was read before it, and how many bytes of a part are its answers: all of the
    text, nothing and 0 unless the part, which has `size` bytes, is of the same job and of the same lines."""
    text, line_hash = read(), LineHash()
    if note is not None and note.job == json.loads(json.dumps(job)) and note.progress.bytes <= size:
        if line_hash.update(islice(text, note.progress.lines)) == note.progress.read:
            return text, line_hash, note.progress.bytes
        return read(), LineHash(), 0
    return text, line_hash, 0


def hash_model_folder(folder: Path, *, lexicon: bool = False) -> str:
    """What names the model in a folder: a SHA-256 over its files, and over its lexicon where that is used.

    Raises ModelError if one is missing, or is no regular file in the folder.
    """
    paths = list_model_files(folder)
    if lexicon and os.path.lexists(folder / LEXICON):
        paths.append(find_regular_file(folder, LEXICON, max_bytes=MAX_LEXICON_BYTES))
    digest = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
