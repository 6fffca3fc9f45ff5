"""From lines of text to what explains their translations: measures, pictures, and alignments by importance."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nmt.data.sources.reader import FeatureReader
from nmt.data.spans import drop_spans
from nmt.data.tokenizer import Tokenizers
from nmt.evaluation.alignment import to_words
from nmt.evaluation.faithfulness import Explanations, Measures, compute_faithfulness
from nmt.evaluation.forced import ForcedPair
from nmt.evaluation.importance import ImportanceMethod, compute_importances, compute_shares
from nmt.evaluation.probes import EOS_WORD, Probes, round_weights
from nmt.translation.translator import BatchTranslator


class ExplainedTranslations(NamedTuple):
    """values: measure -> number. records: the probe sentences with their maps, as the report takes them."""

    values: dict[str, float]
    records: list[dict[str, Any]]


def explain_translations(
    translator: BatchTranslator, source: Sequence[str], settings: Measures, probes: Probes
) -> ExplainedTranslations:
    """How faithful attention is to the translations that the model gives of these lines; blank lines are left out."""
    lines = choose_lines(source, settings)
    results = translator.translate(lines, progress=True)
    found = [(line, result) for line, result in zip(lines, results, strict=True) if result.hypotheses]
    pairs = [make_pair(translator.tokenizers, line, result.hypotheses[0].tokens) for line, result in found]
    model, reader = translator.model, translator.tokenizers.source
    training = model.training
    model.eval()
    try:
        measured = compute_faithfulness(model, pairs, settings, tokens=translator.tokens)
    finally:
        model.train(training)
    records = [
        make_record(
            reader.split_words(found[number][0]), found[number][1].text, pairs[number], measured.explanations[number]
        )
        for number in probes.choose([line for line, _ in found], reader)
    ]
    return ExplainedTranslations(measured.values, records)


def choose_lines(source: Sequence[str], settings: Measures) -> list[str]:
    """The lines whose translations are measured."""
    return [line for line in source[: settings.sentences] if line.strip()]


def make_pair(tokenizers: Tokenizers, line: str, target: Sequence[int]) -> ForcedPair:
    """A line and the pieces of a translation of it; what is copied from outside the vocabulary counts as unknown."""
    reader = tokenizers.source
    ids, words = reader.encode_with_words(line)
    is_grid = isinstance(reader, FeatureReader) and reader.is_grid
    plain: Sequence[int] = drop_spans(target)  # type: ignore[assignment]  # which are ids
    return ForcedPair(drop_spans(ids), plain, words, tokenizers.target.get_word_indices(target), is_grid)


def make_record(words: Sequence[str], target: str, pair: ForcedPair, maps: Explanations) -> dict[str, Any]:
    """The maps of a translation between source words and its own, </s> last on both sides: attention as it is, and
    importances as shares of what is above 0 in a row, so that all have one scale."""
    spoken = target.split()
    columns = [*range(pair.words - 1), len(words)]  # words at the end that own no piece have columns too
    rows = [*pair.target_words, len(spoken)]
    found = {}
    for name, matrix in maps._asdict().items():
        between = to_words(matrix, rows, columns)
        found[name] = round_weights(between if name == "attention" else compute_shares(between))
    return {"source": [*words, EOS_WORD], "target": [*spoken, EOS_WORD], "maps": found}


def compute_word_importances(
    translator: BatchTranslator,
    source: Sequence[str],
    target: Sequence[str],
    method: ImportanceMethod,
    *,
    copies: int = 0,
) -> list[Float[ndarray, "_ _"]]:
    """Importances between the whitespace words of given pairs, in their order, as shares of a row: the mean over a
    target word's pieces; EOS is left out. Raises ModelError as `erase_from_memory` does."""
    tokenizers = translator.tokenizers
    sides = zip(source, map(tokenizers.target.encode_with_words, target), strict=True)
    pairs = [make_pair(tokenizers, line, ids)._replace(target_words=words) for line, (ids, words) in sides]
    found = compute_importances(translator.model, pairs, method, copies=copies, tokens=translator.tokens)
    return [
        compute_shares(to_words(np.asarray(matrix), pair.target_words, range(pair.words - 1)))
        for matrix, pair in zip(found, pairs, strict=True)
    ]
