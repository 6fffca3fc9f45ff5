"""Training text to ids, part after part, by this process or by several; the order is that of the text."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.data.array_files import open_lines
from nmt.data.encoded import LINES_PER_CHUNK, PackedLines, RaggedIds, encode_pairs
from nmt.data.filters import Filters
from nmt.data.line_errors import shift_lines
from nmt.data.mix.tags import remove_tags
from nmt.data.quality import TextHashes
from nmt.data.tokenizer import SentencePieceTrainer, Tokenizers
from nmt.errors import ConfigError
from nmt.workers import map_in_order

Processes = int | Literal["auto"]
"""How many processes encode; `auto` leaves it to `choose_processes`."""

MIN_SHARED_PAIRS = 300_000
"""Fewer pairs are encoded by one process, before others would have begun."""

MAX_PROCESSES = 16
"""The most that `auto` starts: the one that writes is then the slowest."""

MAX_SET_PROCESSES = 1000
"""The most that may be set."""

PAIRS_PER_ANSWER = 16_384
"""What a process encodes at one time, which is then copied from it to this one."""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How training text is prepared. processes: how many encode it; what they make does not depend on it."""

    processes: Processes = "auto"

    def __post_init__(self) -> None:
        if self.processes != "auto" and not 1 <= self.processes <= MAX_SET_PROCESSES:
            raise ConfigError(f"preparation.processes={self.processes} must be from 1 to {MAX_SET_PROCESSES}, or auto.")


class EncodedPart(NamedTuple):
    """Neighbours among the training pairs. kept: which of them pass the filters; `counts` as `Filters.keep` has them.

    examples: as `Filters.keep` has them, their places in the whole text. All else is of those that are kept: ids, and
    64-bit hashes as `TextHashes` has them [pair, 3], of source lines without the tags of a mixture.
    """

    kept: NDArray[np.bool_]
    counts: dict[str, int]
    source: RaggedIds
    target: RaggedIds
    keys: NDArray[np.uint64]
    examples: dict[str, NDArray[np.int64]]


class StoredText(NamedTuple):
    """The two sides of a text, as they lie in files: bytes and offsets of the source, then of the target."""

    files: tuple[Path, Path, Path, Path]
    source: PackedLines
    target: PackedLines

    @classmethod
    def open(cls, *files: Path) -> "StoredText":
        """As it lies in four files, mapped into memory."""
        first, second, third, fourth = files
        return cls((first, second, third, fourth), open_lines(first, second), open_lines(third, fourth))


class PartEncoder:
    """Encodes pairs of a text, from one place to before another, and keeps those that pass the filters."""

    def __init__(
        self, tokenizers: Tokenizers, text: StoredText, filters: Filters, prefixes: Sequence[str] = ()
    ) -> None:
        self.prefixes = prefixes
        self.tokenizers = tokenizers
        self.text = text
        self.filters = filters

    def __call__(self, first: int, places: range) -> EncodedPart:
        """Raises LineError, which counts lines from the beginning of the text."""
        part = slice(first, first + len(places))
        lines = self.text.source[part], self.text.target[part]
        with shift_lines(first):
            source, target = encode_pairs(self.tokenizers, *lines)
        kept, counts, examples = self.filters.keep(source.lengths, target.lengths)
        rows = np.flatnonzero(kept)
        sources, targets = ([side[row] for row in rows] for side in lines)
        keys = np.stack(TextHashes.from_text(remove_tags(sources, self.prefixes), targets), axis=1)
        examples = {reason: places + first for reason, places in examples.items()}
        return EncodedPart(kept, counts, source.select(kept), target.select(kept), keys, examples)


def encode_text(
    text: StoredText,
    tokenizers: Tokenizers,
    filters: Filters,
    settings: SentencePieceTrainer,
    processes: Processes,
    prefixes: Sequence[str] = (),
) -> Iterator[EncodedPart]:
    """All pairs of a text, in order; prefixes: the tags that its source lines may begin with. What is yielded does not
    depend on the number of processes. Raises LineError."""
    pairs = len(text.source)
    filters = replace(filters, overfit=None)  # which counts from the beginning
    count = choose_processes(processes, pairs) if tokenizers.source.reads_text else 1
    if count == 1:
        encode_part = PartEncoder(tokenizers, text, filters, prefixes)
        yield from (encode_part(first, places) for first, places in cut_text(pairs, LINES_PER_CHUNK))
        return
    source, target = tokenizers
    models = source.serialized, None if target is source else target.serialized
    chunks = cut_text(pairs, PAIRS_PER_ANSWER)
    answers = map_in_order(chunks, count, make_part_encoder, settings, models, text.files, filters, prefixes)
    yield from (answer for _, answer in answers)


def cut_text(pairs: int, size: int) -> Iterator[tuple[int, range]]:
    """The places of so many pairs, `size` together, each time with the first."""
    for first in range(0, pairs, size):
        yield first, range(first, min(pairs, first + size))


def make_part_encoder(
    settings: SentencePieceTrainer,
    models: tuple[bytes, bytes | None],
    files: tuple[Path, Path, Path, Path],
    filters: Filters,
    prefixes: Sequence[str],
) -> PartEncoder:
    """What encodes in a process of its own."""
    return PartEncoder(settings.load(*models), StoredText.open(*files), filters, prefixes)


def choose_processes(processes: Processes, pairs: int) -> int:
    """How many processes encode so many pairs: the number that is set, or one for each CPU that this process may use
    where there is enough to do."""
    if processes != "auto":
        return processes
    if pairs < MIN_SHARED_PAIRS:
        return 1
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cpus, MAX_PROCESSES)
