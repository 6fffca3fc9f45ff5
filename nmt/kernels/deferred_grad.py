"""A matrix that a recurrence uses at every position, with one gradient product for all positions together.

Left to itself, autograd forms a matrix' gradient at each position and adds it to the ones before. These products are
short, and their sum passes through memory as often as there are positions. Here a position only remembers its input and
the gradient of its output; when the gradient of the last one is there, a single long product takes in all of them. It
serves weights, and the keys and values of each sentence, which are read at every target position.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nmt.kernels.precision import lowered, multiplied

Inputs = Float[Tensor, "*batch row input"]
Outputs = Float[Tensor, "*batch row output"]

Product = Callable[[Inputs, Outputs | None], Outputs]
"""(inputs, added) -> inputs W' + added, where there is anything to add"""


def shared(weight: Float[Tensor, "*batch output input"]) -> Product:
    """inputs W' + added for the positions of one recurrence; values and gradients are those of the plain product.

    Call it once a batch and use what it returns at every position. Gradients are collected by the weight, so that a
    backward pass that leaves the weight out spoils the next one's.
    """
    if not (torch.is_grad_enabled() and weight.requires_grad) or torch.compiler.is_compiling():
        held = formatted(weight)
        return lambda inputs, added: product(inputs, added, held, weight.dtype)
    met: list[tuple[Tensor, Tensor]] = []
    held = _Collected.apply(weight, met)  # type: ignore[no-untyped-call]
    return lambda inputs, added: _Product.apply(  # type: ignore[no-untyped-call]
        inputs, added, held, met, torch.promote_types(weight.dtype, inputs.dtype)
    )


def seen(memory: Float[Tensor, "*batch output input"], axis: int) -> Callable[[Inputs, slice | None], Outputs]:
    """As `shared`, with a part of the matrix at each position: what `axis`, its outputs -2 or its inputs -1, reaches.

    What has the size of the reach, the outputs or the inputs, is then all that is computed. None reaches everything.
    """
    if not (torch.is_grad_enabled() and memory.requires_grad) or torch.compiler.is_compiling():
        held = formatted(memory)
        return lambda inputs, reach: product(inputs, None, within(held, axis, reach), memory.dtype)
    met: list[tuple[Tensor, Tensor]] = []
    held = _Collected.apply(memory, met)  # type: ignore[no-untyped-call]
    return lambda inputs, reach: _Product.apply(  # type: ignore[no-untyped-call]
        inputs, None, held, met, torch.promote_types(memory.dtype, inputs.dtype), axis, reach
    )


def within(tensor: Tensor, axis: int, reach: slice | None) -> Tensor:
    """The part of a tensor that an axis, -2 or -1, reaches."""
    if reach is None:
        return tensor
    return tensor[..., reach, :] if axis == -2 else tensor[..., reach]


def mapped(weight: Float[Tensor, "output input"]) -> Callable[[Float[Tensor, "row target input"]], Tensor]:
    """What makes queries W' of queries, position after position, as `shared`: [row, target, output]."""
    multiply = shared(weight)
    return lambda queries: torch.unflatten(multiply(queries.flatten(0, 1), None), 0, queries.shape[:2])


def product(
    inputs: Inputs, added: Outputs | None, weight: Float[Tensor, "*batch output input"], dtype: torch.dtype
) -> Outputs:
    """inputs W' + added, multiplied in the format of W and at least as precise as `dtype` afterwards.

    What is added has two axes.
    """
    if weight.dtype == inputs.dtype == dtype:
        return multiplied(inputs, weight.mT) if added is None else torch.addmm(added, inputs, weight.t())
    found = multiplied(inputs.to(weight.dtype), weight.mT).to(torch.promote_types(dtype, inputs.dtype))
    return found if added is None else found + added


def formatted(weight: Float[Tensor, "*batch output input"]) -> Float[Tensor, "*batch output input"]:
    """The weight in the format in which it is multiplied.

    Keys and values stay in single precision on a CPU: each is read once a product, which is then as fast as memory is,
    whatever the format, and the conversion of every query would come on top.
    """
    if weight.ndim == 2 or weight.device.type != "cpu":
        return lowered(weight)
    return weight.float() if weight.dtype == torch.bfloat16 else weight


class _Collected(torch.autograd.Function):
    """The weight itself, in the format of products. Its backward runs after that of all that multiply by it."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, met: list[tuple[Tensor, Tensor]]) -> Tensor:
        ctx.met = met
        ctx.set_materialize_grads(False)
        ctx.dtype = weight.dtype
        held = formatted(weight)
        return held.view_as(weight) if held is weight else held

    @staticmethod
    def backward(ctx: Any, *nothing: None) -> tuple[Tensor | None, None]:
        if not ctx.met:
            return None, None
        inputs, grads = (torch.cat(parts, -2) for parts in zip(*ctx.met, strict=True))
        ctx.met.clear()
        return multiplied(grads.mT, inputs).to(ctx.dtype), None


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        added: Tensor | None,
        weight: Tensor,
        met: list[tuple[Tensor, Tensor]],
        dtype: torch.dtype,
        axis: int = -2,
        reach: slice | None = None,
    ) -> Tensor:
        ctx.save_for_backward(inputs.to(weight.dtype), weight)
        ctx.met, ctx.axis, ctx.reach = met, axis, reach
        ctx.dtypes = inputs.dtype, added.dtype if added is not None else None
        return product(inputs, added, within(weight, axis, reach), dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None, None]:
        inputs, weight = ctx.saved_tensors
        grad = grads[0].to(weight.dtype)
        ctx.met.append(_whole(inputs, grad, weight.shape[ctx.axis], ctx.axis, ctx.reach))
        weight = within(weight, ctx.axis, ctx.reach)
        to_inputs, to_added, *_ = ctx.needs_input_grad
        return (
            multiplied(grad, weight).to(ctx.dtypes[0]) if to_inputs else None,
            grads[0].to(ctx.dtypes[1]) if to_added else None,
            *(None, None, None, None, None),
        )


def _whole(inputs: Tensor, grad: Tensor, size: int, axis: int, reach: slice | None) -> tuple[Tensor, Tensor]:
    """Inputs and the gradient of outputs as if all had been reached: zero where it was not."""
    if reach is None:
        return inputs, grad
    around = reach.start, size - reach.stop
    return (inputs, F.pad(grad, around)) if axis == -2 else (F.pad(inputs, around), grad)
