"""From training text to ids: the vocabulary, the filters, the links, and what is to be told of them.

All of it goes through files: the text as it is read, then what is kept of it, both mapped into memory. So many pairs
need hardly more memory than few.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.data import data_report
from nmt.data.array_files import ArrayFile, RaggedFile, open_ids, open_lines
from nmt.data.corpus import Bitext
from nmt.data.encoded import PackedLines, PieceLinks, RaggedIds, TokenizedBitext
from nmt.data.encoding import EncodedPart, Processes, StoredText, encode_text
from nmt.data.filters import MAX_EXAMPLES, Filters, describe_pairs
from nmt.data.links import LinkSource, learn_links, link_pieces, parse_links
from nmt.data.mix.tags import remove_tags
from nmt.data.quality import TextHashes, count_copies, explain_no_pairs
from nmt.data.tokenizer import SentencePieceTrainer, Tokenizers
from nmt.errors import DataError
from nmt.progress import report_progress, report_time
from nmt.special_tokens import UNK

ARRAYS = ("flat", "offsets", "text", "text_offsets")
"""Of each side: ids and where those of each sentence begin, and its text."""

LINK_ARRAYS = PieceLinks._fields
LINES_FILE = "lines.npy"
KEYS_FILE = "keys.npy"

RAW_FILES = tuple(f"all.{side}.{name}.npy" for side in ("source", "target") for name in ARRAYS[2:])
"""The text as it was read, while what is kept of it is not yet written."""

logger = logging.getLogger(__name__)


class TrainingPairs(NamedTuple):
    """What training needs of the training text. report: counts, as JSON. keys: hashes of the pairs in `train`."""

    tokenizers: Tokenizers
    train: TokenizedBitext
    report: dict[str, Any]
    keys: TextHashes


class ReadText(NamedTuple):
    """Training text in files, its links as they were given, and its pairs that say the same on both sides."""

    text: StoredText
    links: list[str]
    copies: dict[str, Any]
    places: NDArray[np.int64] | None = None
    """Where pairs stood before others were left out; None where they stand there still."""
    prefixes: Sequence[str] = ()
    """The tags that source lines may begin with."""


def store_text(chunks: Iterable[Bitext], folder: Path, prefixes: Sequence[str] = ()) -> ReadText:
    """Writes all text into files in `folder`, as it is read; prefixes: the tags that source lines may begin with.
    Raises DataError where there is none."""
    files = [folder / name for name in RAW_FILES]
    sides = RaggedFile(*files[:2]), RaggedFile(*files[2:])
    links: list[str] = []
    read = copies = 0
    with report_progress(logger, None, "reading", " pairs") as report:
        for chunk in chunks:
            for side, lines in zip(sides, chunk[:2], strict=True):
                packed = PackedLines.from_lines(lines)
                side.append(packed.flat, packed.offsets)
            links += chunk.alignments or ()
            copies += count_copies(chunk._replace(source=remove_tags(chunk.source, prefixes)))
            read += len(chunk.source)
            report(len(chunk.source))
    if not read:
        raise DataError(explain_no_pairs("train"))
    for side in sides:
        side.close()
    about = {"read": read, "pairs": copies, "share": copies / max(1, read)}
    return ReadText(StoredText.open(*files), links, about, prefixes=prefixes)


def build_training_pairs(
    read: ReadText,
    folder: Path,
    settings: SentencePieceTrainer,
    filters: Filters,
    links: LinkSource | None,
    processes: Processes = 1,
) -> TrainingPairs:
    """The pairs that pass the filters, as ids of a vocabulary that is learnt from the text, in files in `folder`, which
    are mapped into memory. Raises DataError for none."""
    text = read.text
    with report_time(logger, f"learning a vocabulary from {len(text.source)} pairs"):
        tokenizers = settings.train(text.source, text.target)
    tally = Tally(tokenizers)
    parts = encode_text(text, tokenizers, filters, settings, processes, read.prefixes)
    _write_pairs(folder, text, _count(parts, tally, filters), read.places)
    if not tally.counts["kept"]:
        raise DataError(
            f"None of the {tally.counts['read']} training pairs passed the filters "
            f"({data_report.format_dropped(tally.counts)}). "
            f"Lengths are in pieces; widen filters.min_length={filters.min_length}, "
            f"filters.max_length={filters.max_length} or filters.max_ratio={filters.max_ratio}, or look at the "
            "training files."
        )
    train, keys = open_pairs(folder)
    if links is not None:
        of_words = learn_links(text.source, text.target) if links == "em" else parse_links(read.links)
        lines = train.lines if read.places is None else np.searchsorted(read.places, train.lines)
        train = train._replace(links=link_pieces(of_words, train._replace(lines=lines), tokenizers))
    report = tally.describe(train) | {"dropped": tally.describe_dropped(read)}
    return TrainingPairs(tokenizers, train, report, keys)


class Tally:
    """What is counted while parts go by."""

    def __init__(self, tokenizers: Tokenizers) -> None:
        self.tokenizers = tokenizers
        self.counts: dict[str, int] = {}
        self.longest = [0, 0]
        self.unknown = [0, 0]
        self.dropped: dict[str, list[int]] = {}

    def add(self, part: EncodedPart) -> None:
        for reason, count in part.counts.items():
            self.counts[reason] = self.counts.get(reason, 0) + count
        for reason, places in part.examples.items():
            known = self.dropped.setdefault(reason, [])
            known += places.tolist()[: MAX_EXAMPLES - len(known)]
        for side, (ids, reader) in enumerate(zip((part.source, part.target), self.tokenizers, strict=True)):
            self.longest[side] = max(self.longest[side], int(ids.lengths.max(initial=0)))
            if reader.reads_text:
                self.unknown[side] += int(((ids.flat == UNK) | (ids.flat >= reader.vocab_size)).sum())

    def describe(self, train: TokenizedBitext) -> dict[str, Any]:
        """The report of `TrainingPairs`."""
        source, target = self._describe_side(0, train.source), self._describe_side(1, train.target)
        return {"pairs": self.counts, "source": source, "target": target}

    def describe_dropped(self, read: ReadText) -> dict[str, list[list[Any]]]:
        """By reason, some of the pairs that were left out."""
        text = Bitext(read.text.source, read.text.target)
        return {reason: describe_pairs(text, places, read.places) for reason, places in self.dropped.items() if places}

    def _describe_side(self, side: int, ids: RaggedIds) -> dict[str, Any]:
        tokens, longest, reader = len(ids.flat), self.longest[side], self.tokenizers[side]
        if not reader.reads_text:
            return {"features": list(ids.flat.shape[1:]), "tokens": tokens, "longest": longest}
        share = self.unknown[side] / tokens
        return {"vocab_size": reader.vocab_size, "tokens": tokens, "longest": longest, "unknown_share": share}


def _count(parts: Iterable[EncodedPart], tally: Tally, filters: Filters) -> Iterator[EncodedPart]:
    """The same parts, counted; with `filters.overfit`, only the first so many pairs."""
    for part in parts:
        if filters.overfit is not None:
            part = _cut(part, filters.overfit - tally.counts.get("kept", 0))
        tally.add(part)
        yield part


def _cut(part: EncodedPart, pairs: int) -> EncodedPart:
    """A part with its first so many pairs alone."""
    if len(part.keys) <= pairs:
        return part
    kept = part.kept & (np.cumsum(part.kept) <= pairs)
    source, target = part.source.slice(0, pairs), part.target.slice(0, pairs)
    return EncodedPart(kept, {**part.counts, "kept": pairs}, source, target, part.keys[:pairs], part.examples)


def _write_pairs(
    folder: Path, text: StoredText, parts: Iterable[EncodedPart], places: NDArray[np.int64] | None
) -> None:
    """Writes the ids, the text, the places and the hashes of the pairs that are kept; `places` as `ReadText` has it."""
    names = {side: [folder / f"{side}.{name}.npy" for name in ARRAYS] for side in ("source", "target")}
    ids = [RaggedFile(*paths[:2]) for paths in names.values()]
    kept_text = [RaggedFile(*paths[2:]) for paths in names.values()]
    lines, keys = ArrayFile(folder / LINES_FILE), ArrayFile(folder / KEYS_FILE, by_column=True)
    first = 0
    with report_progress(logger, len(text.source), "encoding", " pairs") as report:
        for part in parts:
            stop = first + len(part.kept)
            for file, side in zip(ids, (part.source, part.target), strict=True):
                file.append(*side)
            for file, packed in zip(kept_text, (text.source, text.target), strict=True):
                file.append(*RaggedIds(packed.flat, packed.offsets).slice(first, stop).select(part.kept))
            rows = np.flatnonzero(part.kept) + first
            lines.append(rows if places is None else places[rows])
            keys.append(part.keys)
            report(len(part.kept))
            first = stop
    for ragged in (*ids, *kept_text):
        ragged.close()
    lines.close()
    keys.close()


def open_pairs(folder: Path) -> tuple[TokenizedBitext, TextHashes]:
    """The pairs in the files of a folder, mapped into memory, without links, and their hashes."""
    names = [[folder / f"{side}.{name}.npy" for name in ARRAYS] for side in ("source", "target")]
    (source, source_text), (target, target_text) = ((open_ids(*paths[:2]), open_lines(*paths[2:])) for paths in names)
    lines: NDArray[np.int64] = np.load(folder / LINES_FILE, mmap_mode="r")
    keys = TextHashes(*np.load(folder / KEYS_FILE, mmap_mode="r"))
    return TokenizedBitext(source, target, source_text, target_text, lines), keys
