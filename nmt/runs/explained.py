"""One word of a run's own translation, explained: a section of its report."""

import logging

from nmt.attention.scored import ScoredAttention
from nmt.evaluation.validation import Validator
from nmt.explanation.trained import Choice, Translated, explain_translation
from nmt.report.explanation import Explanation
from nmt.translation.translator import BatchTranslator

logger = logging.getLogger(__name__)

MAX_PIECES = 60
"""Of the sentence, on either side: a report must stay small."""

COLUMNS = 4
"""Features of a vector that are shown."""


def explain_probe(validator: Validator) -> Explanation | None:
    """The middle word of the translation of the first probe sentence; None where there is no such sentence."""
    source = validator.text.source[: validator.sentences]
    chosen = validator.probes.choose(source, validator.translator.tokenizers.source)
    return explain_word(validator.translator, source[chosen[0]]) if chosen else None


def explain_word(translator: BatchTranslator, line: str) -> Explanation | None:
    """The middle word of the translation of a line; None where there is nothing to explain, with a warning where that
    is a fault: a report without this section is as good."""
    if not isinstance(translator.model.decoder.attention, ScoredAttention):
        return None
    try:
        (ids,) = translator.tokenizers.source.encode([line])
        (found,) = translator.translate_ids([ids])
        target = found.hypotheses[0].tokens if found.hypotheses else []
        if not target or max(len(ids), len(target)) > MAX_PIECES:
            return None
        words = translator.tokenizers.target.get_word_indices(target)
        middle = words.index(words[len(words) // 2])
        translated = Translated(ids, target, found.text)
        return explain_translation(
            translator.model, translator.tokenizers, translated, Choice(middle), max_columns=COLUMNS
        )
    except Exception as problem:
        logger.warning("no word could be explained: %r", problem)
        return None
