"""The scores that a run ends with: those of its test split, or of its validation split where there is no other."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from nmt.data.corpus import Bitext, Measure
from nmt.data.held_out import select_pairs
from nmt.data.mix.corpus import MULTIPLE_LANGUAGES
from nmt.data.quality import find_complete, pick
from nmt.evaluation.alignment import parse_pharaoh
from nmt.evaluation.bleu import compute_scores
from nmt.evaluation.by_corpus import TargetLanguage, group_by_corpus
from nmt.evaluation.literature import compute_tokenized_scores
from nmt.evaluation.pointing import measure_pointing
from nmt.evaluation.validation import compute_exact, compute_word_alignments, score_forced_alignments
from nmt.storage.files import write_atomically
from nmt.translation.translator import BatchTranslator

TASK = "task"
"""In place of the signature of a score, where a task measures it."""


class FinalScores(NamedTuple):
    """scores: of the translations, as scores.json has them. alignment: AER, precision and recall where there are gold
    links, and pointing where there are boxes. speed: sentences translated a second."""

    scores: list[dict[str, Any]]
    alignment: dict[str, float]
    speed: float


def score_translations(
    translator: BatchTranslator,
    text: Bitext,
    folder: Path,
    *,
    name: str,
    language: str,
    tokenize: str,
    measure: Measure | None = None,
    languages: Mapping[str, TargetLanguage] = MappingProxyType({}),
) -> FinalScores:
    """Translates a split, whose `name` stands in the names of the scores, and writes its lines to files in `folder`.
    measure: what a task measures of its hypotheses, beside how many are met word for word. languages: of the corpora of
    a mixture, which are scored one by one as well.

    Of several processes, the first writes and scores; the others get no scores.
    """
    start = time.perf_counter()
    hypotheses = [translation.text for translation in translator.translate(text.source, progress=True)]
    speed = len(hypotheses) / (time.perf_counter() - start)
    complete = select_pairs(text, find_complete(text.source, text.target))
    alignment = score_alignment(translator, complete) | score_pointing(translator, complete)

    def write_and_score() -> list[dict[str, Any]]:
        for kind, lines in (("source", text.source), ("hypotheses", hypotheses), ("references", text.target)):
            write_atomically(folder / f"{name}.{kind}.txt", "".join(line.replace("\n", " ") + "\n" for line in lines))
        found = score_split(text.source, hypotheses, text.target, name=name, language=language, tokenize=tokenize)
        for corpus, places in group_by_corpus(text.corpora).items():
            texts = (pick(lines, places) for lines in (text.source, hypotheses, text.target))
            scores = score_split(*texts, name=name, **languages[corpus]._asdict())
            found += [{**score, "name": f"{score['name']} {corpus}"} for score in scores]
        if measure is not None:
            values = {"exact": compute_exact(hypotheses, text.target), **measure(text.source, hypotheses, text.target)}
            known = {key: value for key, value in values.items() if math.isfinite(value)}  # none without answers
            found += [{"name": f"{name} {key}", "value": value, "signature": TASK} for key, value in known.items()]
        return found

    return FinalScores(translator.ranks.work_on_first(write_and_score) or [], alignment, speed)


def score_split(
    source: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    name: str,
    language: str,
    tokenize: str,
) -> list[dict[str, Any]]:
    """All scores of the translations of a split, as scores.json has them, with its name before their own.

    Pairs whose source or reference is blank are left out.
    """
    places = find_complete(source, references)
    hypotheses, references = pick(hypotheses, places), pick(references, places)
    found = [*compute_scores(hypotheses, references, tokenize=tokenize).values()]
    if language != MULTIPLE_LANGUAGES:
        found += compute_tokenized_scores(hypotheses, references, language=language)
    return [{**score.as_dict(), "name": f"{name} {score.name}"} for score in found]


def score_alignment(translator: BatchTranslator, text: Bitext) -> dict[str, float]:
    """AER, precision and recall of links on the pairs of a split, where it has gold ones and there is attention."""
    if text.alignments is None or not translator.model.has_attention:
        return {}
    gold = parse_pharaoh(text.alignments, name="the gold links")
    found = score_forced_alignments(translator, text.source, text.target, gold, position="predicted")
    return {"AER": found.aer, "precision": found.precision, "recall": found.recall}


def score_pointing(translator: BatchTranslator, text: Bitext) -> dict[str, float]:
    """The mass of attention in the boxes of what words name, where a split has boxes and there is attention."""
    if text.boxes is None or not translator.model.has_attention:
        return {}
    weights = compute_word_alignments(translator, text.source, text.target, position="predicted")
    return measure_pointing(translator.tokenizers.source, text.source, text.boxes, weights)
