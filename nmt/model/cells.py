"""Recurrent cells, each in two halves: `project` for all inputs at once, outside the recurrence, and `step` inside it.

A carry is the tuple of tensors [row, hidden] that a cell hands to its next step; its first member is the output. `run`
goes over a whole sequence and holds the carry where a position is padding, so that the last carry is that of the last
real token whatever the padding.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import repeat

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.kernels.deferred_grad import DeferredLinearFn, defer_linear
from nmt.kernels.precision import is_autocast_on
from nmt.kernels.recurrence import FusedRecurrence, wants_custom_backward

Carry = tuple[Float[Tensor, "row hidden"], ...]
GateInputs = Float[Tensor, "row gates"]

ProjectedInputs = Float[Tensor, "time row gates"]
"""The projection of what was known of each position before the recurrence."""

StepFn = Callable[[Float[Tensor, "row feed"], Carry], Carry]
"""(what is fed, carry) -> the next carry, for one position after another"""

SATURATE = 1e4
"""A gate's pre-activation that saturates a sigmoid to exactly 0 or 1 in single precision."""


class Cell(nn.Module, ABC):
    """A recurrent transition. `gates` blocks of `hidden_size` are projected from the input."""

    gates: int
    state_tensors: int
    """How many tensors make a carry."""

    def __init__(self, *, input_size: int, hidden_size: int) -> None:
        super().__init__()
        if hidden_size < 1:
            raise ConfigError(f"The hidden_size of encoder and decoder must be at least 1; got {hidden_size}.")
        self.input_size = input_size
        self.hidden_size = hidden_size
        rows = self.gates * hidden_size
        self.weight_input = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hidden = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias = nn.Parameter(torch.zeros(rows))
        # Glorot and Bengio 2010 for what comes in; orthogonal blocks keep the recurrence's norm (Saxe et al. 2014).
        for block in self.weight_input.data.chunk(self.gates):
            nn.init.xavier_uniform_(block)
        for block in self.weight_hidden.data.chunk(self.gates):
            nn.init.orthogonal_(block)

    def initial_state(self, like: Tensor, rows: int) -> Carry:
        """The carry of all zeros."""
        return tuple(like.new_zeros(rows, self.hidden_size) for _ in range(self.state_tensors))

    def project(self, inputs: Float[Tensor, "*rows input"]) -> Float[Tensor, "*rows gates"]:
        """W x + b, for as many positions as are known."""
        return F.linear(inputs, self.weight_input, self.bias)

    def step_bias(self, time: int, rows: int) -> ProjectedInputs | None:
        """The b of `project`, for inputs that are projected position by position."""
        return self.bias.expand(time, rows, -1)

    def bind_recurrent(self) -> DeferredLinearFn:
        """U h for the positions of one batch."""
        return defer_linear(self.weight_hidden)

    @abstractmethod
    def step(self, projected: GateInputs, carry: Carry, recurrent: DeferredLinearFn) -> Carry:
        """The next carry; `recurrent` is what `bind_recurrent` gives, once a batch."""

    def bind(self, projected: ProjectedInputs) -> Callable[[Carry], Carry]:
        """What makes of each carry of one batch the next, for one position after another."""
        recurrent, inputs = self.bind_recurrent(), iter(projected.unbind(0))
        return lambda carry: self.step(next(inputs), carry, recurrent)

    def bind_with_feed(self, weight: Float[Tensor, "gates feed"], projected: ProjectedInputs | None) -> StepFn:
        """As `bind`, with an input that only the recurrence itself brings and `weight` projects."""
        feed, recurrent = defer_linear(weight), self.bind_recurrent()
        # Unlike slices, what `unbind` gives has its gradient put together once, and not a whole one for each position.
        inputs = repeat(None) if projected is None else iter(projected.unbind(0))
        return lambda fed, carry: self.step(feed(fed, next(inputs)), carry, recurrent)

    def run(
        self, inputs: Float[Tensor, "row time input"], carry: Carry, mask: Bool[Tensor, "row time"] | None = None
    ) -> tuple[Float[Tensor, "row time hidden"], Carry]:
        """Outputs of every position and the carry after the last real one. Padding must follow what is real."""
        step = self.bind(self.project(inputs.transpose(0, 1)))
        outputs = []
        for time in range(inputs.shape[1]):
            next_carry = step(carry)
            if mask is not None:
                keep = mask[:, time].unsqueeze(-1)
                next_carry = tuple(torch.where(keep, new, old) for new, old in zip(next_carry, carry, strict=True))
            carry = next_carry
            outputs.append(carry[0])
        return torch.stack(outputs, 1), carry

    def _masking_inputs(
        self, inputs: Float[Tensor, "row time input"], mask: Bool[Tensor, "row time"] | None, *holds: float
    ) -> tuple[Float[Tensor, "row time wider"], Float[Tensor, "gates wider"]]:
        """Inputs with a feature more, 1 on padding, and input weights by which it adds its `hold` to each gate."""
        if mask is None:
            return inputs, self.weight_input
        column = torch.cat([self.bias.new_full((self.hidden_size,), hold) for hold in holds])
        flag = (~mask).unsqueeze(-1).to(inputs.dtype)
        return torch.cat([inputs, flag], -1), torch.cat([self.weight_input, column.unsqueeze(1)], 1)


