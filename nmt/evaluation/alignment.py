"""Attention weights -> word links, and links against a gold alignment. A link is (source word, target word) from 0."""

from collections.abc import Sequence, Set
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nmt.data.pharaoh import Gold as Gold
from nmt.data.pharaoh import Link as Link
from nmt.data.pharaoh import check_sizes as check_sizes
from nmt.data.pharaoh import format_pharaoh as format_pharaoh
from nmt.data.pharaoh import parse_pharaoh as parse_pharaoh
from nmt.data.pharaoh import parse_pharaoh_line as parse_pharaoh_line
from nmt.data.symmetrization import SYMMETRIZATIONS as SYMMETRIZATIONS
from nmt.data.symmetrization import grow_diag_final_and as grow_diag_final_and
from nmt.data.symmetrization import intersection as intersection
from nmt.data.symmetrization import reverse as reverse
from nmt.data.symmetrization import symmetrize as symmetrize
from nmt.data.symmetrization import union as union
from nmt.errors import DataError


class AlignmentScores(NamedTuple):
    """Alignment error rate (lower is better), precision and recall as fractions, and how many links were judged."""

    aer: float
    precision: float
    recall: float
    links: int


# Weights -> links ---------------------------------------------------------------------------------------------------


def to_words(
    weights: Float[np.ndarray, "target_piece source_piece"],
    target_words: Sequence[int],
    source_words: Sequence[int],
) -> Float[np.ndarray, "target source"]:
    """Weights between words: the sum over a source word's pieces, the mean over a target word's pieces.

    `target_words[t]` is the word that target piece t belongs to, `source_words[s]` that of source piece s. Rows and
    columns beyond the lists are dropped: EOS has no word. A word that owns no piece keeps zero weights; how many words
    there are follows from the highest index. Raises ValueError if there are more pieces than weights.
    """
    rows, columns = np.asarray(target_words, dtype=np.intp), np.asarray(source_words, dtype=np.intp)
    if len(rows) > weights.shape[0] or len(columns) > weights.shape[1]:
        raise ValueError(
            f"{len(rows)} target and {len(columns)} source pieces need as many rows and columns of weights; "
            f"got weights of shape {weights.shape}."
        )
    words = np.zeros((rows.max(initial=-1) + 1, columns.max(initial=-1) + 1), dtype=weights.dtype)
    np.add.at(words, (rows[:, None], columns[None, :]), weights[: len(rows), : len(columns)])
    pieces = np.bincount(rows, minlength=len(words))
    return (words / np.maximum(pieces, 1)[:, None]).astype(weights.dtype)


def extract_argmax_links(weights: Float[np.ndarray, "target source"]) -> set[Link]:
    """One link for every target word: to the source word with the highest weight, the first of several such.

    A target word whose weights are all zero (it owns no piece, or its window missed the sentence) has no link.
    """
    return {(int(row.argmax()), target) for target, row in enumerate(weights) if row.size > 0 and row.max() > 0}


def extract_threshold_links(weights: Float[np.ndarray, "target source"], *, threshold: float) -> set[Link]:
    """Every link whose weight is greater than `threshold`; so 0 takes the support of a sparse normalizer."""
    return {(int(source), int(target)) for target, source in np.argwhere(weights > threshold)}


# Judgement ----------------------------------------------------------------------------------------------------------


def score_alignments(hypotheses: Sequence[Set[Link]], gold: Sequence[Gold]) -> AlignmentScores:
    """AER = 1 - (|A n S| + |A n P|) / (|A| + |S|) over all sentence pairs   (Och and Ney 2003)

    A are the links of the hypotheses, S the sure ones and P the possible ones of the gold. Precision is |A n P| / |A|,
    recall |A n S| / |S|. Where nothing was claimed precision is 1, where nothing is sure recall is 1. Raises DataError
    unless every sentence pair has its gold alignment.
    """
    if len(hypotheses) != len(gold):
        raise DataError(
            f"every sentence pair needs its gold alignment, but {len(hypotheses)} were aligned and the gold has "
            f"{len(gold)}. Line n of the gold must align sentence pair n."
        )
    pairs = list(zip(hypotheses, gold, strict=True))
    claimed = sum(len(links) for links, _ in pairs)
    sure = sum(len(truth.sure) for _, truth in pairs)
    found_sure = sum(len(links & truth.sure) for links, truth in pairs)
    found_possible = sum(len(links & truth.possible) for links, truth in pairs)
    return AlignmentScores(
        aer=1 - compute_ratio(found_sure + found_possible, claimed + sure),
        precision=compute_ratio(found_possible, claimed),
        recall=compute_ratio(found_sure, sure),
        links=claimed,
    )


def compute_ratio(part: int, whole: int) -> float:
    """part / whole, and 1 where there is nothing that could be missing."""
    return part / whole if whole else 1.0
