"""v . tanh(q + k) for every query with every key: what additive attention takes its time and memory for.

The sum has an entry for each query, key and hidden unit, more than all else of a decoding step together, and autograd
would keep them all. With

    s = sigmoid(2 q + 2 k),    tanh(q + k) = 2 s - 1

which takes a CPU half as long as a tanh,

    score = 2 v . s - sum(v),    d score / dq = d score / dk = 4 v s (1 - s),    d score / dv = 2 s - 1

so that s is all there is to know. It is not kept: it is made block by block, in cache, and once more for the gradient.
A score is a difference of two sums, so it is as exact as one of 1, not of its own size.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from nmt.kernels.precision import multiply_matrices
from nmt.kernels.switch import is_enabled

Keys = Float[Tensor, "row head source key"]
ProjectedQuery = Float[Tensor, "row head target key"]
Features = Float[Tensor, "row head target source key"]
Scores = Float[Tensor, "row head target source"]
ScoreVector = Float[Tensor, "head key"]

BLOCK_ENTRIES, BLOCK_ENTRIES_ON_GPU = 2**20, 2**26
"""At most so many entries are made at a time, if one query has no more; on a CPU they stay in its cache."""


def additive_scores(queries: ProjectedQuery, keys: Keys, v: ScoreVector, features: Features | None = None) -> Scores:
    """v . tanh(q + k + f); by `additive_scores_reference` where there are features, and where a compiler looks on."""
    if features is not None or torch.compiler.is_compiling() or not is_enabled("additive"):
        return additive_scores_reference(queries, keys, v, features)
    dtype = torch.promote_types(torch.promote_types(queries.dtype, keys.dtype), torch.float32)
    scores: Scores = _AdditiveScores.apply(queries.to(dtype), keys.to(dtype), v.to(dtype))  # type: ignore[no-untyped-call]
    return scores


def additive_scores_reference(
    queries: ProjectedQuery, keys: Keys, v: ScoreVector, features: Features | None = None
) -> Scores:
    """The equation as it is written."""
    sums = queries.unsqueeze(3) + keys.unsqueeze(2)
    return torch.einsum("rhtsk,hk->rhts", torch.tanh(sums if features is None else sums + features), v)


def _iterate_sigmoids(
    queries: ProjectedQuery, keys: Keys
) -> Iterator[tuple[slice, slice, Float[Tensor, "head some_rows some_target source key"]]]:
    """sigmoid(2 q + 2 k), heads first, for some rows and target positions after others."""
    doubled, keys = 2 * queries.transpose(0, 1).contiguous(), keys.transpose(0, 1).contiguous()
    entries = BLOCK_ENTRIES if keys.device.type == "cpu" else BLOCK_ENTRIES_ON_GPU
    for rows in _blocks(keys.shape[1], keys[:, :1].numel(), entries):
        for group in _blocks(doubled.shape[2], keys[:, rows].numel(), entries):
            query, key = doubled[:, rows, group].unsqueeze(3), keys[:, rows].unsqueeze(2)
            yield rows, group, torch.add(query, key, alpha=2).sigmoid_()


def _blocks(length: int, entries_per_place: int, entries: int) -> Iterator[slice]:
    """Parts of an axis, of as many places as make no more than `entries`, and at least one."""
    size = max(1, entries // max(1, entries_per_place))
    return (slice(first, first + size) for first in range(0, length, size))


class _AdditiveScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, v: Tensor) -> Tensor:
        ctx.save_for_backward(queries, keys, v)
        scores = keys.new_empty(*queries.shape[:3], keys.shape[2])
        for rows, group, sigmoids in _iterate_sigmoids(queries, keys):
            products = multiply_matrices(sigmoids.flatten(1, 3), 2 * v.unsqueeze(2)).view(sigmoids.shape[:-1])
            scores[rows, :, group] = products.transpose(0, 1)
        return scores.sub_(v.sum(1).view(-1, 1, 1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        queries, keys, v = ctx.saved_tensors
        (grad,) = grads
        to_queries, to_keys = torch.empty_like(queries), torch.zeros_like(keys)
        to_v = -grad.sum((0, 2, 3)).unsqueeze(1).expand_as(v)
        for rows, group, sigmoids in _iterate_sigmoids(queries, keys):
            block_grad = grad[rows, :, group].transpose(0, 1).contiguous()
            products = multiply_matrices(block_grad.view(len(block_grad), 1, -1), sigmoids.flatten(1, 3))
            to_v = to_v + 2 * products.squeeze(1)
            to_sum = torch.ops.aten.sigmoid_backward(block_grad.unsqueeze(4), sigmoids)
            to_queries[rows, :, group] = to_sum.sum(3).transpose(0, 1)
            to_keys[rows] += (to_sum.squeeze(2) if to_sum.shape[2] == 1 else to_sum.sum(2)).transpose(0, 1)
        scale = 4 * v.unsqueeze(1)
        return to_queries.mul_(scale), to_keys.mul_(scale), to_v
