"""The vocabulary projection and its loss as one function, in chunks that stay in cache.

The projection is over half of a recurrent model's arithmetic, and its logits are by far its largest tensor. Forming the
gradient beside the loss means that no more than one chunk of logits ever exists.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from nmt.precision import lowered

LOGITS = 8_000_000
"""So many logits exist at one time."""


class Loss(NamedTuple):
    """smoothed: what is minimized. nll: sum of -log p(word), for perplexity. Both in nats, summed over words."""

    smoothed: Float[Tensor, ""]
    nll: Float[Tensor, ""]


def vocabulary_loss(
    readout: Float[Tensor, "word size"],
    weight: Float[Tensor, "vocab size"],
    bias: Float[Tensor, " vocab"],
    wanted: Int[Tensor, " word"],
    smoothing: float,
) -> Loss:
    """Label-smoothed cross-entropy of softmax(weight readout + bias), summed over words   (Szegedy et al. 2016)

    smoothed = -(1 - e) log p(wanted) - e / V sum_v log p(v). Only real words belong here: select them before.
    """
    # Inside `forward` gradients are always off, and what needs one is marked even under no_grad: so it is asked here.
    differentiate = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (readout, weight, bias))
    smoothed, nll = _VocabularyLoss.apply(  # type: ignore[no-untyped-call]
        readout, weight, bias, wanted, smoothing, differentiate
    )
    return Loss(smoothed, nll)


class _VocabularyLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        readout: Tensor,
        weight: Tensor,
        bias: Tensor,
        wanted: Tensor,
        smoothing: float,
        differentiate: bool,
    ) -> tuple[Tensor, Tensor]:
        smoothed, nll = bias.new_zeros(()), bias.new_zeros(())
        grad_readout = torch.empty_like(readout, dtype=bias.dtype) if differentiate else None
        grad_weight = torch.zeros_like(weight) if differentiate else None
        grad_bias = torch.zeros_like(bias) if differentiate else None
        words, vocabulary, offset = lowered(readout), lowered(weight), lowered(bias)
        # The mean logit of every word, without a pass over its logits.
        mean = torch.addmv(bias.mean().expand(len(readout)), readout.to(bias.dtype), weight.mean(0))
        chunk = max(1, LOGITS // len(bias))
        for start in range(0, len(readout), chunk):
            rows = slice(start, start + chunk)
            right = wanted[rows].unsqueeze(1)
            logits = F.linear(words[rows], vocabulary, offset).to(bias.dtype)
            chosen = logits.gather(1, right)
            # In its place on a CPU, whose kernel reads a row before it writes it.
            grad = torch.log_softmax(logits, 1, out=logits if logits.device.type == "cpu" else None)
            lost = -grad.gather(1, right)
            nll += lost.sum()
            smoothed += (lost + smoothing * (chosen - mean[rows].unsqueeze(1))).sum()
            if grad_readout is not None and grad_weight is not None and grad_bias is not None:
                grad.exp_().scatter_add_(1, right, torch.full_like(chosen, smoothing - 1.0))
                grad_bias += grad.sum(0)
                grad = grad.to(vocabulary.dtype)
                grad_readout[rows] = grad @ vocabulary
                accumulate(grad_weight, grad.t(), words[rows])
        if grad_readout is not None and grad_weight is not None and grad_bias is not None:
            # What smoothing takes from every logit alike, - e / V, reaches each gradient as one vector.
            even = smoothing / len(bias)
            grad_readout -= even * weight.sum(0)
            grad_weight -= even * readout.sum(0)
            grad_bias -= even * len(readout)
            ctx.save_for_backward(grad_readout, grad_weight, grad_bias)
        ctx.mark_non_differentiable(nll)
        return smoothed, nll

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        readout, weight, bias = ctx.saved_tensors
        return readout * grads[0], weight * grads[0], bias * grads[0], None, None, None


def accumulate(total: Float[Tensor, "a b"], left: Float[Tensor, "a row"], right: Float[Tensor, "row b"]) -> None:
    """Adds left right to the total, which may be of a more precise format."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right
