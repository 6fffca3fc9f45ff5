"""Positions of a batch in another order, with a gradient that is the same in the order before."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.kernels.switch import is_enabled


def reorder(states: Float[Tensor, "row time size"], order: Int[Tensor, " places"]) -> Float[Tensor, "row time size"]:
    """The states in the order of places that `compute_reversed_order` gives, which is its own inverse."""
    if not is_enabled("reorder"):
        return states.flatten(0, 1).index_select(0, order).view_as(states)
    output: Tensor = _Reorder.apply(states, order)  # type: ignore[no-untyped-call]
    return output


class _Reorder(torch.autograd.Function):
    """Autograd would sum gradients into zeros, place by place, where they only have to be put back in order."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return states.flatten(0, 1).index_select(0, order).view_as(states)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return reorder(grads[0], *ctx.saved_tensors), None
