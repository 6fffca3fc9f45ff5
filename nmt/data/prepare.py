"""From a corpus to ids, once: vocabularies, filters, and a folder that keeps the result for every later run.

Only the training split is kept on disk, mapped into memory on reading; validation and test text are read each time.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.data import data_report
from nmt.data.corpus import Bitext, Corpus, Split
from nmt.data.encoded import PackedLines, PieceLinks, RaggedIds, TokenizedBitext, encode, tokenize
from nmt.data.links import LinkSource, learn_links, link_pieces, parse_links
from nmt.data.prepared_files import check_cache, read_about, remove, seal_folder
from nmt.data.quality import TextHashes, check_not_blank, count_blank, find_overlap, leave_out_blank
from nmt.data.tokenizer import SentencePieceTrainer, Tokenizers
from nmt.errors import ConfigError, DataError
from nmt.progress import report_time
from nmt.special_tokens import UNK
from nmt.storage.locks import lock_file

FORMAT_VERSION = 3
"""To be raised whenever what is kept, or how it comes about, changes."""

LINKS_VERSION = 1
"""The same of links."""

_ARRAYS = ("flat", "offsets", "text", "text_offsets")
_LINK_ARRAYS = PieceLinks._fields
_LINES_FILE = "lines.npy"
_KEYS_FILE = "keys.npy"
_UNFINISHED_NAME = re.compile(r"\.[0-9a-f]{24}\.[0-9a-f]{32}(\.damaged)?")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which training pairs are used, by their lengths in pieces (BOS and EOS not counted).

    Both sides must have `min_length` to `max_length` pieces, and the longer no more than `max_ratio` times the shorter.
    overfit: to see whether a model can learn at all, only the first so many of these are used, and validation is on
    the same, with no test set; None is off.
    """

    min_length: int = 1
    max_length: int = 100
    max_ratio: float = 9.0
    overfit: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.min_length <= self.max_length:
            raise ConfigError(
                f"filters.min_length={self.min_length} and filters.max_length={self.max_length}: "
                "1 <= min_length <= max_length must hold, or no pair could be used."
            )
        if self.max_ratio < 1.0:
            raise ConfigError(f"filters.max_ratio={self.max_ratio} is below 1; no pair could be used.")
        if self.overfit is not None and self.overfit < 1:
            raise ConfigError(f"filters.overfit={self.overfit} must be at least 1 pair, or null to use all.")

    def keep(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> tuple[NDArray[np.bool_], dict[str, int]]:
        """A mask of the pairs to use, and how many are left out for which reason (the first that holds for a pair)."""
        shorter, longer = np.minimum(source, target), np.maximum(source, target)
        reasons = {
            "empty": shorter == 0,
            "too_short": shorter < self.min_length,
            "too_long": longer > self.max_length,
            "unequal": longer > self.max_ratio * shorter,
        }
        kept = np.ones(len(source), dtype=bool)
        counts = {"read": len(source)}
        for reason, holds in reasons.items():
            counts[reason] = int((kept & holds).sum())
            kept &= ~holds
        if self.overfit is not None:
            kept &= np.cumsum(kept) <= self.overfit
        return kept, counts | {"kept": int(kept.sum())}


class _CachedData(NamedTuple):
    """What lies in a folder of the cache; `keys` are those of the pairs in `train`."""

    tokenizers: Tokenizers
    train: TokenizedBitext
    report: dict[str, Any]
    keys: TextHashes


class PreparedData(NamedTuple):
    """All that training needs to know of its data.

    train: the pairs that passed the filters. validation: every pair with text on both sides, whatever its length; its
    `lines` are their places in the split. `validation_text`: their text. test: every pair, blank lines too, so that
    line n stays line n. report: counts for people to read, as JSON; outputs/README.md has its keys.
    """

    tokenizers: Tokenizers
    train: TokenizedBitext
    validation: TokenizedBitext
    validation_text: Bitext
    test: Bitext | None
    report: dict[str, Any]


def prepare(
    corpus: Corpus,
    settings: SentencePieceTrainer,
    filters: Filters,
    cache: str | Path,
    links: LinkSource | None = None,
) -> PreparedData:
    """The corpus ready for training; from `cache` where an earlier run with the same text and settings left it.

    links: where links between words of the training text come from, if training needs them.

    A folder in `cache` is named by a hash of all that shapes its content, is written under another name and then
    renamed, and is made anew where its files are not as they were written (it keeps their hashes). Raises DataError
    where the corpus cannot be used or the folder cannot be written.
    """
    corpus.check()
    # First, so that what is wrong with them is told before a vocabulary is learnt.
    text, test = _load_split(corpus, "validation"), corpus.load("test")
    text, places, about = _inspect(text, test)
    identity = {
        "format": FORMAT_VERSION,
        "corpus": corpus.get_identity(),
        "tokenizer": settings.get_identity(),
        "filters": asdict(filters),
        **({} if links is None else {"links": [links, LINKS_VERSION]}),
    }
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]
    folder = Path(cache).expanduser() / name
    found, training = _open_cached(folder, settings), None
    if found is None:
        check_cache(folder.parent)
        training = _load_split(corpus, "train")
        check_not_blank(training)
        data_report.warn_of_copies(TextHashes.from_text(training.source, training.target).count_copies(), "training")
        tokenizers, train, report = _build_training_data(training, settings, filters, links)
        keys = TextHashes.from_text(train.source_text, train.target_text)
        try:
            _save(folder, identity, _CachedData(tokenizers, train, report, keys))
        except OSError as problem:
            raise DataError(
                f"Prepared data cannot be written to {folder}: {problem.strerror}. Choose another folder for the cache."
            ) from None
        found = _open_cached(folder, settings) or _CachedData(tokenizers, train, report, keys)
    else:
        logger.info("prepared data: %s", folder)
    cached = training is None
    tokenizers, train, report, keys = found
    data_report.log_report(report)
    about["copies"]["train"] = keys.count_copies()
    if cached:
        data_report.warn_of_copies(about["copies"]["train"], "training")
    if filters.overfit is not None:
        text, test = Bitext(list(train.source_text), list(train.target_text)), None
        places, about["overlap"] = range(train.pairs), {}
    else:
        about["overlap"] = _find_overlaps({"validation": text, "test": test}, keys)
    validation = tokenize(tokenizers, text.source, text.target)._replace(lines=np.asarray(places, dtype=np.int64))
    data_report.warn_of_long(validation)
    return PreparedData(tokenizers, train, validation, text, test, {**report, **about})


