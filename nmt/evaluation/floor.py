"""Scores below which a model has not learnt to translate, so that no test may compare it."""

from collections.abc import Mapping, Sequence
from statistics import fmean

BLEU_FLOOR = 1.0
CHRF_FLOOR = 15.0
"""BLEU and chrF2 below which a model has not learnt. What has nothing to do with its source, such as one sentence for
all, or other sentences of the same text, gets BLEU 0.1 to 0.4 and chrF2 14 to 19 on the embedded corpus: few n-grams of
four words match by chance, and texts of one language share letters. Differences between such models are noise of
training, and with enough sentences a test over sentences finds them all."""

RULE = f"BLEU below {BLEU_FLOOR:g} or chrF below {CHRF_FLOOR:g}"
"""For messages."""

Scores = Mapping[str, int | float]
"""By the names that sacreBLEU gives them; scores that are absent say nothing."""


def average(runs: Sequence[Scores]) -> dict[str, float]:
    """The means of BLEU and chrF2 over the runs that have them."""
    known = {name: [scores[name] for scores in runs if name in scores] for name in ("BLEU", "chrF2")}
    return {name: fmean(values) for name, values in known.items() if values}


def is_unlearnt(scores: Scores) -> bool:
    """Whether BLEU or chrF2 is below its floor."""
    return scores.get("BLEU", BLEU_FLOOR) < BLEU_FLOOR or scores.get("chrF2", CHRF_FLOOR) < CHRF_FLOOR


def format_scores(scores: Scores) -> str:
    """The two scores for a message: `BLEU 0.12 and chrF 9.3`."""
    bleu = [f"BLEU {scores['BLEU']:.2f}"] if "BLEU" in scores else []
    return " and ".join([*bleu, f"chrF {scores['chrF2']:.1f}"] if "chrF2" in scores else bleu)


def explain_unlearnt(scores: Scores) -> str | None:
    """What such scores mean and what to do; None for those of a model that has learnt."""
    if not is_unlearnt(scores):
        return None
    if scores.get("chrF2", 0.0) >= CHRF_FLOOR:
        return (
            f"{format_scores(scores)}: hardly any words match. If the target language has no spaces between words, "
            "BLEU needs a tokenizer for it. If it has, the model has not learnt to translate: train longer "
            "(training.stop), or try another optimizer.learning_rate"
        )
    return (
        f"{format_scores(scores)} are those of a model that has not learnt to translate ({RULE}). Train longer "
        "(training.stop), see whether the loss still falls, and try another optimizer.learning_rate"
    )
