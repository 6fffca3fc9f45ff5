"""Alignments of pairs, between words, by weights of attention or of importance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nmt.config import build_variant, check
from nmt.data.sources.reader import SourceItem
from nmt.data.tokenizer import Tokenizers
from nmt.evaluation.explanation import compute_word_importances
from nmt.evaluation.extraction import EXTRACTIONS, Extraction
from nmt.evaluation.importance import ImportanceMethod
from nmt.evaluation.measures import PairAttention
from nmt.evaluation.validation import compute_forced_attention, get_word_weights
from nmt.inference.results import END_PIECE, Alignment
from nmt.search.protocols import Hypothesis
from nmt.translation.translator import BatchTranslator, Position

AnyWeights = Float[ndarray, "_ _"]
"""Those of one of several pairs, each of its own size."""


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
    weights: Float[ndarray, "known_target known_source"],
    piece_weights: Float[ndarray, "target_piece source_piece"] | None,
    *,
    source: Sequence[str],
    target: Sequence[str],
    pieces: tuple[SourceItem, Sequence[int]],
    extract: Extraction,
    tags: int = 0,
) -> Alignment:
    """The alignment of a pair of `source` and `target` words, whose ids are `pieces`, by weights between words. tags:
    so many of the first source words are none of the line's own, and are left out."""
    weights, source = expand_to_words(weights, target, source)[:, tags:], source[tags:]
    source_ids, target_ids = pieces
    return Alignment(
        source=list(source),
        target=list(target),
        weights=weights,
        links=frozenset(extract(weights)),
        source_pieces=[*tokenizers.source.label(source_ids), END_PIECE],
        target_pieces=[*tokenizers.target.convert_ids_to_pieces(target_ids), END_PIECE],
        piece_weights=piece_weights,
    )


def align_hypothesis(
    tokenizers: Tokenizers, line: str, ids: SourceItem, text: str, hypothesis: Hypothesis, *, tags: int = 0
) -> Alignment | None:
    """The attention of a hypothesis as the search saw it; None where it kept no weights.

    ids: the pieces of the line that were translated, which may be its beginning only. tags: as `make_alignment` says.
    """
    if hypothesis.weights is None:
        return None
    owners, words = tokenizers.source.encode_with_words(line)[1], tokenizers.source.split_words(line)
    if len(owners) > len(ids):
        owners = owners[: len(ids)]
        words = words[: max(owners, default=-1) + 1]
    pair = PairAttention(hypothesis.weights, owners, tokenizers.target.get_word_indices(hypothesis.tokens), ())
    pieces = ids, hypothesis.tokens
    return make_alignment(
        tokenizers,
        get_word_weights(pair, position="predicted"),
        pair.weights,
        source=words,
        target=text.split(),
        pieces=pieces,
        extract=build_extraction("argmax"),
        tags=tags,
    )


def average_attention(
    workers: Sequence[BatchTranslator], source: Sequence[str], target: Sequence[str], *, position: Position
) -> list[tuple[AnyWeights, AnyWeights | None]]:
    """Attention between the words of each pair, and between its pieces: the mean over the models."""
    found = [compute_forced_attention(worker, source, target) for worker in workers]
    means = (same[0]._replace(weights=average([pair.weights for pair in same])) for same in zip(*found, strict=True))
    return [(get_word_weights(pair, position=position), pair.weights) for pair in means]


def average_importances(
    workers: Sequence[BatchTranslator],
    source: Sequence[str],
    target: Sequence[str],
    method: ImportanceMethod,
    *,
    copies: int,
) -> list[tuple[AnyWeights, AnyWeights | None]]:
    """Importances between the words of each pair, as shares of a row, and None for its pieces: the mean over the
    models."""
    found = [compute_word_importances(worker, source, target, method, copies=copies) for worker in workers]
    return [(average(same), None) for same in zip(*found, strict=True)]


def average(matrices: Sequence[AnyWeights]) -> AnyWeights:
    """The mean of matrices of one size; that of one is the very same."""
    return matrices[0] if len(matrices) == 1 else np.asarray(np.mean(matrices, axis=0))
