"""From scores to weights that sum to one.

Each normalizer is defined by the problem it solves over the simplex: the weights p that maximize p . scores + H(p) for
its entropy H. Positions at minus infinity get exactly zero; at least one position must be finite.

A row without a solution is NaN in all its weights and in its gradient, for every normalizer: a row with a score that is
NaN or plus infinity, or with no score above minus infinity. Other rows are not affected. Training skips such a step.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from nmt.attention.attention import Past
from nmt.attention.memory import Memory
from nmt.errors import ConfigError
from nmt.masks import NEG_INF

Scores = Float[Tensor, "*rows source"]

MAX_ENERGY = 1000.0
"""exp(-1000) is 0 in single and in double precision."""


def has_solution(scores: Scores) -> Bool[Tensor, "*rows 1"]:
    """Whether a row has a largest score that is finite, and no NaN."""
    return scores.amax(-1, keepdim=True).isfinite()


class Normalizer(nn.Module, ABC):
    """One map from scores to weights along the last axis."""

    has_past = False
    """Whether the weights depend on those of the target position before."""
    reads_scores = True
    """Whether the weights depend on the scores, so that what makes them learns."""

    def start(self, memory: Memory, heads: int) -> Past:
        """What is known before the first target position."""
        return ()

    @abstractmethod
    def forward(self, scores: Scores, past: Past = ()) -> Scores:
        """The weights of these scores: not negative, and summing to one over the last axis."""

    def compute_log_weights(self, scores: Scores, weights: Scores) -> Scores:
        """The logarithms of weights that losses differentiate: log softmax of the same scores.

        Those of a normalizer with exact zeros would be minus infinity where its weights are zero, without a gradient
        that could make them more.
        """
        return torch.log_softmax(scores, dim=-1)

    def advance(self, past: Past, weights: Float[Tensor, "row head target source"]) -> Past:
        """The past after a step that had these weights."""
        return past


class Softmax(Normalizer):
    """p_i = exp(z_i) / sum_j exp(z_j): the maximizer under Shannon's entropy; never zero on a finite score."""

    def forward(self, scores: Scores, past: Past = ()) -> Scores:
        return torch.softmax(scores, dim=-1)


class Sparsemax(Normalizer):
    """p = argmin |p - z|^2 over the simplex = max(z - tau, 0)   (Martins and Astudillo 2016)

    tau is found exactly by sorting; scores more than 1 below the largest get zero.
    """

    def forward(self, scores: Scores, past: Past = ()) -> Scores:
        weights: Tensor = _Sparsemax.apply(scores)  # type: ignore[no-untyped-call]
        return weights


class Entmax15(Normalizer):
    """p = max(z / 2 - tau, 0)^2: entmax with alpha = 1.5, halfway from softmax to sparsemax   (Peters et al. 2019)

    tau is found exactly by sorting; scores more than 2 below the largest get zero.
    """

    def forward(self, scores: Scores, past: Past = ()) -> Scores:
        weights: Tensor = _Entmax15.apply(scores)  # type: ignore[no-untyped-call]
        return weights


class Uniform(Normalizer):
    """p_i = 1 / n over the n positions with a finite score: the weights of softmax at an infinite temperature

    A control: the model has a memory of every source position and cannot choose among them, so what another attention
    gains over it is gained by choosing (frozen weights: Wiegreffe and Pinter 2019). Scores get the gradient 0.
    """

    reads_scores = False

    def forward(self, scores: Scores, past: Past = ()) -> Scores:
        allowed = scores > NEG_INF
        solvable = has_solution(scores)
        weights = allowed.to(scores.dtype) / allowed.sum(-1, keepdim=True)
        return torch.where(solvable, weights, spoil_unsolved(scores, solvable))


def spoil_unsolved(scores: Scores, solvable: Bool[Tensor, "*rows 1"]) -> Scores:
    """NaN, with a gradient of NaN, in rows without a solution; elsewhere 0, with a gradient of 0."""
    return scores.masked_fill(solvable, 0.0) * torch.where(solvable, 1.0, math.nan)


class _Sparsemax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        # The support lies within 1 of the largest score, so clamping below that changes nothing and makes all finite.
        z = (scores - scores.amax(-1, keepdim=True)).clamp(min=-2.0)
        ordered = z.sort(dim=-1, descending=True).values
        counts = torch.arange(1, z.shape[-1] + 1, device=z.device, dtype=z.dtype)
        excess = ordered.cumsum(-1) - 1.0
        # A row with a NaN has no support, and NaN at every place.
        support = (counts * ordered > excess).sum(-1, keepdim=True).clamp(min=1)
        weights = (z - excess.gather(-1, support - 1) / support).clamp(min=0.0)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Tensor:
        (weights,) = ctx.saved_tensors
        inside: Tensor = (weights > 0).to(weights.dtype)
        grad: Tensor = grads[0] * inside
        return grad - inside * (grad.sum(-1, keepdim=True) / inside.sum(-1, keepdim=True))


