"""Is one system better than another, or was the test set kind to it? Paired bootstrap resampling on BLEU."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

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
