"""Cells that read the source in both directions."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.model.cells import CELLS, Cell
from nmt.model.encoders.encoder import Encoded, Encoder
from nmt.model.stack import CellName, make_dropout


def compute_reversed_order(lengths: Int[Tensor, " row"], time: int) -> Int[Tensor, " places"]:
    """For each place of [row, time], the place to look at so that rows read from their last real position to the first.

    Padding stays at the end. The order is its own inverse.
    """
    positions = torch.arange(time, device=lengths.device)
    reversed_positions = lengths.unsqueeze(1) - 1 - positions
    rows = torch.arange(len(lengths), device=lengths.device).unsqueeze(1) * time
    return (rows + torch.where(reversed_positions >= 0, reversed_positions, positions)).flatten()


def reorder(states: Float[Tensor, "row time size"], order: Int[Tensor, " places"]) -> Float[Tensor, "row time size"]:
    """The states in an order of places that `compute_reversed_order` gives."""
    return states.flatten(0, 1).index_select(0, order).view_as(states)


class RecurrentEncoder(Encoder):
    """h_s = [forward RNN(x_1 .. x_s); backward RNN(x_n .. x_s)]

    (Schuster and Paliwal 1997; Bahdanau et al. 2015, section 3.2.) `hidden_size` is that of one direction. With
    `residual`, each layer above the first adds its input to its output. Sentences are padded and not packed: the carry
    is read off at the last real position, which is exact, and faster on a CPU.
    """

    def __init__(
        self,
        *,
        embedding_size: int,
        cell: CellName = "lstm",
        hidden_size: int = 256,
        layers: int = 1,
        bidirectional: bool = True,
        residual: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ConfigError(f"model.encoder.layers must be at least 1; got {layers}.")
        self.directions = 2 if bidirectional else 1
        self.memory_size = hidden_size * self.directions
        self.final_layers, self.final_parts = layers, CELLS[cell].state_tensors
        self.residual = residual
        self.dropout = make_dropout("model.encoder.dropout", dropout)
        sizes = [embedding_size, *[self.memory_size] * (layers - 1)]
        self.layers = nn.ModuleList(
            nn.ModuleList(CELLS[cell](input_size=size, hidden_size=hidden_size) for _ in range(self.directions))
            for size in sizes
        )

    def forward(
        self,
        embedded: Float[Tensor, "row source embedding"],
        lengths: Int[Tensor, " row"],
        mask: Bool[Tensor, "row source"],
    ) -> Encoded:
        states, final = embedded, []
        order = compute_reversed_order(lengths, embedded.shape[1])
        for number, layer in enumerate(self.layers):
            inputs = self.dropout(states) if number else states
            outputs, carries = [], []
            assert isinstance(layer, nn.ModuleList)
            for direction, cell in enumerate(layer):
                assert isinstance(cell, Cell)
                cell_inputs = reorder(inputs, order) if direction else inputs
                output, carry = cell.run(cell_inputs, cell.initial_state(cell_inputs, len(cell_inputs)), mask)
                outputs.append(reorder(output, order) if direction else output)
                carries.append(carry)
            layer_output = torch.cat(outputs, -1)
            states = states + layer_output if self.residual and number else layer_output
            final.append(tuple(torch.cat(parts, -1) for parts in zip(*carries, strict=True)))
        return Encoded(states * mask.unsqueeze(-1), mask, tuple(final))
