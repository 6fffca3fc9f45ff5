"""The gradient of what was drawn: REINFORCE, for models whose attention samples."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def compute_surrogate(
    log_prob: Float[Tensor, "row target"], nll: Float[Tensor, "row target"], mask: Bool[Tensor, "row target"]
) -> Float[Tensor, ""]:
    """sum over t of (R_t - b_t) log p(drawn_t),  R_t = sum over u >= t of nll_u

    Its gradient, beside that of the nll itself, is an unbiased estimate of that of the expected nll (Williams 1992): a
    draw is answerable for its own word and all later ones, which read the context that it gave. b_t is the mean of R_t
    over the other rows that have a word at t, which lowers the variance and leaves the mean as it is; a row that is
    alone there has no baseline. log_prob: of what each target position drew. mask: where there is a word.
    """
    costs = torch.where(mask, nll.detach(), 0.0)
    to_go = torch.where(mask, costs.flip(1).cumsum(1).flip(1), 0.0)
    others = mask.sum(0) - 1
    baseline = torch.where(others > 0, (to_go.sum(0) - to_go) / others.clamp(min=1), 0.0)
    return torch.where(mask, (to_go - baseline) * log_prob, 0.0).sum()
