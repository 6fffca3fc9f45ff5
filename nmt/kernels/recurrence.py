"""A recurrence's product, W [x_1; x_2 ..] + what is added, position after position, fused with what follows it.

What all positions read, and the gradients of what they give, lie side by side in one tensor each, where a position
writes its own. The gradient of W is then one long product, and that of what is added is there already. Autograd of the
plain equations would join the inputs, keep each position's apart, and put the gradients of them all together at the
end; and it would make a tensor for each of some ten operations.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from nmt.kernels.deferred_grad import to_matmul_dtype
from nmt.kernels.packed_linear import LinearFn, linear_for
from nmt.kernels.precision import multiply_matrices
from nmt.kernels.switch import is_enabled

aten = torch.ops.aten

Part = Float[Tensor, "row _"]
Gates = Float[Tensor, "row gates"]
Hidden = Float[Tensor, "row hidden"]
Addend = Float[Tensor, "position row output"] | Float[Tensor, " output"]


def wants_custom_backward() -> bool:
    """Whether what is computed now will be differentiated, by Python and not by a compiler: where "
    "`FusedRecurrence` serves."""
    return torch.is_grad_enabled() and is_enabled("recurrence") and not torch.compiler.is_compiling()


class FusedRecurrence:
    """The product for `positions` of one batch of `rows`, with the same values and gradients as the plain equations.

    Make it once a batch, where gradients are wanted, and call it once a position. `added` is added to the product: one
    vector to all, or what there is for each position. On a CPU a tanh is within 1e-7 of the plain one, and not within
    so many digits of it.
    Gradients are collected by the weight, so that a backward pass that leaves the weight out spoils the next one's.
    """

    def __init__(
        self,
        weight: Float[Tensor, "output input"],
        positions: int,
        rows: int,
        added: Addend | None = None,
    ) -> None:
        self.tape = _Tape(positions, rows, added)
        self.weight = _TapeWeight.apply(weight, added, self.tape)  # type: ignore[no-untyped-call]

    def linear(self, *parts: Part) -> Float[Tensor, "row output"]:
        """W [parts] + added"""
        output: Tensor = _Linear.apply(self.weight, self.tape, *parts)  # type: ignore[no-untyped-call]
        return output

    def tanh(self, *parts: Part) -> Hidden:
        """tanh(W [parts] + added)"""
        output: Tensor = _Tanh.apply(self.weight, self.tape, *parts)  # type: ignore[no-untyped-call]
        return output

    def lstm(self, cell: Hidden, *parts: Part) -> tuple[Hidden, Hidden]:
        """c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c');  returns h' and c'

        i, f, g and o are the blocks of W [parts] + added, in this order.
        """
        hidden, next_cell = _LSTM.apply(self.weight, self.tape, cell, *parts)  # type: ignore[no-untyped-call]
        return hidden, next_cell

    def gru(self, projected: Gates, hidden: Hidden) -> Hidden:
        """r, z = sigmoid(x + u),  n = tanh(x + r u),  h' = (1 - z) n + z h,  with u = W h + added and x = projected

        r, z and n are the blocks of x and u, in this order.
        """
        output: Tensor = _GRU.apply(self.weight, self.tape, projected, hidden)  # type: ignore[no-untyped-call]
        return output


