"""Recurrent cells, each in two halves: `project` for all inputs at once, outside the recurrence, and `step` inside it.

A carry is the tuple of tensors [row, hidden] that a cell hands to its next step; its first member is the output. `run`
goes over a whole sequence, and returns the carry of the last real token whatever the padding.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.kernels.precision import run_lstm

Carry = tuple[Float[Tensor, "row hidden"], ...]
GateInputs = Float[Tensor, "row gates"]

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

    def project_hidden(self, hidden: Float[Tensor, "row hidden"]) -> GateInputs:
        """U h, as precise as h."""
        return F.linear(hidden, self.weight_hidden).to(hidden.dtype)

    @abstractmethod
    def step(self, projected: GateInputs, carry: Carry) -> Carry:
        """The next carry. projected: what `project` gives of the input, and what else enters the gates with it."""

    def run(
        self, inputs: Float[Tensor, "row time input"], carry: Carry, mask: Bool[Tensor, "row time"] | None = None
    ) -> tuple[Float[Tensor, "row time hidden"], Carry]:
        """Outputs of every position and the carry after the last real one. Padding must follow what is real."""
        outputs = []
        for time, projected in enumerate(self.project(inputs).unbind(1)):
            next_carry = self.step(projected, carry)
            if mask is not None:
                keep = mask[:, time].unsqueeze(-1)
                next_carry = tuple(torch.where(keep, new, old) for new, old in zip(next_carry, carry, strict=True))
            carry = next_carry
            outputs.append(carry[0])
        return torch.stack(outputs, 1), carry


def select_last(
    outputs: Float[Tensor, "row time hidden"], mask: Bool[Tensor, "row time"]
) -> Float[Tensor, "row hidden"]:
    """The output at the last real position of each row."""
    return outputs[torch.arange(len(outputs), device=outputs.device), mask.sum(1) - 1]


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

    def step(self, projected: GateInputs, carry: Carry) -> Carry:
        hidden, cell = carry
        i, f, g, o = (projected + self.project_hidden(hidden)).chunk(4, 1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(cell), cell

    def run(
        self, inputs: Float[Tensor, "row time input"], carry: Carry, mask: Bool[Tensor, "row time"] | None = None
    ) -> tuple[Float[Tensor, "row time hidden"], Carry]:
        weight: Tensor = self.weight_input
        if mask is not None:
            # One more feature, 1 on padding, closes the input gate and opens the forget gate, so that c is held there.
            holds = self.bias.new_tensor([-SATURATE, SATURATE, 0.0, 0.0])
            inputs = torch.cat([inputs, (~mask).unsqueeze(-1).to(inputs.dtype)], -1)
            weight = torch.cat([weight, holds.repeat_interleave(self.hidden_size).unsqueeze(1)], 1)
        weights = [weight, self.weight_hidden, self.bias, torch.zeros_like(self.bias)]
        outputs, hidden, cell = run_lstm(inputs, carry, weights, self.training)
        return outputs, (hidden if mask is None else select_last(outputs, mask), cell)


class GRU(Cell):
    """r, z = sigmoid(W x + U h + b);  n = tanh(W x + b + r (U h + b'));  h' = (1 - z) n + z h   (Cho et al. 2014)

    The reset gate acts after the product with U, as in cuDNN, so that one product serves all three gates.
    """

    gates = 3
    state_tensors = 1

    def __init__(self, *, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size)
        self.bias_hidden = nn.Parameter(torch.zeros(3 * hidden_size))

    def step(self, projected: GateInputs, carry: Carry) -> Carry:
        (hidden,) = carry
        gates = F.linear(hidden, self.weight_hidden, self.bias_hidden).to(hidden.dtype)
        reset, update = torch.sigmoid(projected[:, : -self.hidden_size] + gates[:, : -self.hidden_size]).chunk(2, 1)
        new = torch.tanh(projected[:, -self.hidden_size :] + reset * gates[:, -self.hidden_size :])
        return (torch.lerp(new, hidden, update),)

    def run(
        self, inputs: Float[Tensor, "row time input"], carry: Carry, mask: Bool[Tensor, "row time"] | None = None
    ) -> tuple[Float[Tensor, "row time hidden"], Carry]:
        weights: list[Tensor] = [self.weight_input, self.weight_hidden, self.bias, self.bias_hidden]
        start = carry[0].unsqueeze(0)
        outputs, hidden = torch.gru(inputs, start, weights, True, 1, 0.0, self.training, False, True)
        return outputs, (hidden[0] if mask is None else select_last(outputs, mask),)


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

    def step(self, projected: GateInputs, carry: Carry) -> Carry:
        hidden, cell = carry
        gates = self.norm_input(projected) + self.norm_hidden(self.project_hidden(hidden)) + self.bias
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

    def step(self, projected: GateInputs, carry: Carry) -> Carry:
        (hidden,) = carry
        reset_x, update_x, new_x = (self.norm_input(projected) + self.bias).chunk(3, 1)
        reset_h, update_h, new_h = self.norm_hidden(self.project_hidden(hidden)).chunk(3, 1)
        new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
        return (torch.lerp(new, hidden, torch.sigmoid(update_x + update_h)),)


CELLS: dict[str, type[Cell]] = {
    "lstm": LSTM,
    "gru": GRU,
    "layer_norm_lstm": LayerNormLSTM,
    "layer_norm_gru": LayerNormGRU,
}
