"""From scores to weights that sum to one.

Each normalizer is defined by the problem it solves over the simplex: the weights p that maximize p . scores + H(p) for
its entropy H. Positions at minus infinity get exactly zero; at least one position must be finite.

A row without a solution is NaN in all its weights and in its gradient, for every normalizer: a row with a score that is
NaN or plus infinity, or with no score above minus infinity. Other rows are not affected. Training skips such a step.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

Scores = Float[Tensor, "*rows source"]


class Normalizer(nn.Module, ABC):
    """One map from scores to weights along the last axis."""

    @abstractmethod
    def forward(self, scores: Scores) -> Scores:
        """The weights of these scores: not negative, and summing to one over the last axis."""


class Softmax(Normalizer):
    """p_i = exp(z_i) / sum_j exp(z_j): the maximizer under Shannon's entropy; never zero on a finite score."""

    def forward(self, scores: Scores) -> Scores:
        return torch.softmax(scores, dim=-1)


class Sparsemax(Normalizer):
    """p = argmin |p - z|^2 over the simplex = max(z - tau, 0)   (Martins and Astudillo 2016)

    tau is found exactly by sorting; scores more than 1 below the largest get zero.
    """

    def forward(self, scores: Scores) -> Scores:
        weights: Tensor = _Sparsemax.apply(scores)  # type: ignore[no-untyped-call]
        return weights


class Entmax15(Normalizer):
    """p = max(z / 2 - tau, 0)^2: entmax with alpha = 1.5, halfway from softmax to sparsemax   (Peters et al. 2019)

    tau is found exactly by sorting; scores more than 2 below the largest get zero.
    """

    def forward(self, scores: Scores) -> Scores:
        weights: Tensor = _Entmax15.apply(scores)  # type: ignore[no-untyped-call]
        return weights


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


NORMALIZERS: dict[str, type[Normalizer]] = {"softmax": Softmax, "sparsemax": Sparsemax, "entmax15": Entmax15}
