"""Is one system better than another, or was the test set kind to it? Paired bootstrap resampling on BLEU."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from nmt.errors import ConfigError
from nmt.evaluation.bleu import check_lines

if TYPE_CHECKING:
    from sacrebleu.significance import Result

SEED_VARIABLE = "SACREBLEU_SEED"


class Comparison(NamedTuple):
    """BLEU of one system, and how it holds up on resampled test sets.

    bleu: on the test set itself; mean: over the resamples; ci: half the width of their 95 % interval, so mean +- ci;
    p_value: of the difference from the first system, None for that system itself.
    """

    bleu: float
    mean: float
    ci: float
    p_value: float | None


def paired_bootstrap(
    references: Sequence[str],
    systems: Mapping[str, Sequence[str]],
    *,
    samples: int = 1000,
    seed: int = 12345,
) -> dict[str, Comparison]:
    """Every system against the first, by sacreBLEU's paired bootstrap test   (Koehn 2004)

    p = (1 + how often |difference on a resample| - its mean > |difference|) / (samples + 1)

    Two systems with the same BLEU have p = 1, as there is no difference to explain; sacreBLEU's strict comparison would
    count nothing there and call them different. All systems are drawn with the same seed, so p does not depend on
    which others take part.
    Raises DataError if a system is not as long as the references, ConfigError if nothing can be drawn.
    """
    if samples < 1 or seed < 1:
        raise ConfigError(
            f"the paired bootstrap needs at least 1 sample and a seed of at least 1 (for sacreBLEU, seed 0 is "
            f"no seed); got samples {samples} and seed {seed}."
        )
    for name, hypotheses in systems.items():
        check_lines(hypotheses, references, name=f"the hypotheses of {name}")

    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.significance import PairedTest

    # The metric tokenizes its references once for all systems.
    metrics = {"BLEU": BLEU(references=[references])}
    with sacrebleu_seed(seed):
        test = PairedTest(list(systems.items()), metrics, None, test_type="bs", n_samples=samples)
    results: list[Result] = test()[1]["BLEU"]  # type: ignore[assignment]  # its table also has a column of names
    return {name: compared(result, results[0]) for name, result in zip(systems, results, strict=True)}


def seeds_bootstrap(
    references: Sequence[str],
    first: Sequence[Sequence[str]],
    other: Sequence[Sequence[str]],
    *,
    samples: int = 1000,
    seed: int = 12345,
) -> float:
    """p-value of the difference in BLEU between two kinds of system, each trained several times.

    The test of `paired_bootstrap`, with the mean of BLEU over the trainings in place of BLEU: a resample draws
    sentences, and every sentence comes with its translations by all trainings. Those of one sentence are never taken
    for independent evidence, as they would be if the trainings were concatenated to one long test set. With one
    training of each kind it is `paired_bootstrap`. It generalizes to other test sentences, not to other trainings.
    Raises as `paired_bootstrap` does.
    """
    if samples < 1 or seed < 1 or not first or not other:
        raise ConfigError(
            f"the paired bootstrap needs at least 1 sample, a seed of at least 1 and a training of each kind; got "
            f"samples {samples}, seed {seed}, and {len(first)} and {len(other)} trainings."
        )
    counted = [[statistics(hypotheses, references) for hypotheses in kind] for kind in (first, other)]
    one, two = (float(np.mean([corpus_bleu(system.sum(0)) for system in kind])) for kind in counted)
    if one == two:
        return 1.0
    rows = np.random.default_rng(seed).choice(len(references), size=(samples, len(references)), replace=True)
    means = np.array(
        [[np.mean([corpus_bleu(system[drawn].sum(0)) for system in kind]) for kind in counted] for drawn in rows]
    )
    differences = np.abs(means[:, 1] - means[:, 0])
    return float((1 + (differences - differences.mean() > abs(two - one)).sum()) / (samples + 1))


def statistics(hypotheses: Sequence[str], references: Sequence[str]) -> Int[ndarray, "line count"]:
    """What BLEU counts in each line: words of the hypothesis and of its reference, n-grams that match, n-grams."""
    from sacrebleu.metrics.bleu import BLEU

    check_lines(hypotheses, references)
    metric = BLEU(effective_order=True)  # without it sacreBLEU warns of scores of sentences, which are not used here
    scores = [metric.sentence_score(*pair) for pair in zip(hypotheses, ([line] for line in references), strict=True)]
    return np.array([[score.sys_len, score.ref_len, *score.counts, *score.totals] for score in scores])


def corpus_bleu(counts: Int[ndarray, " count"]) -> float:
    """BLEU from the sums of `statistics`, smoothed as sacreBLEU does by default."""
    from sacrebleu.metrics.bleu import BLEU

    hypothesis, reference, *grams = (int(count) for count in counts)
    order = len(grams) // 2
    return float(BLEU.compute_bleu(grams[:order], grams[order:], hypothesis, reference, smooth_method="exp").score)


def compared(result: "Result", first: "Result") -> Comparison:
    """sacreBLEU's result for one system beside its result for the first."""
    p_value = 1.0 if result.p_value is not None and result.score == first.score else result.p_value
    return Comparison(bleu=result.score, mean=float(result.mean or 0.0), ci=float(result.ci or 0.0), p_value=p_value)


@contextmanager
def sacrebleu_seed(seed: int) -> Iterator[None]:
    """The seed where sacreBLEU looks for it, for as long as it looks; the environment is then as it was before."""
    before = os.environ.get(SEED_VARIABLE)
    os.environ[SEED_VARIABLE] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ[SEED_VARIABLE]
        else:
            os.environ[SEED_VARIABLE] = before
