"""Would a difference hold with other seeds? A test for which seeds and sentences are both random."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from nmt.evaluation.resampling import ResampledSystem

MIN_SEEDS = 2
"""Seeds of each variant, at least: the variance of one number is unknown."""

MIN_VARIANCE = 1e-18
"""Of BLEU squared: a variance below it is none."""

MIN_NORMAL_FREEDOM = 1e6
"""Degrees of freedom from which Student's t is the normal distribution, to five digits of p."""


def compute_seeds_p_value(first: Sequence[ResampledSystem], other: Sequence[ResampledSystem]) -> float | None:
    """p of the difference of mean BLEU, for which seeds and sentences are random effects; None for too few seeds.

    t = d / sqrt(V),  V = s1^2 / k1 + s2^2 / k2 + max(0, c11 + c22 - 2 c12)
    degrees of freedom = V^2 / ((s1^2 / k1)^2 / (k1 - 1) + (s2^2 / k2)^2 / (k2 - 1))

    d is the difference of the means, s^2 the sample variance of BLEU over the k seeds of a variant. c is the mean
    covariance of the BLEU of two different trainings under resampled sentences (bootstrap), both of the first variant,
    both of the other, or one of each: c11 + c22 - 2 c12 is the variance that the choice of sentences adds to d and that
    trainings of one variant share, for s^2 already holds what they do not share. Without it, the test is Welch's.

    Seed 1 of one variant and seed 1 of the other have the number in common and not the weights, so they are not paired.
    The test supposes that BLEU is about normal over seeds. None where no variance can be estimated: with one seed, and
    where all seeds have the same BLEU and the means still differ.

    Sources: Welch 1947; Obuchowski and Rockette 1995 and Hillis 2007 for two random effects (readers and cases, in
    radiology), here with max(0, ...) and degrees of freedom in Satterthwaite's form.
    """
    if min(len(first), len(other)) < MIN_SEEDS:
        return None
    one, two = (np.array([each.bleu for each in found]) for found in (first, other))
    difference = float(two.mean() - one.mean())
    parts = [float(found.var(ddof=1)) / len(found) for found in (one, two)]
    total = sum(parts) + max(0.0, compute_shared_variance(first, other))
    if total <= MIN_VARIANCE:
        return 1.0 if difference**2 <= MIN_VARIANCE else None
    below = sum(part**2 / (len(found) - 1) for part, found in zip(parts, (one, two), strict=True))
    freedom = total**2 / below if below > 0 else math.inf
    return compute_student_p_value(difference / math.sqrt(total), freedom)


def compute_shared_variance(first: Sequence[ResampledSystem], other: Sequence[ResampledSystem]) -> float:
    """c11 + c22 - 2 c12, as above, from systems that were resampled together."""
    count = len(first)
    covariance = np.cov(np.stack([each.bootstrap_bleu for each in (*first, *other)]))
    within = compute_off_diagonal_mean(covariance[:count, :count]) + compute_off_diagonal_mean(
        covariance[count:, count:]
    )
    return float(within - 2 * covariance[:count, count:].mean())


def compute_off_diagonal_mean(square: Float64[ndarray, "size size"]) -> float:
    """The mean of what is not on the diagonal."""
    size = len(square)
    return float((square.sum() - np.trace(square)) / (size * (size - 1)))


# Student's t ----------------------------------------------------------------------------------------------------------


def compute_student_p_value(t: float, freedom: float) -> float:
    """The probability that Student's t with so many degrees of freedom is as far from 0 as `t`, on either side.

    p = I_x(freedom / 2, 1 / 2) with x = freedom / (freedom + t^2); for very many degrees of freedom that of the normal
    deviate t (1 - 1 / (4 freedom)) / sqrt(1 + t^2 / (2 freedom))   (Abramowitz and Stegun 1964, 26.7.8)
    """
    if freedom > MIN_NORMAL_FREEDOM:
        deviate = abs(t) * (1 - 1 / (4 * freedom)) / math.sqrt(1 + t * t / (2 * freedom))
        return math.erfc(deviate / math.sqrt(2))
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function I_x(a, b)   (NIST Digital Library of Mathematical Functions, 8.17)"""
    if not 0.0 < x < 1.0:
        return float(x >= 1.0)
    if x > (a + 1) / (a + b + 2):  # where the fraction would converge slowly
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return min(1.0, math.exp(scale) / a * beta_fraction(a, b, x))


def beta_fraction(a: float, b: float, x: float) -> float:
    """1 / (1 + d1 / (1 + d2 / ...)), the continued fraction 8.17.22, by Lentz's method."""
    least = 1e-300
    found = front = 1.0
    back = 0.0
    for n in range(1, 100_000):
        m = n // 2
        if n % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        back = 1.0 / (1.0 + term * back or least)
        front = 1.0 + term / front or least
        found *= front * back
        if abs(front * back - 1.0) < 1e-15:
            break
    return 1.0 / found
