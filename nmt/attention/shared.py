"""A matrix that a recurrence uses at every position, with one gradient product for all positions together.

Left to itself, autograd forms a matrix' gradient at each position and adds it to the ones before. These products are
short, and their sum passes through memory as often as there are positions. Here a position only remembers its input and
the gradient of its output; when the gradient of the last one is there, a single long product takes in all of them. It
serves weights, and the keys and values of each sentence, which are read at every target position.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

Inputs = Float[Tensor, "*batch row input"]
Outputs = Float[Tensor, "*batch row output"]

Product = Callable[[Inputs, Outputs | None], Outputs]
"""(inputs, added) -> inputs W' + added, where there is anything to add"""


def shared(weight: Float[Tensor, "*batch output input"]) -> Product:
    """inputs W' + added for the positions of one recurrence; values and gradients are those of the plain product.

    Call it once a batch and use what it returns at every position.
    """
    if not (torch.is_grad_enabled() and weight.requires_grad):
        return lambda inputs, added: product(inputs, added, weight)
    met: list[tuple[Tensor, Tensor]] = []
    held = _Collected.apply(weight, met)  # type: ignore[no-untyped-call]
    return lambda inputs, added: _Product.apply(inputs, added, held, met)  # type: ignore[no-untyped-call]


def product(inputs: Inputs, added: Outputs | None, weight: Float[Tensor, "*batch output input"]) -> Outputs:
    """inputs W' + added; what is added has two axes."""
    return inputs @ weight.mT if added is None else torch.addmm(added, inputs, weight.t())


class _Collected(torch.autograd.Function):
    """The weight itself. Its backward runs after that of every product, for all of them read what it returns."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, met: list[tuple[Tensor, Tensor]]) -> Tensor:
        ctx.met = met
        ctx.set_materialize_grads(False)
        return weight.view_as(weight)

    @staticmethod
    def backward(ctx: Any, *nothing: None) -> tuple[Tensor | None, None]:
        if not ctx.met:
            return None, None
        inputs, grads = (torch.cat(parts, -2) for parts in zip(*ctx.met, strict=True))
        ctx.met.clear()
        return grads.mT @ inputs, None


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, added: Tensor | None, weight: Tensor, met: list[tuple[Tensor, Tensor]]
    ) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.met = met
        return product(inputs, added, weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        inputs, weight = ctx.saved_tensors
        ctx.met.append((inputs, grads[0]))
        wanted = ctx.needs_input_grad
        return grads[0] @ weight if wanted[0] else None, grads[0] if wanted[1] else None, None, None
