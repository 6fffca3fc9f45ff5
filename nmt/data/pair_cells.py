"""Sentence pairs sorted by their shape, source words by target words: those of one shape are worked on together."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.data.encoded import RaggedIds
from nmt.data.lexicon import split_blocks


class PairBucket(NamedTuple):
    """Sentence pairs of one shape: the first of them, how many, source and target words of each, and their first cell
    in the block."""

    first: int
    pairs: int
    source: int
    target: int
    cell: int


class PairBlock(NamedTuple):
    """The kind of every pair of positions of some sentence pairs, and these pairs by shape."""

    kind: NDArray[np.int32]
    buckets: list[PairBucket]


class PairCells(NamedTuple):
    """Sentence pairs in order of their shapes. order: their places in the bitext."""

    source: RaggedIds
    target: RaggedIds
    order: NDArray[np.int64]
    blocks: list[PairBlock]


def sort_pairs(source: RaggedIds, target: RaggedIds) -> tuple[RaggedIds, RaggedIds, NDArray[np.int64]]:
    """The pairs with words on both sides, those of one shape together; and their places."""
    full = np.flatnonzero(source.lengths * target.lengths)
    order = full[np.lexsort((target.lengths[full], source.lengths[full]))]
    return source.take(order), target.take(order), order


def make_buckets(source: RaggedIds, target: RaggedIds) -> list[list[PairBucket]]:
    """For each block of sorted pairs, the runs of one shape."""
    found, first = list[list[PairBucket]](), 0
    for part in split_blocks(source, target):
        lengths, others = part[0].lengths, part[1].lengths
        starts = np.flatnonzero(np.diff(lengths, prepend=-1) | np.diff(others, prepend=-1))
        cells = np.concatenate([[0], np.cumsum(lengths * others)])
        sizes = np.diff(starts, append=len(lengths))
        rows = zip((starts + first), sizes, lengths[starts], others[starts], cells[starts], strict=True)
        found.append([PairBucket(*map(int, row)) for row in rows])
        first += len(lengths)
    return found
