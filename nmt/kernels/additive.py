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

from nmt.kernels.deferred_grad import within
from nmt.kernels.precision import multiplied

Keys = Float[Tensor, "row head source key"]
Asked = Float[Tensor, "row head target key"]
Scores = Float[Tensor, "row head target source"]
Shares = Float[Tensor, "head key"]
Sigmoids = Float[Tensor, "head row target source key"]

LARGEST = 20.0
"""Up to this magnitude of q and k the product of their exponentials is in the range of single precision."""
ENTRIES, ENTRIES_ON_GPU = 2**20, 2**26
"""At most so many entries are made at a time, if one query has no more; on a CPU they stay in its cache."""


def compared(keys: Keys, v: Shares) -> Callable[[Asked, slice | None], Scores]:
    """v . tanh(q + k) for the queries of one group of target positions of a batch after another.

    The second argument tells which source positions to compare with, None being all. Gradients of the keys are
    collected by them, so that a backward pass that leaves the keys out spoils the next one's.
    """
    if torch.compiler.is_compiling():
        return lambda asked, reach: plain(asked, within(keys, -2, reach), v)
    precise = keys.to(torch.promote_types(keys.dtype, torch.float32)).transpose(0, 1).contiguous()
    ledger = _Ledger(precise.detach())
    held = _Keys.apply(precise, v.detach(), ledger)  # type: ignore[no-untyped-call]
    return lambda asked, reach: _Compared.apply(asked, held, v, ledger, reach)  # type: ignore[no-untyped-call]


def plain(asked: Asked, keys: Keys, v: Shares) -> Scores:
    """The equation as it is written."""
    return torch.einsum("rhtsk,hk->rhts", torch.tanh(asked.unsqueeze(3) + keys.unsqueeze(2)), v)


class _Ledger:
    """One batch's keys, heads first: what is made of them, and what the backward pass has for them so far."""

    def __init__(self, keys: Float[Tensor, "head row source key"]) -> None:
        self.keys, self.decayed = keys, decayed(keys)
        self.total: Tensor | None = None

    def sigmoids(self, asked: Asked, reach: slice | None) -> Iterator[tuple[slice, slice, Sigmoids]]:
        """sigmoid(2 q + 2 k) for some rows and target positions after others."""
        queries = asked.to(self.keys.dtype).transpose(0, 1).contiguous().unsqueeze(3)  # else sums would lie as it does
        factors = None if self.decayed is None else decayed(queries)
        if factors is None or self.decayed is None:
            left, right = queries, self.keys
        else:
            left, right = factors, self.decayed
        right, one = within(right, -2, reach).unsqueeze(2), right.new_ones(())
        entries = ENTRIES if right.device.type == "cpu" else ENTRIES_ON_GPU
        for rows in _cut(len(asked), right[:, :1].numel(), entries):
            for group in _cut(asked.shape[2], right[:, rows].numel(), entries):
                query, key = left[:, rows, group], right[:, rows]
                if factors is None:
                    yield rows, group, query.add(key).mul_(2).sigmoid_()
                else:
                    yield rows, group, torch.addcmul(one, query, key).reciprocal_()

    def collect(self, rows: slice, reach: slice | None, grad: Sigmoids) -> None:
        """Adds to what has reached the keys."""
        if self.total is None:
            self.total = torch.zeros_like(self.keys)
        within(self.total, -2, reach)[:, rows] += grad.squeeze(2) if grad.shape[2] == 1 else grad.sum(2)

    def collected(self) -> Tensor | None:
        """All that has reached the keys; from now on nothing has."""
        total, self.total = self.total, None
        return total


def decayed(x: Tensor) -> Tensor | None:
    """exp(-2 x), unless a product of two such numbers might be out of range, or the device had to be waited for."""
    if x.device.type != "cpu" or not x.numel() or not float(x.abs().max()) <= LARGEST:
        return None
    return (-2 * x).exp_()


def _cut(length: int, each: int, entries: int) -> Iterator[slice]:
    """Parts of an axis, of as many places as make no more than `entries`, and at least one."""
    size = max(1, entries // max(1, each))
    return (slice(first, first + size) for first in range(0, length, size))


class _Keys(torch.autograd.Function):
    """The keys themselves. Its backward runs after that of all comparisons with them."""

    @staticmethod
    def forward(ctx: Any, keys: Tensor, v: Tensor, ledger: _Ledger) -> Tensor:
        ctx.ledger = ledger
        ctx.save_for_backward(v)
        ctx.set_materialize_grads(False)
        return keys.view_as(keys)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *nothing: None) -> tuple[Tensor | None, None, None]:
        (v,) = ctx.saved_tensors
        total = ctx.ledger.collected()
        return None if total is None else total.mul_(4 * v[:, None, None]), None, None


class _Compared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, asked: Tensor, keys: Tensor, v: Tensor, ledger: _Ledger, reach: slice | None) -> Tensor:
        ctx.save_for_backward(asked, keys, v)  # the keys so that a change of them in between is noticed
        ctx.ledger, ctx.reach = ledger, reach
        doubled = 2 * v.unsqueeze(2).to(keys.dtype)
        found = keys.new_empty(*asked.shape[:3], within(keys, -2, reach).shape[2])
        for rows, group, sigmoids in ledger.sigmoids(asked, reach):
            products = multiplied(sigmoids.flatten(1, 3), doubled).view(sigmoids.shape[:-1])
            found[rows, :, group] = products.transpose(0, 1)
        return found.sub_(v.sum(1).view(-1, 1, 1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        asked, _, v = ctx.saved_tensors
        ledger, reach, grad = ctx.ledger, ctx.reach, grads[0]
        to_asked, to_v = torch.empty_like(asked), -grad.sum((0, 2, 3)).unsqueeze(1).expand_as(v)
        for rows, group, sigmoids in ledger.sigmoids(asked, reach):
            given = grad[rows, :, group].transpose(0, 1).contiguous()
            to_v = to_v + 2 * multiplied(given.view(len(given), 1, -1), sigmoids.flatten(1, 3)).squeeze(1)
            to_sum = torch.ops.aten.sigmoid_backward(given.unsqueeze(4), sigmoids)
            to_asked[rows, :, group] = to_sum.sum(3).transpose(0, 1)
            if ctx.needs_input_grad[1]:
                ledger.collect(rows, reach, to_sum)
        return to_asked.mul_(4 * v.unsqueeze(1)), None, to_v, None, None
