"""How hypotheses of different lengths are compared.

    score = log_prob / length_penalty(length) + coverage_penalty        length: tokens with EOS, so at least 1

Every length penalty is positive and never falls as the length grows: beam search's exact stopping relies on it.
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

MIN_COVERAGE = 1e-6

LengthPenalty = Callable[[Float[Tensor, " length"], float], Float[Tensor, " length"]]


def no_penalty(lengths: Float[Tensor, " length"], alpha: float) -> Float[Tensor, " length"]:
    """1: hypotheses are ranked by log_prob, which favours short ones. `alpha` is not used."""
    return torch.ones_like(lengths)


def average_penalty(lengths: Float[Tensor, " length"], alpha: float) -> Float[Tensor, " length"]:
    """length: hypotheses are ranked by log_prob a token (Cho et al. 2014). `alpha` is not used."""
    return lengths


def gnmt_penalty(lengths: Float[Tensor, " length"], alpha: float) -> Float[Tensor, " length"]:
    """((5 + length) / 6) ** alpha   (Wu et al. 2016, equation 14)"""
    return ((5 + lengths) / 6) ** alpha


def power_penalty(lengths: Float[Tensor, " length"], alpha: float) -> Float[Tensor, " length"]:
    """length ** alpha: what none is with alpha 0 and average with alpha 1   (fairseq, Hugging Face, CTranslate2)"""
    return lengths**alpha


LENGTH_PENALTIES: Mapping[str, LengthPenalty] = {
    "none": no_penalty,
    "average": average_penalty,
    "gnmt": gnmt_penalty,
    "power": power_penalty,
}


def coverage_penalty(
    covered: Float[Tensor, "*row source"], mask: Bool[Tensor, "*#row source"], beta: float
) -> Float[Tensor, " *row"]:
    """beta * sum over source positions i of log(min(covered_i, 1)), never above 0   (Wu et al. 2016, equation 14)

    covered_i is the sum over target positions, EOS's included, of the weights on i. Sparse weights can leave a position
    at exactly 0, and one such position must not make all hypotheses equally impossible: less than 1e-6 counts as 1e-6.
    """
    return beta * covered.clamp(MIN_COVERAGE, 1.0).log().masked_fill(~mask, 0.0).sum(-1)
