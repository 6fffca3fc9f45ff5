"""The folder that keeps prepared training text: written whole or not at all, mapped into memory on reading."""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from nmt.data.array_files import explain_unwritable
from nmt.data.corpus import Corpus
from nmt.data.encoded import PieceLinks
from nmt.data.filters import Filters
from nmt.data.links import LinkSource
from nmt.data.prepared_files import read_about, remove, seal_folder
from nmt.data.tokenizer import SentencePieceTrainer
from nmt.data.training_pairs import LINK_ARRAYS, RAW_FILES, TrainingPairs, open_pairs
from nmt.storage.locks import lock_file

FORMAT_VERSION = 3
"""To be raised whenever what is kept, or how it comes about, changes."""

LINKS_VERSION = 1
"""The same of links."""

_UNFINISHED_NAME = re.compile(r"\.[0-9a-f]{24}\.[0-9a-f]{32}(\.damaged)?")

logger = logging.getLogger(__name__)


def describe_pairs(
    corpus: Corpus, settings: SentencePieceTrainer, filters: Filters, links: LinkSource | None
) -> dict[str, Any]:
    """All that shapes prepared training text, as JSON."""
    return {
        "format": FORMAT_VERSION,
        "corpus": corpus.get_identity(),
        "tokenizer": settings.get_identity(),
        "filters": asdict(filters),
        **({} if links is None else {"links": [links, LINKS_VERSION]}),
    }


def name_folder(identity: dict[str, Any]) -> str:
    """The name of the folder in the cache whose content has this identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]


@contextlib.contextmanager
def open_new(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` in which pairs can be prepared, for `keep_pairs` to put in its place; what is left of it
    is removed. Raises DataError where it cannot be written."""
    with contextlib.ExitStack() as opened:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            _remove_unfinished(folder.parent)
            written = opened.enter_context(_open_unfinished(folder))
        except OSError as problem:
            raise explain_unwritable(folder, problem) from None
        yield written


def keep_pairs(written: Path, folder: Path, identity: dict[str, Any], pairs: TrainingPairs) -> None:
    """Writes what `written` lacks of `pairs`, and renames it: a reader sees all of it or nothing, whoever else writes
    the same. Raises DataError where it cannot be written."""
    tokenizers, links = pairs.tokenizers, pairs.train.links
    try:
        if tokenizers.source.reads_text:
            (written / "source.spm").write_bytes(tokenizers.source.serialized)
        if tokenizers.target is not tokenizers.source:
            (written / "target.spm").write_bytes(tokenizers.target.serialized)
        for name, array in ({} if links is None else links._asdict()).items():
            np.save(written / f"links.{name}.npy", array)
        for name in RAW_FILES:
            (written / name).unlink()
        seal_folder(written, {"identity": identity, "report": pairs.report})
        _move_into_place(written, folder)
    except OSError as problem:
        raise explain_unwritable(folder, problem) from None


@contextlib.contextmanager
def _open_unfinished(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to fill, locked by this process while it lives; what is left of it is removed."""
    with contextlib.ExitStack() as opened:
        while True:
            written = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
            written.mkdir()
            try:
                opened.enter_context(_lock_folder(written))
            except BlockingIOError:  # another process tidies, and has it
                continue
            except OSError:  # without locks, nobody will tidy either
                pass
            if written.exists():  # or another process tidied before it was locked
                break
        try:
            yield written
        finally:
            shutil.rmtree(written, ignore_errors=True)


def _remove_unfinished(cache: Path) -> None:
    """Removes what processes that were killed left unfinished."""
    for path in cache.iterdir():
        if _UNFINISHED_NAME.fullmatch(path.name) and path.is_dir():
            with contextlib.suppress(OSError), _lock_folder(path):
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Inside, no other process has this lock, which a dead one gives back. Raises OSError where one has it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock_file(descriptor)
        yield
    finally:
        os.close(descriptor)


def _move_into_place(written: Path, folder: Path) -> None:
    if folder.exists() and read_about(folder) is None:
        # Damaged. Moved away first, because a rename never replaces a folder that holds something.
        with contextlib.suppress(OSError):
            damaged = written.with_name(f"{written.name}.damaged")
            folder.rename(damaged)
            remove(damaged)
    try:
        written.rename(folder)
    except OSError:
        if not folder.is_dir():  # otherwise another run was faster, with the same content
            raise


def open_cached(folder: Path, settings: SentencePieceTrainer) -> TrainingPairs | None:
    """What a folder of the cache holds; None where it is not there, or damaged."""
    about = read_about(folder)
    if about is None:
        if folder.exists():
            logger.warning("prepared data in %s are damaged and will be made anew", folder)
        return None
    names = ("source.spm", "target.spm")
    tokenizers = settings.load(*((folder / name).read_bytes() if name in about["files"] else None for name in names))
    train, keys = open_pairs(folder)
    if f"links.{LINK_ARRAYS[0]}.npy" in about["files"]:
        links = PieceLinks(*(np.load(folder / f"links.{name}.npy", mmap_mode="r") for name in LINK_ARRAYS))
        train = train._replace(links=links)
    return TrainingPairs(tokenizers, train, about["report"], keys)
