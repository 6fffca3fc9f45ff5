"""BLEU as older papers report it: on lowercased text, tokenized by Moses. Not comparable with sacreBLEU's default."""

from collections.abc import Sequence

from nmt.evaluation.bleu import CorpusScore, compute_score
from nmt.evaluation.bleu_tokens import has_words

FALLBACK_LANGUAGE = "en"


def compute_tokenized_scores(hypotheses: Sequence[str], *references: Sequence[str], language: str) -> list[CorpusScore]:
    """`tokenized_bleu` alone; nothing for languages without spaces, which Moses does not cut into words."""
    return [compute_tokenized_bleu(hypotheses, *references, language=language)] if has_words(language) else []


def compute_tokenized_bleu(hypotheses: Sequence[str], *references: Sequence[str], language: str) -> CorpusScore:
    """BLEU after lowercasing, normalizing punctuation and tokenizing both sides, in the order of Multi30k's scripts.

    `language` is the two-letter code of the target language. For a language that sacremoses does not know, it splits
    words by the rules for English, and the signature says so: `lang:xx=en`. Raises DataError as `bleu` does.
    """
    from importlib.metadata import version

    from sacrebleu.metrics.bleu import BLEU
    from sacremoses.corpus import NonbreakingPrefixes

    # The lines are tokenized on purpose, so sacreBLEU's warning about tokenized text (silenced by `force`) is moot.
    metric = BLEU(lowercase=True, tokenize="none", force=True)
    score = compute_score(metric, *(tokenize_moses(text, language) for text in (hypotheses, *references)))
    spoken = language if language in NonbreakingPrefixes().available_langs else f"{language}={FALLBACK_LANGUAGE}"
    signature = f"{score.signature}|lower+moses.sacremoses-{version('sacremoses')}|lang:{spoken}"
    return CorpusScore("literature BLEU", score.value, signature, score.details)


def tokenize_moses(lines: Sequence[str], language: str) -> list[str]:
    """Each line lowercased, with Moses' plain quotes and dashes, and its tokens separated by single spaces.

    Moses' scripts read a line with its newline, and their rule for a full stop before a closing quotation mark asks for
    a character after the mark. So the normalizer gets the newline too.
    """
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalizer, tokenizer = MosesPunctNormalizer(lang=language), MosesTokenizer(lang=language)
    normalized = [normalizer.normalize(f"{line.lower()}\n") for line in lines]
    return [tokenizer.tokenize(line, escape=False, return_str=True) for line in normalized]
