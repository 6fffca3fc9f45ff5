"""Is one system better than another, or was the test set kind to it? Paired tests on BLEU, also of many systems."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from nmt.errors import ConfigError
from nmt.evaluation.bleu import check_lines
from nmt.evaluation.bleu_tokens import DEFAULT_TOKENIZER
from nmt.evaluation.resampling import ResampledSystem, corpus_bleu

if TYPE_CHECKING:
    from sacrebleu.significance import Result

SEED_VARIABLE = "SACREBLEU_SEED"

SAMPLES = 10_000
"""Of a comparison: what sacreBLEU takes for randomization. With fewer no p could be small enough to adjust."""

BLEU_TOLERANCE = 1e-9
"""Of BLEU: differences that are closer are the same."""


class BootstrapResult(NamedTuple):
    """BLEU of one system, and how it holds up on resampled test sets.

    bleu: on the test set itself; mean: over the resamples; ci: half the width of their 95 % interval, so mean +- ci;
    p_value: of the difference from the first system, None for that system itself.
    """

    bleu: float
    mean: float
    ci: float
    p_value: float | None


def run_paired_bootstrap(
    references: Sequence[str],
    systems: Mapping[str, Sequence[str]],
    *,
    samples: int = 1000,
    seed: int = 12345,
    tokenize: str = DEFAULT_TOKENIZER,
) -> dict[str, BootstrapResult]:
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
    metrics = {"BLEU": BLEU(references=[references], force=True, tokenize=tokenize)}
    with set_sacrebleu_seed(seed):
        test = PairedTest(list(systems.items()), metrics, None, test_type="bs", n_samples=samples)
    results: list[Result] = test()[1]["BLEU"]  # type: ignore[assignment]  # its table also has a column of names
    return {name: make_bootstrap_result(result, results[0]) for name, result in zip(systems, results, strict=True)}


# Several trainings ----------------------------------------------------------------------------------------------------


class PairedBleuTest(NamedTuple):
    """A paired test. `differences`: of BLEU between two systems, by chance alone or on chance's test sets; `p_value`:
    from the difference that was found and those."""

    differences: Callable[[ResampledSystem, ResampledSystem], Float64[ndarray, " sample"]]
    p_value: Callable[[float, Float64[ndarray, " sample"]], float]


class PValues(NamedTuple):
    """By test: of the difference of the means, and of that of each pair alone."""

    overall: dict[str, float]
    per_seed: list[dict[str, float]]


def compute_p_values(pairs: Sequence[tuple[ResampledSystem, ResampledSystem]]) -> PValues:
    """Every test of TESTS on two kinds of system, each trained several times: one pair of systems a seed.

    What is tested is the difference of the means of BLEU over the trainings. What chance does to a sentence, it does to
    its translations by all trainings at once: a bootstrap sample draws them all, randomization swaps them all. They are
    never taken for independent evidence, as they would be if the trainings were concatenated to one long test set. With
    one pair both tests are sacreBLEU's. They generalize to other test sentences, not to other trainings.
    Raises ConfigError if there is no pair.
    """
    if not pairs:
        raise ConfigError("a paired test needs at least one pair of systems; got none.")
    found = [two.bleu - one.bleu for one, two in pairs]
    together, alone = {}, [dict[str, float]() for _ in pairs]
    for name, test in TESTS.items():
        chance = [test.differences(one, two) for one, two in pairs]
        together[name] = test.p_value(float(np.mean(found)), np.mean(chance, axis=0))
        for place, p_value in enumerate(map(test.p_value, found, chance)):
            alone[place][name] = p_value
    return PValues(together, alone)


def compute_bootstrap_differences(first: ResampledSystem, other: ResampledSystem) -> Float64[ndarray, " sample"]:
    """Differences on the same bootstrap samples of the test set."""
    found: ndarray = other.bootstrap_bleu - first.bootstrap_bleu
    return found


def compute_randomization_differences(first: ResampledSystem, other: ResampledSystem) -> Float64[ndarray, " sample"]:
    """Differences when the two systems exchange their translations of the sentences for which the coin shows tails."""
    mine, theirs = (
        first.swap_statistics + (other.total - other.swap_statistics),
        other.swap_statistics + (first.total - first.swap_statistics),
    )
    found: ndarray = corpus_bleu(theirs) - corpus_bleu(mine)
    return found


def compute_shifted_p_value(difference: float, chance: Float64[ndarray, " sample"]) -> float:
    """p = (1 + #(abs(d) - mean abs(d) > abs(difference))) / (samples + 1)   (Koehn 2004, as in MultEval and sacreBLEU)

    No difference has p = 1, as there is none to explain. Where the difference is clear, only one side of the distances
    is ever counted, so that p < 0.05 is found about twice as often as it should be, by chance alone.
    """
    if abs(difference) <= BLEU_TOLERANCE:
        return 1.0
    distances = np.abs(chance)
    return float((1 + (distances - distances.mean() > abs(difference)).sum()) / (len(chance) + 1))


def compute_exceedance_p_value(difference: float, chance: Float64[ndarray, " sample"]) -> float:
    """p = (1 + #(abs(d) >= abs(difference))) / (samples + 1)   (Riezler and Maxwell 2005)

    sacreBLEU counts only what is greater. Where systems differ in a few sentences, chance often makes the very
    difference that was found, and without those p would be far too small.
    """
    return float((1 + (np.abs(chance) >= abs(difference) - BLEU_TOLERANCE).sum()) / (len(chance) + 1))


TESTS = {
    "bootstrap": PairedBleuTest(compute_bootstrap_differences, compute_shifted_p_value),
    "randomization": PairedBleuTest(compute_randomization_differences, compute_exceedance_p_value),
}
"""Paired bootstrap resampling (Koehn 2004) and paired approximate randomization (Riezler and Maxwell 2005)."""


# Several differences --------------------------------------------------------------------------------------------------


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being several, in their order   (Holm 1979)

    With p_(1) <= ... <= p_(m):   adjusted_(i) = max over j <= i of min(1, (m - j + 1) p_(j))

    If what has adjusted < alpha is called different, the probability that anything is called so wrongly is at most
    alpha, whatever the p-values have to do with one another.
    """
    found, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        found[place] = least
    return found


# sacreBLEU ------------------------------------------------------------------------------------------------------------


def make_bootstrap_result(result: "Result", first: "Result") -> BootstrapResult:
    """sacreBLEU's result for one system beside its result for the first."""
    p_value = 1.0 if result.p_value is not None and result.score == first.score else result.p_value
    return BootstrapResult(
        bleu=result.score, mean=float(result.mean or 0.0), ci=float(result.ci or 0.0), p_value=p_value
    )


@contextmanager
def set_sacrebleu_seed(seed: int) -> Iterator[None]:
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
