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

from nmt.kernels.precision import multiply_matrices, to_autocast_dtype
from nmt.kernels.switch import is_enabled

Inputs = Float[Tensor, "*batch row input"]
Outputs = Float[Tensor, "*batch row output"]

DeferredLinearFn = Callable[[Inputs, Outputs | None], Outputs]
"""(inputs, added) -> inputs W' + added, where there is anything to add"""


def defer_linear(weight: Float[Tensor, "*batch output input"]) -> DeferredLinearFn:
    """inputs W' + added for the positions of one recurrence; values and gradients are those of the plain product.

    Call it once a batch and use what it returns at every position. Gradients are collected by the weight, so that a
    backward pass that leaves the weight out spoils the next one's.
    """
    if not _wants_deferral(weight):
        matrix = to_matmul_dtype(weight)
        return lambda inputs, added: linear(inputs, added, matrix, weight.dtype)
    tape: list[tuple[Tensor, Tensor]] = []
    matrix = _DeferredWeight.apply(weight, tape)  # type: ignore[no-untyped-call]
    return lambda inputs, added: _DeferredMatmul.apply(  # type: ignore[no-untyped-call]
        inputs, added, matrix, tape, torch.promote_types(weight.dtype, inputs.dtype)
    )


def defer_matmul(memory: Float[Tensor, "*batch output input"], axis: int) -> Callable[[Inputs, slice | None], Outputs]:
    """As `defer_linear`, with a part of the matrix at each position: of its outputs (axis -2) or of its inputs (-1).

    What has the size of the reach, the outputs or the inputs, is then all that is computed. None reaches everything.
    """
    if not _wants_deferral(memory):
        matrix = to_matmul_dtype(memory)
        return lambda inputs, reach: linear(inputs, None, narrow(matrix, axis, reach), memory.dtype)
    tape: list[tuple[Tensor, Tensor]] = []
    matrix = _DeferredWeight.apply(memory, tape)  # type: ignore[no-untyped-call]
    return lambda inputs, reach: _DeferredMatmul.apply(  # type: ignore[no-untyped-call]
        inputs, None, matrix, tape, torch.promote_types(memory.dtype, inputs.dtype), axis, reach
    )


def _wants_deferral(weight: Tensor) -> bool:
    is_learned = torch.is_grad_enabled() and weight.requires_grad
    return is_learned and is_enabled("deferred_grad") and not torch.compiler.is_compiling()


def narrow(tensor: Tensor, axis: int, reach: slice | None) -> Tensor:
    """The part of a tensor that an axis, -2 or -1, reaches."""
    if reach is None:
        return tensor
    return tensor[..., reach, :] if axis == -2 else tensor[..., reach]


def defer_projection(weight: Float[Tensor, "output input"]) -> Callable[[Float[Tensor, "row target input"]], Tensor]:
    """What makes queries W' of queries, position after position, as `defer_linear`: [row, target, output]."""
    multiply = defer_linear(weight)
    return lambda queries: torch.unflatten(multiply(queries.flatten(0, 1), None), 0, queries.shape[:2])


def linear(
    inputs: Inputs, added: Outputs | None, weight: Float[Tensor, "*batch output input"], dtype: torch.dtype
) -> Outputs:
    """inputs W' + added, multiplied in the format of W and at least as precise as `dtype` afterwards.

    What is added has two axes.
    """
    if weight.dtype == inputs.dtype == dtype:
        return multiply_matrices(inputs, weight.mT) if added is None else torch.addmm(added, inputs, weight.t())
    output = multiply_matrices(inputs.to(weight.dtype), weight.mT).to(torch.promote_types(dtype, inputs.dtype))
    return output if added is None else output + added


def to_matmul_dtype(weight: Float[Tensor, "*batch output input"]) -> Float[Tensor, "*batch output input"]:
    """The weight in the format in which it is multiplied.

    Keys and values stay in single precision on a CPU: each is read once a product, which is then as fast as memory is,
    whatever the format, and the conversion of every query would come on top.
    """
    if weight.ndim == 2 or weight.device.type != "cpu":
        return to_autocast_dtype(weight)
    return weight.float() if weight.dtype == torch.bfloat16 else weight


class _DeferredWeight(torch.autograd.Function):
    """The weight itself, in the format of products. Its backward runs after that of all that multiply by it."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, tape: list[tuple[Tensor, Tensor]]) -> Tensor:
        ctx.tape = tape
        ctx.set_materialize_grads(False)
        ctx.dtype = weight.dtype
        matrix = to_matmul_dtype(weight)
        return matrix.view_as(weight) if matrix is weight else matrix

    @staticmethod
    def backward(ctx: Any, *nothing: None) -> tuple[Tensor | None, None]:
        if not ctx.tape:
            return None, None
        inputs, grads = (torch.cat(parts, -2) for parts in zip(*ctx.tape, strict=True))
        ctx.tape.clear()
        return multiply_matrices(grads.mT, inputs).to(ctx.dtype), None


class _DeferredMatmul(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        added: Tensor | None,
        weight: Tensor,
        tape: list[tuple[Tensor, Tensor]],
        dtype: torch.dtype,
        axis: int = -2,
        reach: slice | None = None,
    ) -> Tensor:
        ctx.save_for_backward(inputs.to(weight.dtype), weight)
        ctx.tape, ctx.axis, ctx.reach = tape, axis, reach
        ctx.dtypes = inputs.dtype, added.dtype if added is not None else None
        return linear(inputs, added, narrow(weight, axis, reach), dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None, None]:
        inputs, weight = ctx.saved_tensors
        grad = grads[0].to(weight.dtype)
        ctx.tape.append(_pad(inputs, grad, weight.shape[ctx.axis], ctx.axis, ctx.reach))
        weight = narrow(weight, ctx.axis, ctx.reach)
        to_inputs, to_added, *_ = ctx.needs_input_grad
        return (
            multiply_matrices(grad, weight).to(ctx.dtypes[0]) if to_inputs else None,
            grads[0].to(ctx.dtypes[1]) if to_added else None,
            *(None, None, None, None, None),
        )


def _pad(inputs: Tensor, grad: Tensor, size: int, axis: int, reach: slice | None) -> tuple[Tensor, Tensor]:
    """Inputs and the gradient of outputs as if all had been reached: zero where it was not."""
    if reach is None:
        return inputs, grad
    padding = reach.start, size - reach.stop
    return (inputs, F.pad(grad, padding)) if axis == -2 else (F.pad(inputs, padding), grad)
