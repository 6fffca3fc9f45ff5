"""Scores of each corpus of a mixture, beside those of all."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nmt.data.corpus import Corpus
from nmt.data.mix.report import get_languages
from nmt.data.quality import pick
from nmt.evaluation.bleu import CorpusScore, bleu, chrf
from nmt.evaluation.bleu_tokens import choose_tokenizer


class TargetLanguage(NamedTuple):
    """That of a corpus, and the tokenization in which its BLEU is counted."""

    language: str
    tokenize: str


def find_languages(settings: Mapping[str, Any], corpus: Corpus) -> dict[str, TargetLanguage]:
    """The target languages of the corpora of a mixture, by their names, for a run with these settings; none for one
    corpus alone."""
    tokenize = settings["bleu"]["tokenize"]
    return {
        name: TargetLanguage(language, choose_tokenizer(tokenize, language))
        for name, language in get_languages(corpus).items()
    }


def group_by_corpus(corpora: Sequence[str] | None) -> dict[str, list[int]]:
    """The places of the pairs of each corpus, in the order of their names; none where there is one corpus alone."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(corpora or ()):
        places.setdefault(name, []).append(place)
    return dict(sorted(places.items()))


def score_corpora(
    hypotheses: Sequence[str],
    references: Sequence[str],
    corpora: Sequence[str] | None,
    languages: Mapping[str, TargetLanguage],
) -> dict[str, CorpusScore]:
    """BLEU and chrF of each corpus, as `bleu.NAME` and `chrf.NAME`."""
    found: dict[str, CorpusScore] = {}
    for name, places in group_by_corpus(corpora).items():
        texts = pick(hypotheses, places), pick(references, places)
        scores = {"bleu": bleu(*texts, tokenize=languages[name].tokenize), "chrf": chrf(*texts)}
        found |= {f"{key}.{name}": score._replace(name=f"{score.name} {name}") for key, score in scores.items()}
    return found
