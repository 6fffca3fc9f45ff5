"""Corpus scores by sacreBLEU, each with the signature that makes it comparable (Post 2018)."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt.errors import DataError
from nmt.evaluation.bleu_tokens import DEFAULT_TOKENIZER

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

MAX_TER_WORDS = 200
"""Words of a line for which TER takes seconds. It grows with their square and more, in time and in memory."""

logger = logging.getLogger(__name__)


class CorpusScore(NamedTuple):
    """A corpus score as sacreBLEU calls it, in percent and not rounded, with the settings it was computed under.
    `details`: what BLEU is made of; None for scores that have no parts."""

    name: str
    value: float
    signature: str
    details: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Its fields for JSON, without details where there are none."""
        return {name: value for name, value in self._asdict().items() if value is not None}


def bleu(hypotheses: Sequence[str], *references: Sequence[str], tokenize: str = DEFAULT_TOKENIZER) -> CorpusScore:
    """BLEU with sacreBLEU's defaults: cased, exponential smoothing   (Papineni et al. 2002).

    `references` has a text for each set of references; `tokenize` is a name that sacreBLEU knows, see `bleu_tokens`.
    `force` keeps sacreBLEU from taking what an untrained model says for text that was tokenized before.

    Raises DataError if there are no lines or the texts are not equally long.
    """
    from sacrebleu.metrics.bleu import BLEU

    return compute_score(BLEU(force=True, tokenize=tokenize), hypotheses, *references)


def chrf(hypotheses: Sequence[str], *references: Sequence[str]) -> CorpusScore:
    """chrF2: the F2 score of character n-grams up to order 6   (Popovic 2015). Raises as `bleu` does."""
    from sacrebleu.metrics.chrf import CHRF

    return compute_score(CHRF(), hypotheses, *references)


def ter(hypotheses: Sequence[str], *references: Sequence[str]) -> CorpusScore:
    """Translation edit rate, lower is better; may exceed 100   (Snover et al. 2006). Raises as `bleu` does.

    Its words are what stands between spaces, so that it says little of languages without spaces.
    """
    from sacrebleu.metrics.ter import TER

    return compute_score(TER(), hypotheses, *references)


METRICS: dict[str, Callable[..., CorpusScore]] = {"bleu": bleu, "chrf": chrf, "ter": ter}


def compute_scores(
    hypotheses: Sequence[str], *references: Sequence[str], tokenize: str = DEFAULT_TOKENIZER
) -> dict[str, CorpusScore]:
    """Every score of METRICS under its key; `tokenize` is for BLEU. Raises as `bleu` does.

    TER is left out, with a warning, where a line has more than MAX_TER_WORDS words.
    """
    settings = {"bleu": {"tokenize": tokenize}}
    longest, number = find_longest_line(hypotheses, *references)
    metrics = dict(METRICS)
    if longest > MAX_TER_WORDS:
        logger.warning(
            "TER is left out: line %d has %d words, and above %d words a line its search for moved words takes too "
            "long. Split such lines into sentences to have it.",
            *(number, longest, MAX_TER_WORDS),
        )
        del metrics["ter"]
    return {key: metric(hypotheses, *references, **settings.get(key, {})) for key, metric in metrics.items()}


def find_longest_line(*texts: Sequence[str]) -> tuple[int, int]:
    """The words of the longest line, which are what stands between spaces, and its number from 1; 0, 0 without one."""
    lengths = ((len(line.split()), number) for text in texts for number, line in enumerate(text, start=1))
    return max(lengths, key=lambda found: found[0], default=(0, 0))


def compute_score(metric: "Metric", hypotheses: Sequence[str], *references: Sequence[str]) -> CorpusScore:
    """What `metric` says of the corpus, against one or more references per line. Raises as `bleu` does."""
    for each in references:
        check_lines(hypotheses, each)
    result = metric.corpus_score(hypotheses, references)
    return CorpusScore(result.name, float(result.score), str(metric.get_signature()), get_bleu_components(result))


def get_bleu_components(result: Any) -> dict[str, Any] | None:
    """BLEU = brevity_penalty * the geometric mean of the precisions of n-grams (in percent, n = 1 to 4).

    brevity_penalty = exp(min(0, 1 - 1 / length_ratio)); lengths are in tokens of the signature. None for other scores.
    """
    if not hasattr(result, "precisions"):
        return None
    return {
        "precisions": [float(value) for value in result.precisions],
        "brevity_penalty": float(result.bp),
        "length_ratio": float(result.ratio),
        "hypothesis_length": int(result.sys_len),
        "reference_length": int(result.ref_len),
    }


def check_lines(hypotheses: Sequence[str], references: Sequence[str], *, name: str = "the hypotheses") -> None:
    """Raise DataError unless line n of `hypotheses` can be a translation with reference n, for at least one line."""
    if len(hypotheses) != len(references):
        raise DataError(
            f"every hypothesis needs its reference, but {name} have {len(hypotheses)} lines and the references "
            f"{len(references)}. Give the two texts in the same order, with an empty line where a translation is empty."
        )
    if not references:
        raise DataError("a corpus score needs at least one line, but the references are empty.")
