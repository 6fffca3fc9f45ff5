"""Alignments of given translations, between words, from the attention of one or several models."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nmt.config import build_variant, check
from nmt.data.tokenizer import Tokenizers
from nmt.evaluation.extraction import EXTRACTIONS, Extraction
from nmt.evaluation.measures import PairAttention
from nmt.evaluation.validation import get_word_weights
from nmt.inference.results import END_PIECE, Alignment
from nmt.search.protocols import Hypothesis
from nmt.translation.translator import Position


def build_extraction(extract: Any) -> Extraction:
    """What makes links of weights: `argmax`, or a mapping with its name and settings. Raises ConfigError."""
    chosen = {"name": extract} if isinstance(extract, str) else extract
    found: Extraction = build_variant(EXTRACTIONS, check({"extract": chosen}, {"extract": EXTRACTIONS})["extract"])
    return found


def expand_to_words(
    weights: Float[ndarray, "known_target known_source"], target: Sequence[str], source: Sequence[str]
) -> Float[ndarray, "target source"]:
    """The weights with a row and a column for every word: those at the end that have no piece get zeros."""
    matrix = np.zeros((len(target), len(source)), weights.dtype)
    matrix[: weights.shape[0], : weights.shape[1]] = weights
    return matrix


def make_alignment(
    tokenizers: Tokenizers,
    pair: PairAttention,
    *,
    source: Sequence[str],
    target: Sequence[str],
    pieces: tuple[Sequence[int], Sequence[int]],
    extract: Extraction,
    position: Position = "predicted",
) -> Alignment:
    """The alignment of a pair of `source` and `target` words, whose ids are `pieces`."""
    weights = expand_to_words(get_word_weights(pair, position=position), target, source)
    source_ids, target_ids = pieces
    return Alignment(
        source=list(source),
        target=list(target),
        weights=weights,
        links=frozenset(extract(weights)),
        source_pieces=[*tokenizers.source.convert_ids_to_pieces(source_ids), END_PIECE],
        target_pieces=[*tokenizers.target.convert_ids_to_pieces(target_ids), END_PIECE],
        piece_weights=pair.weights,
    )


def align_hypothesis(
    tokenizers: Tokenizers, line: str, ids: Sequence[int], text: str, hypothesis: Hypothesis
) -> Alignment | None:
    """The attention of a hypothesis as the search saw it; None where it kept no weights.

    ids: the pieces of the line that were translated, which may be its beginning only.
    """
    if hypothesis.weights is None:
        return None
    owners, words = tokenizers.source.encode_with_words(line)[1], line.split()
    if len(owners) > len(ids):
        owners = owners[: len(ids)]
        words = words[: max(owners, default=-1) + 1]
    pair = PairAttention(hypothesis.weights, owners, tokenizers.target.get_word_indices(hypothesis.tokens), ())
    pieces = ids, hypothesis.tokens
    return make_alignment(
        tokenizers, pair, source=words, target=text.split(), pieces=pieces, extract=build_extraction("argmax")
    )