def _inspect(text: Bitext, test: Bitext | None) -> tuple[Bitext, Sequence[int], dict[str, Any]]:
    """The validation pairs that can be scored, their places, and what is to be said of them and of the test set.

    Raises DataError where nothing is left to score.
    """
    about: dict[str, Any] = {"blank": {}, "copies": {}}
    kept, places = leave_out_blank(text, "validation")
    for split, held in (("validation", text), ("test", test)):
        if held is not None:
            used = kept if split == "validation" else leave_out_blank(held, "test")[0]
            about["blank"][split] = count_blank(held)
            about["copies"][split] = TextHashes.from_text(used.source, used.target).count_copies()
            data_report.warn_of_blank(about["blank"][split], split)
            data_report.warn_of_copies(about["copies"][split], split)
    return kept, places, about


def _find_overlaps(held: dict[Split, Bitext | None], keys: TextHashes) -> dict[str, Any]:
    """What of the held-out text is in the training text."""
    found: dict[str, Any] = {}
    for split, text in held.items():
        if text is not None:
            found[split] = find_overlap(leave_out_blank(text, split)[0], keys)
            data_report.warn_of_overlap(found[split], split)
    return found


def _load_split(corpus: Corpus, split: Any) -> Bitext:
    text = corpus.load(split)
    if text is None or len(text.source) == 0:
        raise DataError(f"The corpus has no pairs in its {split} split, which training needs.")
    return text