class _Tape:
    """What the positions of one batch read, and the gradients of what their products gave, in the weight's format."""

    def __init__(self, positions: int, rows: int, added: Tensor | None) -> None:
        self.positions, self.rows, self.added = positions, rows, None if added is None else added.detach()
        self.count = 0
        self.visited: set[int] = set()
        self.grads: Tensor | None = None

    def bind(self, weight: Tensor, dtype: torch.dtype) -> None:
        """The weight in the format of products; results are as precise as `dtype`."""
        # Without its history, which would hold this tape, and so itself, for ever.
        self.weight, self.dtype = weight.detach(), dtype
        self.inputs = weight.new_empty(self.positions, self.rows, weight.shape[1])
        self.forward_linear = linear_for(self.weight, self.positions * self.rows)
        self.backward_linear: LinearFn | None = None

    def multiply(self, parts: tuple[Tensor, ...]) -> tuple[int, Tensor]:
        """The number of this position, and its product."""
        position, self.count = self.count, self.count + 1
        inputs = self.inputs[position]
        start = 0
        for part in parts:
            inputs[:, start : start + part.shape[1]] = part
            start += part.shape[1]
        if start != inputs.shape[1]:
            raise ValueError(f"A weight for {inputs.shape[1]} inputs was given {start}.")
        added = self.added if self.added is None or self.added.ndim == 1 else self.added[position]
        if self.count == self.positions:
            self.added = None
        if added is None or added.dtype == inputs.dtype:
            return position, self.forward_linear(inputs, added).to(self.dtype)
        return position, self.forward_linear(inputs, None).to(self.dtype) + added

    def grad_slot(self, position: int) -> Tensor:
        """Where the gradient of a position's product belongs."""
        if self.grads is None:
            self.grads = self.weight.new_empty(self.positions, self.rows, self.weight.shape[0])
        self.visited.add(position)
        return self.grads[position]

    def input_grads(self, grad: Tensor, parts: list[tuple[int, torch.dtype]]) -> list[Tensor]:
        """The gradients of a position's inputs, of given sizes and formats."""
        if self.backward_linear is None:
            self.backward_linear = linear_for(self.weight.t(), self.positions * self.rows)
        pieces = torch.split(self.backward_linear(grad, None), [size for size, _ in parts], 1)
        return [piece.to(dtype) for piece, (_, dtype) in zip(pieces, parts, strict=True)]

    def weight_grad(self, is_learned: bool, is_vector: bool) -> tuple[Tensor | None, Tensor | None]:
        """Gradients of the weight, if it is learned, and of what is added, a vector or not, if any position had one."""
        grads, self.grads = self.grads, None
        if grads is None:
            return None, None
        for position in set(range(self.positions)) - self.visited:
            grads[position] = 0
        self.inputs[self.count :] = 0  # never written, and a product makes NaN of zero times what may lie there
        self.visited = set()
        weight = multiply_matrices(grads.flatten(0, 1).t(), self.inputs.flatten(0, 1)) if is_learned else None
        return weight, grads.sum((0, 1), dtype=self.dtype) if is_vector else grads


