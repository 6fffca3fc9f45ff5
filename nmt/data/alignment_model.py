"""One direction of word alignment by expectation maximization: IBM model 2 with a log-linear prior over positions.

    p(t | s) = prod_j sum_i p(a_j = i) t(t_j | s_i),    p(a_j = i) = (1 - p0) exp(-lambda |i / S - j / T|) / Z_j

with p0 for no word at all (Dyer, Chahuneau and Smith 2013: fast_align). The mean-field approximation of Bayes' rule,
with a Dirichlet prior over the translations of each word, keeps rare words from being linked to everything (Riley and
Gildea 2012).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.data.pair_cells import PairBlock, PairBucket, PairCells

NULL_PROBABILITY = 0.08
TENSION = 4.0
MIN_TENSION, MAX_TENSION = 0.1, 14.0
ALPHA = 0.01
"""fast_align's values."""

UNSEEN_PROBABILITY = 1e-9
"""Of a translation that was never met in training."""

BEAM = np.exp(-4.0)
"""What is less probable than this share of a word's best translation is none of its translations, once learnt."""

NEWTON_STEPS = 20
TENSION_TOLERANCE = 1e-4

Floats = NDArray[np.float64]


class Shape(NamedTuple):
    """What the pairs of one shape expect: of each generated word, the links; and of all, the distance of links."""

    links: Floats
    distance: float


@dataclass
class Direction:
    """One side given, the other generated: the parameters, and what an iteration counts.

    transposed: whether the source is generated. probability: of each kind, and of an unseen one. null: of each
    generated word, given none. given: the given word of each kind.
    """

    transposed: bool
    given: NDArray[np.int32]
    probability: Floats
    null: Floats
    tension: float = TENSION
    null_probability: float = NULL_PROBABILITY
    log_likelihood: float = 0.0
    count: Floats = field(default_factory=lambda: np.zeros(0))
    null_count: Floats = field(default_factory=lambda: np.zeros(0))
    shapes: dict[tuple[int, int], Shape] = field(default_factory=dict)

    def compute_prior(self, given: int, generated: int) -> Floats:
        """p(a_j = i) of every position, [generated given]."""
        weights = np.exp(-self.tension * measure_distances(given, generated))
        prior: Floats = (1.0 - self.null_probability) * weights / weights.sum(1, keepdims=True)
        return prior

    def iterate_posteriors(
        self, cells: PairCells
    ) -> Iterator[tuple[PairBlock, Floats, PairBucket, Floats, Floats, Floats]]:
        """For every block, its array of cells, and in turn for every bucket in it: p(a_j = i | both sentences) as
        [pair generated given], which is a view of the array, that of no word [pair generated], and p(t_j | s)."""
        side = cells.source if self.transposed else cells.target
        for block in cells.blocks:
            array = self.probability[block.kind]
            for bucket in block.buckets:
                size = bucket.pairs * bucket.target * bucket.source
                view = array[bucket.cell : bucket.cell + size].reshape(bucket.pairs, bucket.target, bucket.source)
                view = view.swapaxes(1, 2) if self.transposed else view
                start = side.offsets[bucket.first]
                ids = side.flat[start : start + bucket.pairs * view.shape[1]].reshape(bucket.pairs, -1)
                view *= self.compute_prior(view.shape[2], view.shape[1])
                null = self.null_probability * self.null[ids]
                total = view.sum(2) + null
                view /= total[..., None]
                yield block, array, bucket, view, null / total, total

    def expect(self, cells: PairCells) -> None:
        """Counts links under the present parameters: the E-step."""
        self.count, self.null_count = np.zeros(len(self.given)), np.zeros(len(self.null))
        self.log_likelihood, self.shapes = 0.0, {}
        side = cells.source if self.transposed else cells.target
        for block, array, bucket, posterior, null, total in self.iterate_posteriors(cells):
            self.log_likelihood += float(np.log(total).sum())
            start = side.offsets[bucket.first]
            np.add.at(self.null_count, side.flat[start : start + null.size], null.ravel())
            links = posterior.sum(0)
            shape, distances = (posterior.shape[2], posterior.shape[1]), measure_distances(*links.shape[::-1])
            before = self.shapes.get(shape, Shape(np.zeros(shape[1]), 0.0))
            self.shapes[shape] = Shape(before.links + links.sum(1), before.distance + float((links * distances).sum()))
            if bucket is block.buckets[-1]:
                np.add.at(self.count, block.kind, array)

    def maximize(self, alpha: float, *, optimize_tension: bool) -> None:
        """Parameters from counts: the M-step. alpha: of the Dirichlet prior; 0 is maximum likelihood."""
        totals = np.bincount(self.given, self.count).astype(np.float64)
        sizes = np.bincount(self.given)
        self.probability[:-1] = normalize(self.count, totals[self.given], sizes[self.given], alpha)
        seen = int(np.count_nonzero(self.null_count))
        self.null[:-1] = normalize(self.null_count[:-1], float(self.null_count.sum()), seen, alpha)
        if optimize_tension:
            self.tension = self.find_tension()

    def prune(self) -> None:
        """Treats improbable translations as unseen, so that a word without a probable one is linked to none."""
        best = np.zeros(int(self.given.max()) + 1)
        np.maximum.at(best, self.given, self.probability[:-1])
        self.probability[:-1][self.probability[:-1] < BEAM * best[self.given]] = UNSEEN_PROBABILITY

    def find_tension(self) -> float:
        """The lambda that makes the expected links most probable, by Newton's method on a concave function."""
        wanted = sum(shape.distance for shape in self.shapes.values())
        tension, low, high = self.tension, MIN_TENSION, MAX_TENSION
        for _ in range(NEWTON_STEPS):
            mean, variance = self._measure_model_distances(tension)
            low, high = (tension, high) if mean > wanted else (low, tension)
            step = tension + (mean - wanted) / variance if variance > 0 else tension
            step = step if low <= step <= high else (low + high) / 2
            if abs(step - tension) < TENSION_TOLERANCE:
                break
            tension = step
        return tension

    def _measure_model_distances(self, tension: float) -> tuple[float, float]:
        """Mean and variance of the distance of all expected links under the model, summed over links."""
        mean = variance = 0.0
        for (given, generated), shape in self.shapes.items():
            distances = measure_distances(given, generated)
            weights = np.exp(-tension * distances)
            weights /= weights.sum(1, keepdims=True)
            first = (weights * distances).sum(1)
            mean += float(shape.links @ first)
            variance += float(shape.links @ ((weights * distances**2).sum(1) - first**2))
        return mean, variance


def measure_distances(given: int, generated: int) -> Floats:
    """|i / S - j / T|, positions from 1, as [generated given]."""
    steps = np.arange(1, given + 1) / given - np.arange(1, generated + 1)[:, None] / generated
    return np.abs(steps)


def normalize(count: Floats, total: Floats | float, size: NDArray[np.int64] | int, alpha: float) -> Floats:
    """count / total, or exp(digamma(count + alpha) - digamma(total + alpha size)) for an alpha above 0."""
    if not alpha:
        return count / total
    return np.exp(compute_digamma(count + alpha) - compute_digamma(np.asarray(total + alpha * size, np.float64)))


def compute_digamma(values: Floats) -> Floats:
    """The derivative of the logarithm of the gamma function."""
    import torch

    return torch.from_numpy(np.atleast_1d(values)).digamma().numpy()
