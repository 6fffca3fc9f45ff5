"""The vocabulary projection and its loss as one function, in chunks that stay in cache.

The projection is over half of a recurrent model's arithmetic, and its logits are by far its largest tensor. Forming the
gradient beside the loss means that no more than one chunk of logits ever exists.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from nmt.kernels.precision import to_autocast_dtype
from nmt.kernels.switch import is_enabled
from nmt.special_tokens import PAD

MAX_LOGITS = 8_000_000
"""So many logits exist at one time."""


class Loss(NamedTuple):
    """objective: what is minimized. nll: sum of -log p(word), for perplexity. Both in nats, summed over words.

    word_nll: -log p of each word, without a gradient. expected_nll: the same of the word that the expected value of
    attention predicts, where a draw is compared with it.
    """

    objective: Float[Tensor, ""]
    nll: Float[Tensor, ""]
    word_nll: Float[Tensor, " word"]
    expected_nll: Float[Tensor, " word"] | None = None


def word_indices(target_output: Int[Tensor, "row target"]) -> Int[Tensor, " word"] | None:
    """Where there are words, counted row after row; None where there is no padding, so that all are."""
    real = (target_output != PAD).flatten()
    return None if real.all() else real.nonzero().squeeze(1)


def select(
    tensor: Shaped[Tensor, "row target *size"], indices: Int[Tensor, " word"] | None
) -> Shaped[Tensor, "word *size"]:
    """What is at places that `word_indices` gives. Selecting costs a pass, and a slower one for its gradient."""
    flat = tensor.flatten(0, 1)
    return flat if indices is None else flat[indices]


def vocabulary_loss(
    readout: Float[Tensor, "word size"],
    weight: Float[Tensor, "vocab size"],
    bias: Float[Tensor, " vocab"],
    target_output: Int[Tensor, " word"],
    smoothing: float,
) -> Loss:
    """Label-smoothed cross-entropy of softmax(weight readout + bias), summed over words   (Szegedy et al. 2016)

    objective = -(1 - e) log p(wanted) - e / V sum_v log p(v). Only real words belong here: select them before.
    """
    if not is_enabled("cross_entropy"):
        return vocabulary_loss_reference(readout, weight, bias, target_output, smoothing)
    # Inside `forward` gradients are always off, and what needs one is marked even under no_grad: so it is asked here.
    differentiate = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (readout, weight, bias))
    objective, word_nll = _VocabularyLoss.apply(  # type: ignore[no-untyped-call]
        readout, weight, bias, target_output, smoothing, differentiate
    )
    return Loss(objective, word_nll.sum(), word_nll)


def vocabulary_loss_reference(
    readout: Float[Tensor, "word size"],
    weight: Float[Tensor, "vocab size"],
    bias: Float[Tensor, " vocab"],
    target_output: Int[Tensor, " word"],
    smoothing: float,
) -> Loss:
    """The same by torch's own functions, with all logits at once."""
    logits = F.linear(readout, weight, bias).to(bias.dtype)
    objective = F.cross_entropy(logits, target_output, reduction="sum", label_smoothing=smoothing)
    word_nll = F.cross_entropy(logits.detach(), target_output, reduction="none")
    return Loss(objective, word_nll.sum(), word_nll)


class _VocabularyLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        readout: Tensor,
        weight: Tensor,
        bias: Tensor,
        target_output: Tensor,
        smoothing: float,
        differentiate: bool,
    ) -> tuple[Tensor, Tensor]:
        objective, nll = bias.new_zeros(()), bias.new_empty(len(readout))
        grad_readout = torch.empty_like(readout, dtype=bias.dtype) if differentiate else None
        grad_weight = torch.zeros_like(weight) if differentiate else None
        grad_bias = torch.zeros_like(bias) if differentiate else None
        words, vocabulary, offset = to_autocast_dtype(readout), to_autocast_dtype(weight), to_autocast_dtype(bias)
        # The mean logit of every word, without a pass over its logits.
        total = weight.sum(0)
        mean = torch.addmv(bias.mean().expand(len(readout)), readout.to(bias.dtype), total / len(bias))

        def compute_logits(some: Tensor) -> Tensor:
            return F.linear(some, vocabulary, offset).to(bias.dtype)

        chunk = max(1, MAX_LOGITS // len(bias))
        for start in range(0, len(readout), chunk):
            rows = slice(start, start + chunk)
            targets = target_output[rows].unsqueeze(1)
            logits = compute_logits(words[rows])
            target_logits = logits.gather(1, targets)
            grad, word_nll = _softmax(logits, targets, words[rows], compute_logits)
            nll[rows] = word_nll.squeeze(1)
            objective += (word_nll + smoothing * (target_logits - mean[rows].unsqueeze(1))).sum()
            if grad_readout is not None and grad_weight is not None and grad_bias is not None:
                grad.scatter_add_(1, targets, torch.full_like(target_logits, smoothing - 1.0))
                grad_bias += grad.sum(0)
                grad = grad.to(vocabulary.dtype)
                grad_readout[rows] = grad @ vocabulary
                accumulate(grad_weight, grad.t(), words[rows])
        if grad_readout is not None and grad_weight is not None and grad_bias is not None:
            # What smoothing takes from every logit alike, - e / V, reaches each gradient as one vector.
            uniform_share = smoothing / len(bias)
            grad_readout -= uniform_share * total
            grad_weight -= uniform_share * readout.sum(0)
            grad_bias -= uniform_share * len(readout)
            ctx.save_for_backward(grad_readout, grad_weight, grad_bias)
        ctx.mark_non_differentiable(nll)
        return objective, nll

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        readout, weight, bias = ctx.saved_tensors
        return readout * grads[0], weight * grads[0], bias * grads[0], None, None, None


def _softmax(
    logits: Float[Tensor, "word vocab"],
    targets: Int[Tensor, "word 1"],
    readout: Float[Tensor, "word size"],
    compute_logits: Callable[[Tensor], Tensor],
) -> tuple[Float[Tensor, "word vocab"], Float[Tensor, "word 1"]]:
    """p of every word, and -log p of the right one.

    On a CPU p takes the place of the logits, with one exponential for each where log_softmax would need a second. Where
    the right word's p is too small for all its digits, its logarithm is found from the logits, made once more.
    """
    if logits.device.type != "cpu":
        log_probs = torch.log_softmax(logits, 1)
        return log_probs.exp(), -log_probs.gather(1, targets)
    # The kernel reads a row before it writes it.
    probs = torch.softmax(logits, 1, out=logits)
    target_probs = probs.gather(1, targets)
    nll, underflowed = -target_probs.log(), (target_probs < torch.finfo(probs.dtype).tiny).squeeze(1)
    if underflowed.any():
        nll[underflowed] = -torch.log_softmax(compute_logits(readout[underflowed]), 1).gather(1, targets[underflowed])
    return probs, nll


def accumulate(total: Float[Tensor, "a b"], left: Float[Tensor, "a row"], right: Float[Tensor, "row b"]) -> None:
    """Adds left right to the total, which may be of a more precise format."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right
