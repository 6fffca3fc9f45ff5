"""How much of an epoch each corpus has, and which of its pairs: a function of the seed and the epoch's number."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from nmt.data.ordered_rows import draw_order


def compute_shares(
    sizes: Sequence[int], *, weights: Sequence[float] | None = None, temperature: float = 1.0
) -> Float64[np.ndarray, " corpus"]:
    """The share of each corpus: p_i = w_i / sum_j w_j, or, without weights, n_i^(1/T) / sum_j n_j^(1/T) for corpora of
    n_i pairs   (Arivazhagan et al. 2019)"""
    with np.errstate(divide="ignore"):
        logs = np.log(np.asarray(sizes if weights is None else weights, dtype=np.float64))
    powers = np.exp((logs - logs.max()) / (temperature if weights is None else 1.0))
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares


def count_pairs(sizes: Sequence[int], shares: Sequence[float]) -> list[int]:
    """How many pairs of each corpus an epoch has: round(p_i N), where N = sum_j n_j is the number of all pairs, but no
    less than one where a corpus has any."""
    return [max(1, round(float(share) * sum(sizes))) if size else 0 for size, share in zip(sizes, shares, strict=True)]


class CorpusMixture(NamedTuple):
    """Corpora that lie one after another among the training pairs. sizes: the pairs of each. counts: how many an epoch
    has of each."""

    sizes: Sequence[int]
    counts: Sequence[int]

    def draw_order(self, draw: np.random.Generator) -> NDArray[np.int64]:
        """The rows of an epoch in the order of chance.

        Of a corpus of n pairs, c = q n + r with r < n are q whole passes and r different pairs at random.
        """
        rows, start = [], 0
        for size, count in zip(self.sizes, self.counts, strict=True):
            passes, rest = divmod(count, max(1, size))
            rows += [start + np.tile(np.arange(size), passes), start + draw_order(size, draw)[:rest]]
            start += size
        order = np.concatenate(rows)
        draw.shuffle(order)
        return order