class _TapeWeight(torch.autograd.Function):
    """The weight in the format of products. Its backward runs after that of all that multiply by it."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, added: Tensor | None, tape: _Tape) -> Tensor:
        matrix = to_matmul_dtype(weight)
        ctx.tape = tape
        ctx.dtypes = weight.dtype, None if added is None else added.dtype
        ctx.is_vector = added is not None and added.ndim == 1
        ctx.set_materialize_grads(False)
        tape.bind(matrix, weight.dtype)
        return matrix.view_as(weight) if matrix is weight else matrix

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *nothing: None) -> tuple[Tensor | None, Tensor | None, None]:
        tape_grads = ctx.tape.weight_grad(ctx.needs_input_grad[0], ctx.is_vector)
        weight, added = (
            None if grad is None or dtype is None else grad.to(dtype)
            for grad, dtype in zip(tape_grads, ctx.dtypes, strict=True)
        )
        return weight, added, None


def _save_shapes(ctx: Any, tape: _Tape, position: int, parts: tuple[Tensor, ...]) -> None:
    ctx.tape, ctx.position = tape, position
    ctx.parts = [(part.shape[1], part.dtype) for part in parts]


def _tanh_(x: Tensor) -> Tensor:
    """tanh x in its place. As 2 sigmoid(2 x) - 1 it takes a CPU a third of the time; a GPU is bound by launches."""
    return x.mul_(2).sigmoid_().mul_(2).sub_(1) if x.device.type == "cpu" else x.tanh_()


def _gate_activations_(gates: Gates) -> None:
    """sigmoid of the blocks i, f and o and tanh of g in their place; on a CPU, as in `_tanh_`, all in one pass."""
    i, _, g, o = gates.chunk(4, 1)
    if gates.device.type == "cpu":
        g.mul_(2)
        gates.sigmoid_()
        g.mul_(2).sub_(1)
    else:
        gates[:, : 2 * i.shape[1]].sigmoid_()
        g.tanh_()
        o.sigmoid_()


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, tape: _Tape, *parts: Tensor) -> Tensor:
        position, output = tape.multiply(parts)
        _save_shapes(ctx, tape, position, parts)
        ctx.save_for_backward(weight)  # so that a change of it in between is noticed
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        _ = ctx.saved_tensors
        to_product = ctx.tape.grad_slot(ctx.position).copy_(grads[0])
        return None, None, *ctx.tape.input_grads(to_product, ctx.parts)


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, tape: _Tape, *parts: Tensor) -> Tensor:
        position, output = tape.multiply(parts)
        _tanh_(output)
        _save_shapes(ctx, tape, position, parts)
        ctx.save_for_backward(output, weight)  # the weight so that a change of it in between is noticed
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        output, _ = ctx.saved_tensors
        to_product = ctx.tape.grad_slot(ctx.position)
        if to_product.dtype == output.dtype:
            aten.tanh_backward.grad_input(grads[0], output, grad_input=to_product)
        else:
            to_product.copy_(aten.tanh_backward(grads[0], output))
        return None, None, *ctx.tape.input_grads(to_product, ctx.parts)


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, tape: _Tape, cell: Tensor, *parts: Tensor) -> tuple[Tensor, Tensor]:
        position, gates = tape.multiply(parts)
        _gate_activations_(gates)
        i, f, g, o = gates.chunk(4, 1)
        next_cell = (f * cell).addcmul_(i, g)
        bounded = _tanh_(next_cell.clone())
        _save_shapes(ctx, tape, position, parts)
        ctx.save_for_backward(gates, cell, bounded, weight)
        ctx.set_materialize_grads(False)
        return o * bounded, next_cell

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        gates, cell, bounded, _ = ctx.saved_tensors
        to_hidden, to_cell = grads
        if to_hidden is None and to_cell is None:
            return (None,) * (3 + len(ctx.parts))
        i, f, g, o = gates.chunk(4, 1)
        to_product = ctx.tape.grad_slot(ctx.position)
        to_gates = to_product if to_product.dtype == gates.dtype else torch.empty_like(gates)
        to_i, to_f, to_g, to_o = to_gates.chunk(4, 1)
        if to_hidden is None:
            to_o.zero_()
        else:
            aten.sigmoid_backward.grad_input(to_hidden * bounded, o, grad_input=to_o)
            through = aten.tanh_backward(to_hidden * o, bounded)
            to_cell = through if to_cell is None else through.add_(to_cell)
        aten.sigmoid_backward.grad_input(to_cell * g, i, grad_input=to_i)
        aten.sigmoid_backward.grad_input(to_cell * cell, f, grad_input=to_f)
        aten.tanh_backward.grad_input(to_cell * i, g, grad_input=to_g)
        if to_gates is not to_product:
            to_product.copy_(to_gates)
        return None, None, to_cell * f, *ctx.tape.input_grads(to_product, ctx.parts)


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, tape: _Tape, projected: Tensor, hidden: Tensor) -> Tensor:
        position, product = tape.multiply((hidden,))
        size = hidden.shape[1]
        gates, scaled = torch.split(product, [2 * size, size], 1)
        reset, update = gates.add_(projected[:, : 2 * size]).sigmoid_().chunk(2, 1)
        new = _tanh_(torch.addcmul(projected[:, 2 * size :], reset, scaled))
        _save_shapes(ctx, tape, position, (hidden,))
        ctx.save_for_backward(gates, new, scaled, hidden, weight)
        return torch.lerp(new, hidden, update)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        gates, new, scaled, hidden, _ = ctx.saved_tensors
        (to_hidden,) = grads
        reset, update = gates.chunk(2, 1)
        to_projected = gates.new_empty(len(gates), 3 * new.shape[1])
        to_reset, to_update, to_new = to_projected.chunk(3, 1)
        aten.sigmoid_backward.grad_input(to_hidden * (hidden - new), update, grad_input=to_update)
        through = to_hidden * update
        aten.tanh_backward.grad_input(to_hidden - through, new, grad_input=to_new)
        aten.sigmoid_backward.grad_input(to_new * scaled, reset, grad_input=to_reset)
        to_product = ctx.tape.grad_slot(ctx.position)
        split = 2 * new.shape[1]
        to_product[:, :split] = to_projected[:, :split]
        to_product[:, split:] = to_new * reset
        (back,) = ctx.tape.input_grads(to_product, ctx.parts)
        return None, None, to_projected, through.add_(back)
