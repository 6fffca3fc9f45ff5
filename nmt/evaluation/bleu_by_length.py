"""BLEU by the length of the source: where translations break down   (Luong, Pham and Manning 2015, figure 6; Koehn and
Knowles 2017, section 3.5)."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from nmt.evaluation.bleu import check_lines
from nmt.evaluation.bleu_tokens import DEFAULT_TOKENIZER
from nmt.evaluation.resampling import compute_statistics, corpus_bleu


class Bucket(NamedTuple):
    """Sentences of `first` to `last` source words, how many, and their corpus BLEU."""

    first: int
    last: int
    sentences: int
    bleu: float


def score_by_length(
    source: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    buckets: int = 6,
    tokenize: str = DEFAULT_TOKENIZER,
) -> list[Bucket]:
    """BLEU of at most `buckets` groups of sentences, about equally many in each, that share no length.

    The bounds follow from the sources alone, so all translations of one test set have the same. Lines without words are
    left out. `tokenize` is as in `bleu`. Raises DataError unless every hypothesis has a source and a reference.
    """
    check_lines(hypotheses, references)
    check_lines(hypotheses, source, name="the hypotheses for these sources")
    (counted,) = compute_statistics([hypotheses], references, tokenize=tokenize)
    return score_length_buckets(source, counted, buckets=buckets)


def score_length_buckets(
    source: Sequence[str], counted: Int[ndarray, "line count"], *, buckets: int = 6
) -> list[Bucket]:
    """The same of translations whose `statistics` are known."""
    sizes = np.array([len(line.split()) for line in source])
    order = np.sort(sizes[sizes > 0])
    # The lengths at which a new bucket begins; equal ones fall together.
    starts = sorted({int(part[0]) for part in np.array_split(order, buckets) if part.size})
    found = []
    for start, end in itertools.pairwise([*starts, np.inf]):
        rows = (sizes >= start) & (sizes < end)
        score = float(corpus_bleu(counted[rows].sum(0)))
        found.append(Bucket(int(sizes[rows].min()), int(sizes[rows].max()), int(rows.sum()), score))
    return found
