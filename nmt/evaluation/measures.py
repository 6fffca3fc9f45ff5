"""What attention does, in numbers: how sharp, how complete, how monotonic, and how alike two models are.

Pure functions of weights alpha[t, s], the weight of source position s for target position t, not negative. Rows need
not sum to one (Luong's Gaussian takes mass away): where a measure is about where a row looks, the row is first divided
by its sum, p = alpha / sum alpha, and a row without any mass says nothing and is left out. `docs/measures.md` tells
what each measure is for, and where it misleads.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from nmt.evaluation.alignment import to_words

PEAK_BLOCK = 256
"""Target positions that are compared with all later ones at a time."""


class PairAttention(NamedTuple):
    """The attention of one sentence pair.

    weights: between pieces, EOS last on both sides; source_words, target_words: the word of each piece, EOS left out;
    punctuation: for each of these source pieces, whether it is nothing but punctuation.
    """

    weights: Float[ndarray, "target source"]
    source_words: Sequence[int]
    target_words: Sequence[int]
    punctuation: Sequence[bool]


def compute_measures(pairs: Iterable[PairAttention]) -> dict[str, float]:
    """Every measure over a corpus, by name; one without anything to measure is left out.

    Means over target pieces: `entropy`, `largest`, `effective`, `diagonal` (EOS's row counted), `end`, `punctuation`
    (EOS's row left out, as a sentence should end by looking at the end). Over source words: `coverage`. Over sentence
    pairs: `monotonicity`, `lagging`. Over all weights: `zeros`.
    """
    found: dict[str, list[ndarray]] = {}
    for pair in pairs:
        for name, values in compute_pair_values(pair).items():
            found.setdefault(name, []).append(values)
    joined = {name: np.concatenate(values) for name, values in found.items()}
    return {name: float(values.mean()) for name, values in joined.items() if values.size}


def compute_pair_values(pair: PairAttention) -> dict[str, Float[ndarray, " _"]]:
    """The single values that `compute_measures` averages."""
    weights = pair.weights.astype(np.float64)
    looks, within = normalize_rows(weights), normalize_rows(weights[:-1])
    places = np.arange(weights.shape[1])
    marks = np.array([*pair.punctuation, False])
    surprise = entropy(looks)
    order = monotonicity(weights)
    return {
        "entropy": surprise,
        "effective": np.exp(surprise),
        "largest": compute_largest_weight(looks),
        "zeros": (weights == 0).ravel().astype(np.float64),
        "coverage": coverage(to_words(weights, pair.target_words, pair.source_words)),
        "end": compute_share(within, places == weights.shape[1] - 1),
        "punctuation": compute_share(within, marks),
        "monotonicity": np.array([] if order is None else [order]),
        "diagonal": compute_diagonal_distance(weights),
        "lagging": compute_lagging(weights),
    }


def normalize_rows(weights: Float[ndarray, "target source"]) -> Float[ndarray, "looking source"]:
    """p = alpha / sum_s alpha for the rows that have mass."""
    mass = weights.sum(-1, keepdims=True)
    rows = mass[:, 0] > 0
    divided: ndarray = weights[rows] / mass[rows]
    return divided


# Sharp or spread --------------------------------------------------------------------------------------------------


def entropy(probabilities: Float[ndarray, "target source"]) -> Float[ndarray, " target"]:
    """H = -sum_s p log p in nats: 0 for one position, log n for n alike   (Shannon 1948; of attention: Ghader and Monz
    2017, Vig and Belinkov 2019)"""
    # Summands of probability zero are zero, the limit of p log p. The sum is at least zero but for rounding.
    found: ndarray = np.maximum(-(probabilities * np.log(np.where(probabilities > 0, probabilities, 1.0))).sum(-1), 0.0)
    return found


def compute_effective_positions(probabilities: Float[ndarray, "target source"]) -> Float[ndarray, " target"]:
    """exp H, the number of positions that, looked at alike, would be as spread   (Hill 1973, order 1)"""
    found: ndarray = np.exp(entropy(probabilities))
    return found


def compute_largest_weight(probabilities: Float[ndarray, "target source"]) -> Float[ndarray, " target"]:
    """max_s p: how much the position that is looked at most gets   ("confidence" of a head: Voita et al. 2019)"""
    found: ndarray = probabilities.max(-1, initial=0.0)
    return found


def compute_share(
    probabilities: Float[ndarray, "target source"], columns: Bool[ndarray, " source"]
) -> Float[ndarray, " target"]:
    """sum of p over some columns, such as EOS's   (attention to separators and punctuation: Clark et al. 2019)"""
    found: ndarray = probabilities[:, columns].sum(-1)
    return found


# All of the source ------------------------------------------------------------------------------------------------


def coverage(words: Float[ndarray, "target source"]) -> Float[ndarray, " source"]:
    """|1 - sum_t alpha_ts| for every source word: 0 where exactly one target word's worth of attention went

    From weights between words, EOS left out. The totals are the coverage of Tu et al. (2016, without fertility);
    Rikters and Fishel (2017) take log(1 + (1 - total)^2) of the same distance for their coverage deviation penalty.
    """
    found: ndarray = np.abs(1.0 - words.sum(0))
    return found


# Order ------------------------------------------------------------------------------------------------------------


def monotonicity(weights: Float[ndarray, "target source"]) -> float | None:
    """(C - D) / (C + D) over pairs of target positions, by the source positions with their largest weights

    C counts pairs in the order of the source, D pairs in the opposite order; pairs that look at the same position count
    as neither. 1 is monotonic, -1 reversed; None where no two differ.   (Goodman and Kruskal's gamma, 1954; of
    translations' order, by Kendall's tau: Birch and Osborne 2010)
    """
    peaks = weights[weights.sum(-1) > 0].argmax(-1)
    agreed = decided = 0
    for first in range(0, len(peaks), PEAK_BLOCK):  # so that a line of thousands of pieces takes little memory
        later, block = peaks[first:], peaks[first : first + PEAK_BLOCK]
        signs = np.triu(np.sign(later[None, :] - block[:, None]), k=1)
        agreed += int(signs.sum())
        decided += int(np.abs(signs).sum())
    return agreed / decided if decided else None


def compute_diagonal_distance(weights: Float[ndarray, "target source"]) -> Float[ndarray, " looking"]:
    """sum_s p_ts |s / (S - 1) - t / (T - 1)|: how far from the diagonal the mass lies, as a share of the sentence

    After the attention distance of Vig and Belinkov (2019), with both sentences stretched to length one. A side of one
    position lies at its start.
    """
    rows, columns = (np.arange(size) / max(size - 1, 1) for size in weights.shape)
    distances = np.abs(columns[None, :] - rows[:, None])[weights.sum(-1) > 0]
    found: ndarray = (normalize_rows(weights) * distances).sum(-1)
    return found


def compute_lagging(weights: Float[ndarray, "target source"]) -> Float[ndarray, " _"]:
    """1 / tau sum over t = 1 ... tau of d_t - (t - 1) S / T, in source positions   (Ma et al. 2019: average lagging)

    d_t is how many source positions there are up to the furthest that any row up to t has a weight at, and tau the
    first t with d_t = S, or T. One that keeps pace with the source has 1; one that begins with all of it has S. Nothing
    where no row has mass.
    """
    if not weights.any():
        return np.empty(0)
    target, source = weights.shape
    places = np.where(weights > 0, np.arange(1, source + 1), 0)
    read = np.maximum.accumulate(places.max(-1, initial=0))
    (ends,) = np.nonzero(read == source)
    steps = ends[0] + 1 if ends.size else target
    return np.array([(read[:steps] - np.arange(steps) * source / target).mean()])


# Two models -------------------------------------------------------------------------------------------------------


def jensen_shannon(
    first: Float[ndarray, "target source"], other: Float[ndarray, "target source"]
) -> Float[ndarray, " target"]:
    """H((p + q) / 2) - (H(p) + H(q)) / 2 in bits: 0 for equal rows, 1 for rows that share nothing   (Lin 1991; of
    attention: Jain and Wallace 2019)

    Both are distributions over the same source positions for the same target positions, such as those of two models
    which are made to produce the same translation.
    """
    middle = entropy((first + other) / 2)
    found: ndarray = np.clip((middle - (entropy(first) + entropy(other)) / 2) / np.log(2.0), 0.0, 1.0)
    return found


def total_variation(
    first: Float[ndarray, "target source"], other: Float[ndarray, "target source"]
) -> Float[ndarray, " target"]:
    """sum_s |p - q| / 2: the share of the mass that lies elsewhere, from 0 to 1"""
    found: ndarray = np.abs(first - other).sum(-1) / 2
    return found


class Disagreement(NamedTuple):
    """How differently two models look, a mean over target words: `divergence` in bits, `variation` as a share."""

    divergence: float
    variation: float
    words: int


def compute_disagreement(pairs: Iterable[tuple[Float[ndarray, "_ _"], Float[ndarray, "_ _"]]]) -> Disagreement | None:
    """Jensen-Shannon divergence and total variation between the weights of two models, over the rows that have mass in
    both; None where there are none. Raises ValueError where the two are not for the same words."""
    divergence, variation = [], []
    for first, other in pairs:
        if first.shape != other.shape:
            raise ValueError(
                f"two models can be compared on the same source and the same forced target only; got weights of shapes "
                f"{first.shape} and {other.shape}."
            )
        both = (first.sum(-1) > 0) & (other.sum(-1) > 0)
        one, two = normalize_rows(first[both]), normalize_rows(other[both])
        divergence.append(jensen_shannon(one, two))
        variation.append(total_variation(one, two))
    words = sum(map(len, divergence))
    if not words:
        return None
    return Disagreement(float(np.concatenate(divergence).mean()), float(np.concatenate(variation).mean()), words)


def is_punctuation(piece: str) -> bool:
    """Whether a piece is nothing but punctuation or symbols (Unicode categories P and S), word marks aside."""
    shown = piece.replace("\u2581", "")
    return bool(shown) and all(unicodedata.category(character)[0] in "PS" for character in shown)
