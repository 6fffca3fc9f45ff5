"""BLEU as older papers report it: on lowercased text, tokenized by Moses. Not comparable with sacreBLEU's default."""

import logging
from collections.abc import Sequence

from nmt.evaluation.bleu import CorpusScore, compute_score
from nmt.evaluation.bleu_tokens import has_words
from nmt.evaluation.languages import find_moses_language

FALLBACK_LANGUAGE = "en"

MAX_CHARACTERS = 20_000
"""Of a line: the rules of Moses take a second for so many where all are punctuation, and four for twice as many."""

logger = logging.getLogger(__name__)


def compute_tokenized_scores(hypotheses: Sequence[str], *references: Sequence[str], language: str) -> list[CorpusScore]:
    """`compute_tokenized_bleu` alone; nothing for languages without spaces, which Moses does not cut into words, and
    nothing, with a warning, where a line has more than MAX_CHARACTERS characters."""
    if not has_words(language):
        return []
    longest = max((len(line) for text in (hypotheses, *references) for line in text), default=0)
    if longest > MAX_CHARACTERS:
        logger.warning(
            "literature BLEU is left out: a line has %d characters, and the rules of Moses take too long for more than "
            "%d. Split such lines into sentences to have it.",
            *(longest, MAX_CHARACTERS),
        )
        return []
    return [compute_tokenized_bleu(hypotheses, *references, language=language)]


def compute_tokenized_bleu(hypotheses: Sequence[str], *references: Sequence[str], language: str) -> CorpusScore:
    """BLEU after lowercasing, normalizing punctuation and tokenizing both sides, in the order of Multi30k's scripts.

    `language` is the code of the target language, or its English name. For a language that Moses does not know, it
    splits words by the rules for English, and the signature says so: `lang:xx=en`. Raises DataError as `bleu` does.
    """
    from importlib.metadata import version

    from sacrebleu.metrics.bleu import BLEU

    # The lines are tokenized on purpose, so sacreBLEU's warning about tokenized text (silenced by `force`) is moot.
    metric = BLEU(lowercase=True, tokenize="none", force=True)
    score = compute_score(metric, *(tokenize_moses(text, language) for text in (hypotheses, *references)))
    spoken = find_moses_language(language) or f"{language}={FALLBACK_LANGUAGE}"
    signature = f"{score.signature}|lower+moses.sacremoses-{version('sacremoses')}|lang:{spoken}"
    return CorpusScore("literature BLEU", score.value, signature, score.details)


def tokenize_moses(lines: Sequence[str], language: str) -> list[str]:
    """Each line lowercased, with Moses' plain quotes and dashes, and its tokens separated by single spaces.

    Moses' scripts read a line with its newline, and their rule for a full stop before a closing quotation mark asks for
    a character after the mark. So the normalizer gets the newline too.
    """
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    code = find_moses_language(language) or FALLBACK_LANGUAGE
    normalizer, tokenizer = MosesPunctNormalizer(lang=code), MosesTokenizer(lang=code)
    normalized = [normalizer.normalize(f"{line.lower()}\n") for line in lines]
    return [tokenizer.tokenize(line, escape=False, return_str=True) for line in normalized]
