"""The elementwise half of an LSTM's step as one function, whose gradient is formed in place."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

aten = torch.ops.aten


def lstm_update(
    gates: Float[Tensor, "row gates"], cell: Float[Tensor, "row hidden"]
) -> tuple[Float[Tensor, "row hidden"], Float[Tensor, "row hidden"]]:
    """c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c');  returns h' and c'

    `gates` has the blocks i, f, g, o side by side. Autograd of the plain equation makes a tensor for each of its ten
    operations and puts the gradients of the four blocks together at the end; here they are written where they belong.
    """
    if torch.is_grad_enabled() and (gates.requires_grad or cell.requires_grad) and not torch.compiler.is_compiling():
        hidden, following = _Update.apply(gates, cell)  # type: ignore[no-untyped-call]
        return hidden, following
    i, f, g, o = gates.chunk(4, 1)
    following = torch.addcmul(torch.sigmoid(f) * cell, torch.sigmoid(i), torch.tanh(g))
    return torch.sigmoid(o) * torch.tanh(following), following


class _Update(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        size = cell.shape[1]
        open_ = torch.empty_like(gates)
        torch.sigmoid(gates[:, : 2 * size], out=open_[:, : 2 * size])
        torch.tanh(gates[:, 2 * size : 3 * size], out=open_[:, 2 * size : 3 * size])
        torch.sigmoid(gates[:, 3 * size :], out=open_[:, 3 * size :])
        i, f, g, o = open_.chunk(4, 1)
        following = (f * cell).addcmul_(i, g)
        bounded = torch.tanh(following)
        ctx.save_for_backward(open_, cell, bounded)
        ctx.set_materialize_grads(False)
        return o * bounded, following

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        open_, cell, bounded = ctx.saved_tensors
        to_hidden, to_cell = grads
        i, f, g, o = open_.chunk(4, 1)
        to_gates = torch.empty_like(open_)
        to_i, to_f, to_g, to_o = to_gates.chunk(4, 1)
        if to_hidden is None:
            to_o.zero_()
        else:
            aten.sigmoid_backward.grad_input(to_hidden * bounded, o, grad_input=to_o)
            through = aten.tanh_backward(to_hidden * o, bounded)
            to_cell = through if to_cell is None else through.add_(to_cell)
        if to_cell is None:
            return None, None
        aten.sigmoid_backward.grad_input(to_cell * g, i, grad_input=to_i)
        aten.sigmoid_backward.grad_input(to_cell * cell, f, grad_input=to_f)
        aten.tanh_backward.grad_input(to_cell * i, g, grad_input=to_g)
        return to_gates, to_cell * f
