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
from nmt.inference.streams import PART_PREFIX, encode_lines, open_file
from nmt.storage.locks import lock_file
from nmt.storage.untrusted_paths import LEXICON, MAX_LEXICON_BYTES, find_regular_file, list_model_files

logger = logging.getLogger(__name__)

PROGRESS_SUFFIX = ".json"
"""Ends the name of the note on an output that is not yet whole."""


class TranslationProgress(NamedTuple):
    """How far an output is: lines of the input that are answered in it, their SHA-256, and the bytes of the answers."""

    lines: int
    read: str
    bytes: int


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
    `job` and the lines it had read are those that are read now; else all begins anew. What ends in an NmtError is not
    kept. Raises DataError if the file cannot be written, or is being written.
    """
    final = Path(path).expanduser().resolve()
    part_path, progress_path = (final.with_name(f"{PART_PREFIX}{final.name}{end}") for end in ("", PROGRESS_SUFFIX))
    text, line_hash = read(), LineHash()
    with open_file(part_path, path, "ab") as file:
        lock_or_raise(file, path)
        progress = read_progress(progress_path, job)
        if progress is not None and (
            progress.bytes > part_path.stat().st_size or hash_answered_lines(text, line_hash, progress) != progress.read
        ):
            text, line_hash, progress = read(), LineHash(), None
        file.truncate(0 if progress is None else progress.bytes)
        first = line_hash.lines

        def write_answers(lines: list[str], answers: Iterable[str]) -> None:
            file.write(encode_lines(answers))
            file.flush()
            os.fsync(file.fileno())
            now = TranslationProgress(read=line_hash.update(lines), lines=line_hash.lines, bytes=file.tell())
            temporary = progress_path.with_name(f"{progress_path.name}.new")
            temporary.write_text(json.dumps({"job": job, **now._asdict()}), encoding="utf-8")
            temporary.replace(progress_path)

        try:
            yield ResumableOutput(text, first, write_answers)
        except NmtError:
            part_path.unlink(missing_ok=True)
            progress_path.unlink(missing_ok=True)
            raise
        except KeyboardInterrupt:
            logger.warning("interrupted after line %d; the same command goes on there", line_hash.lines)
            raise
        part_path.replace(final)
        progress_path.unlink(missing_ok=True)


def lock_or_raise(file: BinaryIO, display_path: str) -> None:
    """Raises DataError if another process writes this file."""
    try:
        lock_file(file.fileno())
    except BlockingIOError:
        raise DataError(
            f"{display_path} is being written by another command. Wait for it, or choose another output."
        ) from None
    except OSError as problem:
        logger.warning("%s cannot be locked (%s): see to it that no second command writes it", display_path, problem)


def read_progress(path: Path, job: Mapping[str, Any]) -> TranslationProgress | None:
    """What an earlier command with the same job noted; None if there is nothing that can be used."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("job") == json.loads(json.dumps(job)):
            return TranslationProgress(int(content["lines"]), str(content["read"]), int(content["bytes"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def hash_answered_lines(text: Iterator[str], line_hash: LineHash, progress: TranslationProgress) -> str:
    """The SHA-256 of as many lines as were answered."""
    return line_hash.update(islice(text, progress.lines))


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
