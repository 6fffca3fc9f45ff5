"""Which words of two languages meet in a bitext: every pair of positions, by the kind of pair that it is."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.data.encoded import RaggedIds

BLOCK_CELLS = 2**21
"""So many pairs of positions, or those of one sentence pair if it has more, are worked on at once."""


class Block(NamedTuple):
    """Some sentence pairs: for every pair of a source and a target position which kind it is, target by target, and
    how many source positions each target position meets."""

    kind: NDArray[np.int32]
    times: NDArray[np.int32]


def choose_evenly(cells: NDArray[np.int64], limit: int) -> NDArray[np.bool_]:
    """Which sentence pairs are used, evenly spaced and with `limit` pairs of positions at most; none that has none.

    cells: the pairs of positions of each sentence pair. At least one sentence pair is used.
    """
    # Every n-th pair, for the least n that brings the cells under the bound.
    step = next(n for n in range(1, len(cells) + 1) if cells[::n].sum() <= limit or n == len(cells))
    is_used = np.zeros(len(cells), np.bool_)
    is_used[np.flatnonzero(cells)[::step]] = True
    return is_used


def split_blocks(source: RaggedIds, target: RaggedIds) -> Iterator[tuple[RaggedIds, RaggedIds]]:
    """The bitext, in its order, as parts of about BLOCK_CELLS pairs of positions."""
    ends = np.cumsum(source.lengths * target.lengths)
    _, starts = np.unique((ends - 1) // BLOCK_CELLS, return_index=True)
    for start, stop in itertools.pairwise([*starts.tolist(), len(ends)]):
        yield source.slice(start, stop), target.slice(start, stop)


def count_kinds(source: RaggedIds, target: RaggedIds, target_vocab: int) -> tuple[NDArray[np.int64], list[Block]]:
    """The kinds, which are the distinct pairs of a source and a target id, each as one number, in order; and the bitext
    as blocks of about BLOCK_CELLS pairs of positions, so that little more than one block is in memory as numbers."""
    kinds, found = np.zeros(0, np.int64), list[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]]()
    for part in split_blocks(source, target):
        entry, times = pair_positions(*part, target_vocab)
        own_kinds, places = np.unique(entry, return_inverse=True)
        found.append((own_kinds, places.astype(np.int32), times.astype(np.int32)))
        merged = np.sort(np.concatenate([kinds, own_kinds]))  # several times as fast as np.union1d
        kinds = merged[np.diff(merged, prepend=-1) != 0]
    return kinds, [Block(np.searchsorted(kinds, own)[places].astype(np.int32), times) for own, places, times in found]


def find_kinds(
    source: RaggedIds, target: RaggedIds, target_vocab: int, kinds: NDArray[np.int64]
) -> Iterator[NDArray[np.int32]]:
    """The same blocks by kinds that were counted before: a pair that is none of them has the number len(kinds)."""
    for part in split_blocks(source, target):
        own_kinds, places = np.unique(pair_positions(*part, target_vocab)[0], return_inverse=True)
        found = np.searchsorted(kinds, own_kinds)
        is_known = kinds[np.minimum(found, len(kinds) - 1)] == own_kinds
        yield np.where(is_known, found, len(kinds)).astype(np.int32)[places]


def pair_positions(
    source: RaggedIds, target: RaggedIds, target_vocab: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For every pair of a source and a target position, the two ids as one number, target position by target position;
    and how many source positions each target position meets."""
    times = np.repeat(source.lengths, target.lengths)
    starts = np.repeat(source.offsets[:-1], target.lengths)
    inside = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
    entry = source.flat[np.repeat(starts, times) + inside].astype(np.int64) * target_vocab
    return entry + np.repeat(target.flat, times), times