class LSTM(Cell):
    """i, f, o = sigmoid(W x + U h + b), g = tanh(W x + U h + b);  c' = f c + i g,  h' = o tanh(c')

    (Hochreiter and Schmidhuber 1997.) Blocks in the order i, f, g, o; the forget gate's bias starts at 1 (Gers et al.
    2000; Jozefowicz et al. 2015).
    """

    gates = 4
    state_tensors = 2

    def __init__(self, *, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size)
        self.bias.data[hidden_size : 2 * hidden_size] = 1.0

    def step(self, projected: GateInputs, carry: Carry, recurrent: DeferredLinearFn) -> Carry:
        hidden, cell = carry
        i, f, g, o = recurrent(hidden, projected).chunk(4, 1)
        cell = torch.addcmul(torch.sigmoid(f) * cell, torch.sigmoid(i), torch.tanh(g))
        return torch.sigmoid(o) * torch.tanh(cell), cell

    def bind(self, projected: ProjectedInputs) -> Callable[[Carry], Carry]:
        if not wants_custom_backward():
            return super().bind(projected)
        recurrence = FusedRecurrence(self.weight_hidden, projected.shape[0], projected.shape[1], projected)
        return lambda carry: recurrence.lstm(carry[1], carry[0])

    def bind_with_feed(self, weight: Float[Tensor, "gates feed"], projected: ProjectedInputs | None) -> StepFn:
        if not wants_custom_backward() or projected is None:
            return super().bind_with_feed(weight, projected)
        # All that enters the gates is a sum, so that one product serves what is fed and the state.
        recurrence = FusedRecurrence(
            torch.cat([weight, self.weight_hidden], 1), projected.shape[0], projected.shape[1], projected
        )
        return lambda fed, carry: recurrence.lstm(carry[1], fed, carry[0])

    def run(
        self, inputs: Float[Tensor, "row time input"], carry: Carry, mask: Bool[Tensor, "row time"] | None = None
    ) -> tuple[Float[Tensor, "row time hidden"], Carry]:
        inputs, weight = self._masking_inputs(inputs, mask, -SATURATE, SATURATE, 0.0, 0.0)
        if inputs.device.type == "cpu" and is_autocast_on(inputs):
            outputs, hidden, cell = self._run_stepwise(inputs, weight, carry)
        else:
            weights = [weight, self.weight_hidden, self.bias, torch.zeros_like(self.bias)]
            start = [part.unsqueeze(0) for part in carry]
            outputs, hidden, cell = torch.lstm(inputs, start, weights, True, 1, 0.0, self.training, False, True)
            hidden, cell = hidden[0], cell[0]
        # The fused kernel holds c on padding but not h, which is read off at the last real position.
        last = hidden if mask is None else outputs[torch.arange(len(outputs), device=outputs.device), mask.sum(1) - 1]
        return outputs, (last, cell)

    def _run_stepwise(
        self, inputs: Float[Tensor, "row time input"], weight: Float[Tensor, "gates input"], carry: Carry
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `torch.lstm`, whose kernel for bfloat16 on a CPU takes three times as long."""
        step = self.bind(F.linear(inputs.transpose(0, 1), weight, self.bias))
        outputs = []
        for _ in range(inputs.shape[1]):
            carry = step(carry)
            outputs.append(carry[0])
        hidden, cell = carry
        return torch.stack(outputs, 1), hidden, cell


class GRU(Cell):
    """r, z = sigmoid(W x + U h + b);  n = tanh(W x + b + r (U h + b'));  h' = (1 - z) n + z h   (Cho et al. 2014)

    The reset gate acts after the product with U, as in cuDNN, so that one product serves all three gates.
    """

    gates = 3
    state_tensors = 1

    def __init__(self, *, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size)
        self.bias_hidden = nn.Parameter(torch.zeros(3 * hidden_size))

    def step(self, projected: GateInputs, carry: Carry, recurrent: DeferredLinearFn) -> Carry:
        (hidden,) = carry
        gates = recurrent(hidden, self.bias_hidden.expand(len(hidden), -1))
        reset, update = torch.sigmoid(projected[:, : -self.hidden_size] + gates[:, : -self.hidden_size]).chunk(2, 1)
        new = torch.tanh(projected[:, -self.hidden_size :] + reset * gates[:, -self.hidden_size :])
        return (torch.lerp(new, hidden, update),)

    def bind(self, projected: ProjectedInputs) -> Callable[[Carry], Carry]:
        if not wants_custom_backward():
            return super().bind(projected)
        recurrence, inputs = self._fuse_recurrence(*projected.shape[:2]), iter(projected.unbind(0))
        return lambda carry: (recurrence.gru(next(inputs), carry[0]),)

    def bind_with_feed(self, weight: Float[Tensor, "gates feed"], projected: ProjectedInputs | None) -> StepFn:
        if not wants_custom_backward() or projected is None:
            return super().bind_with_feed(weight, projected)
        # The reset gate tells what is fed from the state, so that each has its own product.
        time, rows, _ = projected.shape
        feed, recurrence = FusedRecurrence(weight, time, rows, projected), self._fuse_recurrence(time, rows)
        return lambda fed, carry: (recurrence.gru(feed.linear(fed), carry[0]),)

    def _fuse_recurrence(self, time: int, rows: int) -> FusedRecurrence:
        return FusedRecurrence(self.weight_hidden, time, rows, self.bias_hidden)

    def run(
        self, inputs: Float[Tensor, "row time input"], carry: Carry, mask: Bool[Tensor, "row time"] | None = None
    ) -> tuple[Float[Tensor, "row time hidden"], Carry]:
        inputs, weight = self._masking_inputs(inputs, mask, 0.0, SATURATE, 0.0)
        weights = [weight, self.weight_hidden, self.bias, self.bias_hidden]
        start = carry[0].unsqueeze(0)
        outputs, hidden = torch.gru(inputs, start, weights, True, 1, 0.0, self.training, False, True)
        return outputs, (hidden[0],)


class LayerNormLSTM(Cell):
    """The LSTM with LN(W x) + LN(U h) + b in the gates and tanh(LN(c')) in the output

    (Ba, Kiros and Hinton 2016, equations 20 to 22.)
    """

    gates = 4
    state_tensors = 2

    def __init__(self, *, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size)
        self.bias.data[hidden_size : 2 * hidden_size] = 1.0
        self.norm_input = nn.LayerNorm(4 * hidden_size, bias=False)
        self.norm_hidden = nn.LayerNorm(4 * hidden_size, bias=False)
        self.norm_cell = nn.LayerNorm(hidden_size)

    def project(self, inputs: Float[Tensor, "*rows input"]) -> Float[Tensor, "*rows gates"]:
        # What else joins the input (input feeding, context) must be normalized with it, so the norm waits for `step`.
        return F.linear(inputs, self.weight_input)

    def step_bias(self, time: int, rows: int) -> None:
        return None

    def step(self, projected: GateInputs, carry: Carry, recurrent: DeferredLinearFn) -> Carry:
        hidden, cell = carry
        gates = self.norm_input(projected) + self.norm_hidden(recurrent(hidden, None)) + self.bias
        i, f, g, o = gates.chunk(4, 1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(self.norm_cell(cell)), cell


class LayerNormGRU(Cell):
    """The GRU with LN(W x) + LN(U h) in place of W x + U h   (Ba, Kiros and Hinton 2016, supplement)"""

    gates = 3
    state_tensors = 1

    def __init__(self, *, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size)
        self.norm_input = nn.LayerNorm(3 * hidden_size, bias=False)
        self.norm_hidden = nn.LayerNorm(3 * hidden_size)

    def project(self, inputs: Float[Tensor, "*rows input"]) -> Float[Tensor, "*rows gates"]:
        return F.linear(inputs, self.weight_input)

    def step_bias(self, time: int, rows: int) -> None:
        return None

    def step(self, projected: GateInputs, carry: Carry, recurrent: DeferredLinearFn) -> Carry:
        (hidden,) = carry
        reset_x, update_x, new_x = (self.norm_input(projected) + self.bias).chunk(3, 1)
        reset_h, update_h, new_h = self.norm_hidden(recurrent(hidden, None)).chunk(3, 1)
        new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
        return (torch.lerp(new, hidden, torch.sigmoid(update_x + update_h)),)


CELLS: dict[str, type[Cell]] = {
    "lstm": LSTM,
    "gru": GRU,
    "layer_norm_lstm": LayerNormLSTM,
    "layer_norm_gru": LayerNormGRU,
}
