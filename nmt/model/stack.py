"""Cells on top of one another: dropout between layers, and a residual connection where sizes allow it."""

from collections.abc import Callable
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.kernels.dropout import Dropout
from nmt.model.cells import CELLS, Carry, Cell, Known

Carries = tuple[Carry, ...]
"""One a layer."""

Stepped = tuple[Float[Tensor, "row hidden"], Carries]

Step = Callable[[Float[Tensor, "row feed"], Carries], Stepped]
"""(what is fed, carries) -> (output of the top layer, carries), for one position after another"""

CellName = Literal["lstm", "gru", "layer_norm_lstm", "layer_norm_gru"]


def dropout_of(where: str, probability: float) -> Dropout:
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
        self.dropout = dropout_of("model.decoder.dropout", dropout)
        self.residual = residual

    def cell(self, layer: int) -> Cell:
        """The cell of a layer, counted from 0."""
        cell = self.cells[layer]
        assert isinstance(cell, Cell)
        return cell

    def unrolled(self, feed: Float[Tensor, "gates feed"], projected: Known | None, time: int, rows: int) -> Step:
        """What takes one position after another of one batch of `time` positions and `rows` rows.

        projected: the first layer's input; `feed` projects another input of that layer.
        """
        first, *above = (self.cell(layer) for layer in range(len(self.cells)))
        enter = first.fed(feed, projected)
        ascend = [cell.fed(cell.weight_input, cell.offset(time, rows)) for cell in above]

        def step(fed: Tensor, carries: Carries) -> Stepped:
            following = [enter(fed, carries[0])]
            output = following[0][0]
            for ascended, carry in zip(ascend, carries[1:], strict=True):
                following.append(ascended(self.dropout(output), carry))
                output = following[-1][0] + output if self.residual else following[-1][0]
            return output, tuple(following)

        return step

    def run(
        self,
        inputs: Float[Tensor, "row time input"],
        carries: tuple[Carry, ...],
        real: Bool[Tensor, "row time"] | None = None,
    ) -> tuple[Float[Tensor, "row time hidden"], tuple[Carry, ...]]:
        """All positions, layer by layer. Returns the top outputs and the last carry of each layer."""
        output, last = self.cell(0).run(inputs, carries[0], real)
        following = [last]
        for layer in range(1, len(self.cells)):
            above, last = self.cell(layer).run(self.dropout(output), carries[layer], real)
            following.append(last)
            output = above + output if self.residual else above
        return output, tuple(following)
