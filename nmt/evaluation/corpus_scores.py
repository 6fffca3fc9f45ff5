"""All scores of a text against its references: what nmt-evaluate and `nmt.evaluate` compute.

sacreBLEU and NumPy are imported where they are used, so that mistakes are answered before.
"""

import logging
from typing import TYPE_CHECKING, NamedTuple

from nmt.errors import DataError
from nmt.evaluation.bleu_tokens import choose_tokenizer, warn_unspaced

if TYPE_CHECKING:
    from nmt.evaluation.bleu import CorpusScore

logger = logging.getLogger(__name__)


class ScoringInput(NamedTuple):
    """What is scored: texts of as many lines each, references in one or several sets. language: of both, if known."""

    source: list[str] | None
    hypotheses: list[str]
    references: list[list[str]]
    language: str | None


def score_texts(texts: ScoringInput, *, tokenize: str) -> "list[CorpusScore]":
    """BLEU in the tokens of `tokenize`, chrF and TER; where the language is known, BLEU as older papers report it too.

    Raises DataError for texts that cannot be scored.
    """
    from nmt.evaluation.bleu import compute_scores
    from nmt.evaluation.literature import compute_tokenized_scores

    hypotheses, references, language = texts.hypotheses, texts.references, texts.language
    warn_unspaced(references[0], tokenize, language, "language")
    chosen = choose_tokenizer(tokenize, language)
    found = [*compute_scores(hypotheses, *references, tokenize=chosen).values()]
    if language is not None:
        found += compute_tokenized_scores(hypotheses, *references, language=language)
    return found


def drop_blank_lines(texts: ScoringInput) -> ScoringInput:
    """The same without lines whose references are all blank, or whose source is, with a warning. Raises DataError where
    no line is left."""
    from nmt.data.quality import pick

    source, references = texts.source, texts.references
    indices = [
        place
        for place, parts in enumerate(zip(*references, strict=True))
        if any(part.strip() for part in parts) and (source is None or source[place].strip())
    ]
    if not indices:
        raise DataError("There is nothing to score: the references have no line of text with a source.")
    if len(indices) < len(texts.hypotheses):
        logger.warning(
            "%d of %d lines are left out of the scores: they have a blank reference%s",
            *(len(texts.hypotheses) - len(indices), len(texts.hypotheses)),
            "" if source is None else ", or a blank source",
        )
    return texts._replace(
        source=None if source is None else pick(source, indices),
        hypotheses=pick(texts.hypotheses, indices),
        references=[pick(each, indices) for each in references],
    )