def _build_training_data(
    text: Bitext, settings: SentencePieceTrainer, filters: Filters, links: LinkSource | None
) -> tuple[Tokenizers, TokenizedBitext, dict[str, Any]]:
    given = text.alignments
    # From here on lines are bytes in one array, half of what they need as strings.
    text = Bitext(PackedLines.from_lines(text.source), PackedLines.from_lines(text.target))
    with report_time(logger, f"learning a vocabulary from {len(text.source)} pairs"):
        tokenizers = settings.train(text.source, text.target)
    source, target = encode(tokenizers.source, text.source, "source"), encode(tokenizers.target, text.target, "target")
    kept, counts = filters.keep(source.lengths, target.lengths)
    if not kept.any():
        raise DataError(
            f"None of the {len(kept)} training pairs passed the filters ({data_report.format_dropped(counts)}). "
            "Lengths are "
            f"in pieces; widen filters.min_length={filters.min_length}, filters.max_length={filters.max_length} or "
            f"filters.max_ratio={filters.max_ratio}, or look at the training files."
        )
    source, target = source.select(kept), target.select(kept)
    report = {
        "pairs": counts,
        "source": _describe_side(source, tokenizers.source.vocab_size),
        "target": _describe_side(target, tokenizers.target.vocab_size),
    }
    rows = np.flatnonzero(kept)
    source_text, target_text = (
        PackedLines.from_lines(side[int(row)] for row in rows) for side in (text.source, text.target)
    )
    train = TokenizedBitext(source, target, source_text, target_text, rows)
    if links is not None:
        of_words = learn_links(text.source, text.target) if links == "em" else parse_links(given or ())
        train = train._replace(links=link_pieces(of_words, train, tokenizers))
    return tokenizers, train, report


def _describe_side(ids: RaggedIds, vocab_size: int) -> dict[str, Any]:
    return {
        "vocab_size": vocab_size,
        "tokens": len(ids.flat),
        "longest": int(ids.lengths.max()),
        "unknown_share": float((ids.flat == UNK).mean()),
    }


def _save(folder: Path, identity: Any, kept: _CachedData) -> None:
    """Writes beside `folder`, then renames: a reader sees all of it or nothing, whoever else writes the same."""
    tokenizers, train = kept.tokenizers, kept.train
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(folder.parent)
    with _open_unfinished(folder) as written:
        (written / "source.spm").write_bytes(tokenizers.source.serialized)
        if tokenizers.target is not tokenizers.source:
            (written / "target.spm").write_bytes(tokenizers.target.serialized)
        for side, ids, text in (
            ("source", train.source, train.source_text),
            ("target", train.target, train.target_text),
        ):
            assert isinstance(text, PackedLines)
            arrays: tuple[NDArray[Any], ...] = (ids.flat, ids.offsets, text.flat, text.offsets)
            for name, array in zip(_ARRAYS, arrays, strict=True):
                np.save(written / f"{side}.{name}.npy", array)
        for name, links in ({} if train.links is None else train.links._asdict()).items():
            np.save(written / f"links.{name}.npy", links)
        np.save(written / _LINES_FILE, train.lines)
        np.save(written / _KEYS_FILE, np.stack(kept.keys))
        seal_folder(written, {"identity": identity, "report": kept.report})
        _move_into_place(written, folder)


@contextlib.contextmanager
def _open_unfinished(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to fill, locked by this process while it lives; what is left of it is removed."""
    with contextlib.ExitStack() as opened:
        while True:
            written = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
            written.mkdir()
            with contextlib.suppress(OSError):  # without locks, nobody will tidy either
                opened.enter_context(_lock_folder(written))
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


def _open_cached(folder: Path, settings: SentencePieceTrainer) -> _CachedData | None:
    about = read_about(folder)
    if about is None:
        if folder.exists():
            logger.warning("prepared data in %s are damaged and will be made anew", folder)
        return None
    target = (folder / "target.spm").read_bytes() if "target.spm" in about["files"] else None
    tokenizers = settings.load((folder / "source.spm").read_bytes(), target)
    sides: list[Sequence[Any]] = [
        [np.load(folder / f"{side}.{name}.npy", mmap_mode="r") for name in _ARRAYS] for side in ("source", "target")
    ]
    (source, source_text), (target_ids, target_text) = (
        (RaggedIds(*side[:2]), PackedLines(*side[2:])) for side in sides
    )
    lines = np.load(folder / _LINES_FILE, mmap_mode="r")
    links = None
    if f"links.{_LINK_ARRAYS[0]}.npy" in about["files"]:
        links = PieceLinks(*(np.load(folder / f"links.{name}.npy", mmap_mode="r") for name in _LINK_ARRAYS))
    train = TokenizedBitext(source, target_ids, source_text, target_text, lines, links)
    return _CachedData(tokenizers, train, about["report"], TextHashes(*np.load(folder / _KEYS_FILE, mmap_mode="r")))
