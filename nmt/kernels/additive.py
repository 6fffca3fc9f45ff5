"""v . tanh(q + k) for every query with every key: what additive attention takes its time for, passed over seldom.

The sum has an entry for each query, key and hidden unit, more than all else of a decoding step together. With

    s = 1 / (1 + exp(-2 q) exp(-2 k)),    tanh(q + k) = 2 s - 1

an entry costs a multiplication and a division, for queries and keys have had their exponentials before: keys once a
batch in training, and once a step for all of a beam in a search. Then

    score = 2 v . s - sum(v),    d score / dq = d score / dk = 4 v s (1 - s),    d score / dv = 2 s - 1

so that s is all there is to know. It is not kept: to divide again is as fast as to read it back from memory. What
reaches the keys is added up in one tensor over all positions of a batch. A score is a difference of two sums, so it is
as exact as one of 1, not of its own size.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from nmt.kernels.deferred_grad import narrow
from nmt.kernels.precision import multiply_matrices
from nmt.kernels.switch import is_enabled

Keys = Float[Tensor, "row head source key"]
ProjectedQuery = Float[Tensor, "row head target key"]
Scores = Float[Tensor, "row head target source"]
ScoreVector = Float[Tensor, "head key"]
Sigmoids = Float[Tensor, "head row target source key"]

MAX_ABS = 20.0
"""Up to this magnitude of q and k the product of their exponentials is in the range of single precision."""
BLOCK_ENTRIES, BLOCK_ENTRIES_ON_GPU = 2**20, 2**26
"""At most so many entries are made at a time, if one query has no more; on a CPU they stay in its cache."""


def additive_scores(keys: Keys, v: ScoreVector) -> Callable[[ProjectedQuery, slice | None], Scores]:
    """v . tanh(q + k) for the queries of one group of target positions of a batch after another.

    The second argument tells which source positions to compare with, None being all. Gradients of the keys are
    collected by them, so that a backward pass that leaves the keys out spoils the next one's.
    """
    if torch.compiler.is_compiling() or not is_enabled("additive"):
        return lambda asked, reach: additive_scores_reference(asked, narrow(keys, -2, reach), v)
    precise = keys.to(torch.promote_types(keys.dtype, torch.float32)).transpose(0, 1).contiguous()
    tape = _KeyTape(precise.detach())
    shared_keys = _SharedKeys.apply(precise, v.detach(), tape)  # type: ignore[no-untyped-call]
    return lambda asked, reach: _AdditiveScores.apply(asked, shared_keys, v, tape, reach)  # type: ignore[no-untyped-call]


def additive_scores_reference(queries: ProjectedQuery, keys: Keys, v: ScoreVector) -> Scores:
    """The equation as it is written."""
    return torch.einsum("rhtsk,hk->rhts", torch.tanh(queries.unsqueeze(3) + keys.unsqueeze(2)), v)


class _KeyTape:
    """One batch's keys, heads first: what is made of them, and what the backward pass has for them so far."""

    def __init__(self, keys: Float[Tensor, "head row source key"]) -> None:
        self.keys, self.exponentials = keys, exp_minus_2x(keys)
        self.total: Tensor | None = None

    def iterate_sigmoids(
        self, projected: ProjectedQuery, reach: slice | None
    ) -> Iterator[tuple[slice, slice, Sigmoids]]:
        """sigmoid(2 q + 2 k) for some rows and target positions after others."""
        queries = (
            projected.to(self.keys.dtype).transpose(0, 1).contiguous().unsqueeze(3)
        )  # else sums would lie as it does
        factors = None if self.exponentials is None else exp_minus_2x(queries)
        if factors is None or self.exponentials is None:
            left, right = queries, self.keys
        else:
            left, right = factors, self.exponentials
        right, one = narrow(right, -2, reach).unsqueeze(2), right.new_ones(())
        entries = BLOCK_ENTRIES if right.device.type == "cpu" else BLOCK_ENTRIES_ON_GPU
        for rows in _blocks(len(projected), right[:, :1].numel(), entries):
            for group in _blocks(projected.shape[2], right[:, rows].numel(), entries):
                query, key = left[:, rows, group], right[:, rows]
                if factors is None:
                    yield rows, group, query.add(key).mul_(2).sigmoid_()
                else:
                    yield rows, group, torch.addcmul(one, query, key).reciprocal_()

    def accumulate(self, rows: slice, reach: slice | None, grad: Sigmoids) -> None:
        """Adds to what has reached the keys."""
        if self.total is None:
            self.total = torch.zeros_like(self.keys)
        narrow(self.total, -2, reach)[:, rows] += grad.squeeze(2) if grad.shape[2] == 1 else grad.sum(2)

    def pop(self) -> Tensor | None:
        """All that has reached the keys; from now on nothing has."""
        total, self.total = self.total, None
        return total


