"""The loss of a mixture of softmaxes over one vocabulary, in chunks that stay in cache, with its gradient beside it."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from nmt.kernels import cross_entropy
from nmt.kernels.cross_entropy import Loss, accumulate
from nmt.kernels.precision import to_autocast_dtype
from nmt.kernels.switch import is_enabled
from nmt.masks import NEG_INF


def mixture_loss(
    readout: Float[Tensor, "word choice size"],
    log_weights: Float[Tensor, "word choice"],
    weight: Float[Tensor, "vocab size"],
    bias: Float[Tensor, " vocab"],
    target_output: Int[Tensor, " word"],
    smoothing: float,
) -> Loss:
    """Label-smoothed cross-entropy of p(v) = sum over k of w_k softmax(weight readout_k + bias)[v], summed over words

    objective = -(1 - e) log p(wanted) - e / V sum_v log p(v). With q the smoothed target and the share of k in v,
    g_k[v] = q[v] w_k p_k[v] / p(v), the gradient of a logit is p_k[v] sum_u g_k[u] - g_k[v], and that of log w_k is
    -sum_u g_k[u].
    """
    if not is_enabled("mixture_loss"):
        return mixture_loss_reference(readout, log_weights, weight, bias, target_output, smoothing)
    inputs = readout, log_weights, weight, bias
    differentiate = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
    objective, word_nll = _MixtureLoss.apply(*inputs, target_output, smoothing, differentiate)  # type: ignore[no-untyped-call]
    return Loss(objective, word_nll.sum(), word_nll)


def mixture_loss_reference(
    readout: Float[Tensor, "word choice size"],
    log_weights: Float[Tensor, "word choice"],
    weight: Float[Tensor, "vocab size"],
    bias: Float[Tensor, " vocab"],
    target_output: Int[Tensor, " word"],
    smoothing: float,
) -> Loss:
    """The same by torch's own functions. The logits of a chunk are made once more for the gradient."""

    def compute(readout: Tensor, log_weights: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        log_probs = F.linear(readout, weight, bias).to(bias.dtype).log_softmax(-1)
        mixed = (log_probs + log_weights.unsqueeze(-1)).logsumexp(1)
        nll = -mixed.gather(1, targets.unsqueeze(1)).squeeze(1)
        return ((1 - smoothing) * nll - smoothing * mixed.mean(-1)).sum(), nll

    objective, word_nll = bias.new_zeros(()), [bias.new_zeros(0)]
    for rows in iterate_chunks(readout, len(bias)):
        parts = readout[rows], log_weights[rows], target_output[rows]
        some, nll = checkpoint(compute, *parts, use_reentrant=False)
        objective = objective + some
        word_nll.append(nll.detach())
    nll = torch.cat(word_nll)
    return Loss(objective, nll.sum(), nll)


def iterate_chunks(readout: Float[Tensor, "word choice size"], vocab: int) -> list[slice]:
    """Words of which no more than MAX_LOGITS logits are made at one time."""
    chunk = max(1, cross_entropy.MAX_LOGITS // (vocab * readout.shape[1]))
    return [slice(start, start + chunk) for start in range(0, len(readout), chunk)]


def find_choices(log_weights: Float[Tensor, "word choice"], smoothing: float) -> Int[Tensor, " place"] | None:
    """Where choices have a weight, counted row after row: others need no logits. None for all places, which label
    smoothing has, since it sums over the choices of every word of the vocabulary."""
    is_chosen = (log_weights > NEG_INF).flatten()
    return None if smoothing or bool(is_chosen.all()) else is_chosen.nonzero().squeeze(1)


def take_choices(
    tensor: Shaped[Tensor, "word choice *size"], places: Int[Tensor, " place"] | None
) -> Shaped[Tensor, "_ *size"]:
    """What is at these places, or at all."""
    flat = tensor.flatten(0, 1)
    return flat if places is None else flat[places]


def put_choices(
    tensor: Float[Tensor, "_ *size"], places: Int[Tensor, " place"] | None, shape: torch.Size
) -> Float[Tensor, "word choice *size"]:
    """The tensor at these places, and zeros elsewhere."""
    if places is None:
        return tensor.view(*shape, *tensor.shape[1:])
    size = tensor.shape[1:]
    return tensor.new_zeros(shape.numel(), *size).index_copy_(0, places, tensor).view(*shape, *size)


class _MixtureLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        readout: Tensor,
        log_weights: Tensor,
        weight: Tensor,
        bias: Tensor,
        target_output: Tensor,
        smoothing: float,
        differentiate: bool,
    ) -> tuple[Tensor, Tensor]:
        objective, nll = bias.new_zeros(()), bias.new_empty(len(readout))
        grads = [torch.zeros_like(tensor, dtype=bias.dtype) for tensor in (readout, log_weights, weight, bias)]
        grad_readout, grad_log_weights, grad_weight, grad_bias = grads
        vocabulary, offset = to_autocast_dtype(weight), to_autocast_dtype(bias)
        for rows in iterate_chunks(readout, len(bias)):
            logs = log_weights[rows].to(bias.dtype)
            places = find_choices(logs, smoothing)
            words = take_choices(to_autocast_dtype(readout[rows]), places)
            targets = take_choices(target_output[rows].unsqueeze(1).expand(logs.shape), places).unsqueeze(1)
            log_probs = F.linear(words, vocabulary, offset).to(bias.dtype).log_softmax(-1)
            joint = logs + put_choices(log_probs.gather(1, targets).squeeze(1), places, logs.shape)
            mixed = joint.logsumexp(1)
            nll[rows] = -mixed
            objective -= (1 - smoothing) * mixed.sum()
            # The share of each choice in the wanted word, times how much of the target that is.
            shares = (1 - smoothing) * (joint - mixed.unsqueeze(1)).exp()
            if smoothing:
                all_joint = log_probs.view(*logs.shape, -1) + logs.unsqueeze(2)
                all_mixed = all_joint.logsumexp(1)
                objective -= smoothing * all_mixed.mean(1).sum()
                uniform = (all_joint - all_mixed.unsqueeze(1)).exp_().mul_(smoothing / len(bias))
            if not differentiate:
                continue
            total = shares + uniform.sum(2) if smoothing else shares
            grad = log_probs.exp_().mul_(take_choices(total, places).unsqueeze(1))
            if smoothing:
                grad.sub_(uniform.flatten(0, 1))
            grad.scatter_add_(1, targets, -take_choices(shares, places).unsqueeze(1))
            grad_log_weights[rows] = -total
            grad_bias += grad.sum(0)
            grad = grad.to(vocabulary.dtype)
            grad_readout[rows] = put_choices((grad @ vocabulary).to(bias.dtype), places, logs.shape)
            accumulate(grad_weight, grad.t(), words)
        if differentiate:
            ctx.save_for_backward(*grads)
        ctx.mark_non_differentiable(nll)
        return objective, nll

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        return (*(tensor * grads[0] for tensor in ctx.saved_tensors), None, None, None)
