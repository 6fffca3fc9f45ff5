"""BLEU on many test sets that are not there: what each line adds to BLEU is counted once, and then only summed anew."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int, Int64, Num
from numpy import ndarray

from nmt.errors import ConfigError
from nmt.evaluation.bleu import check_lines
from nmt.evaluation.bleu_tokens import DEFAULT_TOKENIZER

SAMPLES_PER_BLOCK = 512
"""Samples drawn at once. A multiple of 32, as numpy makes 32 coins of one number and would start anew at each block."""


class ResampledSystem(NamedTuple):
    """One system on other test sets, which are the same for all systems that were resampled together.

    bleu: on the test set itself; bootstrap_bleu: on test sets of as many lines, drawn from its lines with replacement;
    total: what BLEU counts in all lines; swap_statistics: in those lines for which a coin came up heads.
    """

    bleu: float
    bootstrap_bleu: Float64[ndarray, " sample"]
    total: Float64[ndarray, " count"]
    swap_statistics: Float64[ndarray, "sample count"]


def resample_systems(
    counted: Sequence[Int[ndarray, "line count"]], *, samples: int, seed: int
) -> list[ResampledSystem]:
    """Systems of one test set, given by their `compute_statistics`, each with as many `samples` of both kinds.

    Lines are drawn, and coins thrown, by the generator of sacreBLEU's paired tests with the same seed: what is drawn is
    what those draw. Raises ConfigError if nothing can be drawn.
    """
    if samples < 1 or seed < 1:
        raise ConfigError(
            f"resampling needs at least 1 sample and a seed of at least 1 (for sacreBLEU, seed 0 is no seed); got "
            f"samples {samples} and seed {seed}."
        )
    if not counted:
        return []
    table = np.stack(counted, axis=1).astype(np.float64)  # line, system, count
    lines, systems, counts = table.shape
    flat = table.reshape(lines, systems * counts)

    def sum_blocks(blocks: Iterator[Num[ndarray, "sample line"]]) -> Float64[ndarray, "sample system count"]:
        sums: ndarray = np.concatenate([block @ flat for block in blocks]).reshape(samples, systems, counts)
        return sums

    bootstrap_bleu = corpus_bleu(sum_blocks(draw_bootstrap_counts(samples, lines, seed)))
    swap_statistics = sum_blocks(draw_swap_coins(samples, lines, seed))
    totals = table.sum(0)
    return [
        ResampledSystem(float(corpus_bleu(totals[i])), bootstrap_bleu[:, i], totals[i], swap_statistics[:, i].copy())
        for i in range(systems)
    ]


def draw_bootstrap_counts(samples: int, lines: int, seed: int) -> Iterator[Int64[ndarray, "sample line"]]:
    """How often each line is drawn in each sample; a row sums to `lines`."""
    chance = np.random.default_rng(seed)
    for size in iterate_block_sizes(samples):
        drawn = chance.choice(lines, size=(size, lines), replace=True) + lines * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * lines).reshape(size, lines)


def draw_swap_coins(samples: int, lines: int, seed: int) -> Iterator[Float64[ndarray, "sample line"]]:
    """A fair coin for each line of each sample, heads 1 and tails 0."""
    chance = np.random.default_rng(seed)
    for size in iterate_block_sizes(samples):
        yield chance.integers(2, size=(size, lines), dtype=bool).astype(np.float64)


def iterate_block_sizes(samples: int) -> Iterator[int]:
    """The sizes of blocks that make so many samples."""
    for start in range(0, samples, SAMPLES_PER_BLOCK):
        yield min(SAMPLES_PER_BLOCK, samples - start)


# BLEU ---------------------------------------------------------------------------------------------------------------


def compute_statistics(
    systems: Sequence[Sequence[str]], references: Sequence[str], *, tokenize: str = DEFAULT_TOKENIZER
) -> list[Int64[ndarray, "line count"]]:
    """What BLEU counts in each line of each system: its words, the reference's, n-grams that match, n-grams.

    As sacreBLEU's own paired tests count, with the references cut into tokens once for all systems. `tokenize` is as in
    `bleu`. Raises DataError if a system is not as long as the references.
    """
    from sacrebleu.metrics.bleu import BLEU

    for hypotheses in systems:
        check_lines(hypotheses, references)
    metric = BLEU(references=[references], force=True, tokenize=tokenize) if systems else None
    return [np.array(metric._extract_corpus_statistics(hypotheses, None)) for hypotheses in systems if metric]


def corpus_bleu(sums: Num[ndarray, "*sets count"]) -> Float64[ndarray, "*sets"]:
    """BLEU of each test set from the sums of its lines' `compute_statistics`, with sacreBLEU's default smoothing.

    BLEU = 100 exp(min(0, 1 - r / h)) (p_1 p_2 p_3 p_4)^(1/4), where p_n is the share of n-grams that match; the first
    without a match takes 1/2 a match, the second 1/4 and so on (Papineni et al. 2002; Chen and Cherry 2014, method 3)
    """
    sums = sums.astype(np.float64)
    order = (sums.shape[-1] - 2) // 2
    hypothesis, reference = sums[..., 0], sums[..., 1]
    matches, grams = sums[..., 2 : 2 + order], sums[..., 2 + order :]
    smoothed = np.where(matches > 0, matches, 0.5 ** np.cumsum(matches == 0, axis=-1))
    precision = np.prod(smoothed / np.maximum(grams, 1), axis=-1)
    brevity = np.exp(np.minimum(0.0, 1 - reference / np.maximum(hypothesis, 1)))
    sound = (matches > 0).any(-1) & (grams > 0).all(-1)
    found: ndarray = np.where(sound, 100 * brevity * precision ** (1 / order), 0.0)
    return found
