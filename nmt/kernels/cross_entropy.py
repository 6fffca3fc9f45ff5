"""The vocabulary projection and its loss as one function, in chunks that stay in cache.

The projection is over half of a recurrent model's arithmetic, and its logits are by far its largest tensor. Forming the
gradient beside the loss means that no more than one chunk of logits ever exists.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from nmt.kernels.packed_linear import multiplying
from nmt.kernels.precision import lowered
from nmt.special_tokens import PAD

LOGITS = 8_000_000
"""So many logits exist at one time."""


class Loss(NamedTuple):
    """smoothed: what is minimized. nll: sum of -log p(word), for perplexity. Both in nats, summed over words."""

    smoothed: Float[Tensor, ""]
    nll: Float[Tensor, ""]


def real_places(wanted: Int[Tensor, "row target"]) -> Int[Tensor, " word"] | None:
    """Where there are words, counted row after row; None where there is no padding, so that all are."""
    real = (wanted != PAD).flatten()
    return None if real.all() else real.nonzero().squeeze(1)


def selected(
    tensor: Shaped[Tensor, "row target *size"], places: Int[Tensor, " word"] | None
) -> Shaped[Tensor, "word *size"]:
    """What is at places that `real_places` gives. Selecting costs a pass, and a slower one for its gradient."""
    flat = tensor.flatten(0, 1)
    return flat if places is None else flat[places]


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
        forth = multiplying(vocabulary, len(words))
        back = multiplying(vocabulary.t(), len(words) if differentiate else 0)
        # The mean logit of every word, without a pass over its logits.
        total = weight.sum(0)
        mean = torch.addmv(bias.mean().expand(len(readout)), readout.to(bias.dtype), total / len(bias))

        def logits_of(some: Tensor) -> Tensor:
            return forth(some, offset).to(bias.dtype)

        chunk = max(1, LOGITS // len(bias))
        for start in range(0, len(readout), chunk):
            rows = slice(start, start + chunk)
            right = wanted[rows].unsqueeze(1)
            logits = logits_of(words[rows])
            chosen = logits.gather(1, right)
            grad, lost = _softmax(logits, right, words[rows], logits_of)
            nll += lost.sum()
            smoothed += (lost + smoothing * (chosen - mean[rows].unsqueeze(1))).sum()
            if grad_readout is not None and grad_weight is not None and grad_bias is not None:
                grad.scatter_add_(1, right, torch.full_like(chosen, smoothing - 1.0))
                grad_bias += grad.sum(0)
                grad = grad.to(vocabulary.dtype)
                grad_readout[rows] = back(grad, None)
                accumulate(grad_weight, grad.t(), words[rows])
        if grad_readout is not None and grad_weight is not None and grad_bias is not None:
            # What smoothing takes from every logit alike, - e / V, reaches each gradient as one vector.
            even = smoothing / len(bias)
            grad_readout -= even * total
            grad_weight -= even * readout.sum(0)
            grad_bias -= even * len(readout)
            ctx.save_for_backward(grad_readout, grad_weight, grad_bias)
        ctx.mark_non_differentiable(nll)
        return smoothed, nll

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        readout, weight, bias = ctx.saved_tensors
        return readout * grads[0], weight * grads[0], bias * grads[0], None, None, None


def _softmax(
    logits: Float[Tensor, "word vocab"],
    right: Int[Tensor, "word 1"],
    readout: Float[Tensor, "word size"],
    logits_of: Callable[[Tensor], Tensor],
) -> tuple[Float[Tensor, "word vocab"], Float[Tensor, "word 1"]]:
    """p of every word, and -log p of the right one.

    On a CPU p takes the place of the logits, with one exponential for each where log_softmax would need a second. Where
    the right word's p is too small for all its digits, its logarithm is found from the logits, made once more.
    """
    if logits.device.type != "cpu":
        log_probs = torch.log_softmax(logits, 1)
        return log_probs.exp(), -log_probs.gather(1, right)
    # The kernel reads a row before it writes it.
    probs = torch.softmax(logits, 1, out=logits)
    chosen = probs.gather(1, right)
    lost, far = -chosen.log(), (chosen < torch.finfo(probs.dtype).tiny).squeeze(1)
    if far.any():
        lost[far] = -torch.log_softmax(logits_of(readout[far]), 1).gather(1, right[far])
    return probs, lost


def accumulate(total: Float[Tensor, "a b"], left: Float[Tensor, "a row"], right: Float[Tensor, "row b"]) -> None:
    """Adds left right to the total, which may be of a more precise format."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right
