"""Cells on top of one another: dropout between layers, and a residual connection where sizes allow it."""

from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.kernels.dropout import Dropout
from nmt.model.cells import CELLS, Carry, Cell, GateInputs

Carries = tuple[Carry, ...]
"""One a layer."""

CellName = Literal["lstm", "gru", "layer_norm_lstm", "layer_norm_gru"]


def make_dropout(where: str, probability: float) -> Dropout:
    """Dropout with a checked probability; `where` names the setting in the error."""
    if not 0.0 <= probability < 1.0:
        raise ConfigError(f"{where} must be at least 0 and below 1; got {probability}.")
    return Dropout(probability)


class Stack(nn.Module):
    """`layers` cells; layer l reads the dropped-out output of layer l - 1, plus its own input if `residual`."""

    def __init__(
        self, *, cell: CellName, input_size: int, hidden_size: int, layers: int, dropout: float, residual: bool
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ConfigError(f"model.decoder.layers must be at least 1; got {layers}.")
        sizes = [input_size, *[hidden_size] * (layers - 1)]
        self.cells = nn.ModuleList(CELLS[cell](input_size=size, hidden_size=hidden_size) for size in sizes)
        self.dropout = make_dropout("model.decoder.dropout", dropout)
        self.residual = residual

    def get_cell(self, layer: int) -> Cell:
        """The cell of a layer, counted from 0."""
        cell = self.cells[layer]
        assert isinstance(cell, Cell)
        return cell

    def project(self, inputs: Float[Tensor, "*rows input"]) -> Float[Tensor, "*rows gates"]:
        """What of the first layer's gates is known before the recurrence."""
        return self.get_cell(0).project(inputs)

    def step(self, projected: GateInputs, carries: Carries) -> tuple[Float[Tensor, "row hidden"], Carries]:
        """One position: the output of the top layer, and the next carries. projected: the first layer's input."""
        next_carries = [self.get_cell(0).step(projected, carries[0])]
        output = next_carries[0][0]
        for layer in range(1, len(self.cells)):
            cell = self.get_cell(layer)
            next_carries.append(cell.step(cell.project(self.dropout(output)), carries[layer]))
            output = next_carries[-1][0] + output if self.residual else next_carries[-1][0]
        return output, tuple(next_carries)

    def run(
        self,
        inputs: Float[Tensor, "row time input"],
        carries: tuple[Carry, ...],
        mask: Bool[Tensor, "row time"] | None = None,
    ) -> tuple[Float[Tensor, "row time hidden"], tuple[Carry, ...]]:
        """All positions, layer by layer. Returns the top outputs and the last carry of each layer."""
        output, last = self.get_cell(0).run(inputs, carries[0], mask)
        next_carries = [last]
        for layer in range(1, len(self.cells)):
            layer_output, last = self.get_cell(layer).run(self.dropout(output), carries[layer], mask)
            next_carries.append(last)
            output = layer_output + output if self.residual else layer_output
        return output, tuple(next_carries)