def exp_minus_2x(x: Tensor) -> Tensor | None:
    """exp(-2 x), unless a product of two such numbers might be out of range, or the device had to be waited for."""
    if x.device.type != "cpu" or not x.numel() or not float(x.abs().max()) <= MAX_ABS:
        return None
    return (-2 * x).exp_()


def _blocks(length: int, entries_per_place: int, entries: int) -> Iterator[slice]:
    """Parts of an axis, of as many places as make no more than `entries`, and at least one."""
    size = max(1, entries // max(1, entries_per_place))
    return (slice(first, first + size) for first in range(0, length, size))


class _SharedKeys(torch.autograd.Function):
    """The keys themselves. Its backward runs after that of all comparisons with them."""

    @staticmethod
    def forward(ctx: Any, keys: Tensor, v: Tensor, tape: _KeyTape) -> Tensor:
        ctx.tape = tape
        ctx.save_for_backward(v)
        ctx.set_materialize_grads(False)
        return keys.view_as(keys)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *nothing: None) -> tuple[Tensor | None, None, None]:
        (v,) = ctx.saved_tensors
        total = ctx.tape.pop()
        return None if total is None else total.mul_(4 * v[:, None, None]), None, None


class _AdditiveScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, v: Tensor, tape: _KeyTape, reach: slice | None) -> Tensor:
        ctx.save_for_backward(queries, keys, v)  # the keys so that a change of them in between is noticed
        ctx.tape, ctx.reach = tape, reach
        doubled = 2 * v.unsqueeze(2).to(keys.dtype)
        scores = keys.new_empty(*queries.shape[:3], narrow(keys, -2, reach).shape[2])
        for rows, group, sigmoids in tape.iterate_sigmoids(queries, reach):
            products = multiply_matrices(sigmoids.flatten(1, 3), doubled).view(sigmoids.shape[:-1])
            scores[rows, :, group] = products.transpose(0, 1)
        return scores.sub_(v.sum(1).view(-1, 1, 1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        queries, _, v = ctx.saved_tensors
        tape, reach, grad = ctx.tape, ctx.reach, grads[0]
        to_queries, to_v = torch.empty_like(queries), -grad.sum((0, 2, 3)).unsqueeze(1).expand_as(v)
        for rows, group, sigmoids in tape.iterate_sigmoids(queries, reach):
            block_grad = grad[rows, :, group].transpose(0, 1).contiguous()
            to_v = to_v + 2 * multiply_matrices(
                block_grad.view(len(block_grad), 1, -1), sigmoids.flatten(1, 3)
            ).squeeze(1)
            to_sum = torch.ops.aten.sigmoid_backward(block_grad.unsqueeze(4), sigmoids)
            to_queries[rows, :, group] = to_sum.sum(3).transpose(0, 1)
            if ctx.needs_input_grad[1]:
                tape.accumulate(rows, reach, to_sum)
        return to_queries.mul_(4 * v.unsqueeze(1)), None, to_v, None, None
