"""Lengths -> mask -> log bias. The only file in which minus infinity is written."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

NEG_INF = -math.inf
"""The log-probability of what cannot be."""


def mask(lengths: Int[Tensor, " row"], size: int) -> Bool[Tensor, "row {size}"]:
    """True where a position holds a real token: mask[row, i] = (i < lengths[row])."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(-1)


def log_mask(allowed: Bool[Tensor, "*shape"], dtype: torch.dtype = torch.float32) -> Float[Tensor, "*shape"]:
    """log(allowed): 0 where True, minus infinity where False, to be added to scores before normalizing."""
    return torch.zeros_like(allowed, dtype=dtype).masked_fill_(~allowed, -torch.inf)


def safe_log(probs: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log p, and minus infinity, without a gradient, where p is 0."""
    return torch.where(probs > 0, probs, 1.0).log().masked_fill(probs <= 0, NEG_INF)