class _Entmax15(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        # As above: the support of z / 2 lies within 1 of its largest value.
        z = ((scores - scores.amax(-1, keepdim=True)) / 2.0).clamp(min=-2.0)
        ordered = z.sort(dim=-1, descending=True).values
        counts = torch.arange(1, z.shape[-1] + 1, device=z.device, dtype=z.dtype)
        mean = ordered.cumsum(-1) / counts
        spread = counts * (ordered.square().cumsum(-1) / counts - mean.square())
        # For a support of k the threshold solves sum_k (z - tau)^2 = 1, which has no real solution if k is too large.
        thresholds = mean - ((1.0 - spread) / counts).clamp(min=0.0).sqrt()
        support = (thresholds <= ordered).sum(-1, keepdim=True).clamp(min=1)  # as above
        weights = (z - thresholds.gather(-1, support - 1)).clamp(min=0.0).square()
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Tensor:
        (weights,) = ctx.saved_tensors
        root: Tensor = weights.sqrt()
        grad: Tensor = grads[0] * root
        return grad - root * (grad.sum(-1, keepdim=True) / root.sum(-1, keepdim=True))


class Monotonic(Normalizer):
    """p[s] = sigmoid(e[s] + r + n);  a_t[s] = p_t[s] sum over i <= s of a_(t-1)[i] prod over i <= k < s of (1 - p_t[k])

    Attention that never goes back: each target position begins where the one before has stopped, and stops at s with
    probability p[s] (Raffel et al. 2017). In training a is the expected alignment, made with noise n ~ N(0, noise^2),
    which drives p to 0 or 1. Otherwise it stops at the first position with e + r > 0, and the weights are 0 and 1. What
    runs off the end stops at the last real position, so that weights sum to one. r is learnt and begins at -2.

    The products are exponentials of differences of one cumulated sum, none of which is above 0: nothing overflows, and
    no small number is added. Cost: source^2 / 2 exponentials for each target position.
    """

    has_past = True

    def __init__(self, *, noise: float = 1.0) -> None:
        super().__init__()
        if noise < 0:
            raise ConfigError(f"attention.normalizer.noise must be 0 or more; got {noise}.")
        self.noise = noise
        self.offset = nn.Parameter(torch.tensor(-2.0))

    def start(self, memory: Memory, heads: int) -> Past:
        """All that is read is before the first position."""
        rows, source = memory.bias.shape
        first = memory.bias.new_zeros(rows, 1, heads, source)
        first[..., 0] = 1.0
        return (first,)

    def forward(self, scores: Scores, past: Past = ()) -> Scores:
        before: Tensor = past[0].transpose(1, 2)
        energies = scores + self.offset
        positions = torch.arange(scores.shape[-1], device=scores.device)
        last = torch.where(scores > NEG_INF, positions, 0).amax(-1, keepdim=True)
        solvable = has_solution(scores)
        if not self.training:
            is_behind = positions < before.argmax(-1, keepdim=True)
            stops = torch.where((energies > 0) & ~is_behind, positions, last).amin(-1, keepdim=True)
            return torch.zeros_like(scores).scatter(-1, stops, 1.0).masked_fill(~solvable, math.nan)
        energies = energies + self.noise * torch.randn_like(energies)
        passed = F.logsigmoid(-energies.clamp(max=MAX_ENERGY))  # so that no sum of them is infinite
        total = passed.cumsum(-1) - passed
        steps = total.unsqueeze(-1) - total.unsqueeze(-2)
        chain = steps.masked_fill(positions.unsqueeze(-1) < positions, NEG_INF).exp()
        weights = torch.sigmoid(energies) * (chain @ before.unsqueeze(-1)).squeeze(-1)
        rest: Tensor = (1.0 - weights.sum(-1, keepdim=True)).clamp(min=0.0)
        return torch.where(solvable, weights.scatter_add(-1, last, rest), spoil_unsolved(scores, solvable))

    def compute_log_weights(self, scores: Scores, weights: Scores) -> Scores:
        """log of the expected alignment, which is no softmax."""
        return compute_log_expected(scores, weights)

    def advance(self, past: Past, weights: Float[Tensor, "row head target source"]) -> Past:
        return (weights.transpose(1, 2),)


def compute_log_expected(scores: Scores, weights: Scores) -> Scores:
    """log of expected weights, which are no softmax of scores; without a gradient where they are smaller than any
    number, and minus infinity where the scores are."""
    log_weights = weights.clamp(min=torch.finfo(weights.dtype).tiny).log()
    return log_weights.masked_fill(scores == NEG_INF, NEG_INF)


NORMALIZERS: dict[str, type[Normalizer]] = {
    "softmax": Softmax,
    "sparsemax": Sparsemax,
    "entmax15": Entmax15,
    "monotonic": Monotonic,
    "uniform": Uniform,
}
