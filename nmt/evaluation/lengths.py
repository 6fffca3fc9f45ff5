"""BLEU by the length of the source: where translations break down   (Koehn and Knowles 2017, section 3.5)."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nmt.evaluation.bleu import bleu, check_lines


class Bucket(NamedTuple):
    """Sentences of `first` to `last` source words, how many, and their corpus BLEU."""

    first: int
    last: int
    sentences: int
    bleu: float


def by_length(
    source: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], *, buckets: int = 6
) -> list[Bucket]:
    """BLEU of at most `buckets` groups of sentences, about equally many in each, that share no length.

    The bounds follow from the sources alone, so all translations of one test set have the same. Lines without words are
    left out. Raises DataError unless there is a source and a reference for every hypothesis.
    """
    check_lines(hypotheses, references)
    check_lines(hypotheses, source, name="the hypotheses for these sources")
    sizes = np.array([len(line.split()) for line in source])
    order = np.sort(sizes[sizes > 0])
    # The lengths at which a new bucket begins; equal ones fall together.
    starts = sorted({int(part[0]) for part in np.array_split(order, buckets) if part.size})
    found = []
    for start, end in itertools.pairwise([*starts, np.inf]):
        rows = np.flatnonzero((sizes >= start) & (sizes < end)).tolist()
        score = bleu([hypotheses[row] for row in rows], [references[row] for row in rows]).value
        found.append(Bucket(int(sizes[rows].min()), int(sizes[rows].max()), len(rows), score))
    return found
