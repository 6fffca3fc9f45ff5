"""Cells on top of one another: dropout between layers, and a residual connection where sizes allow it."""

from collections.abc import Callable
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.model.cell import CELLS, Carry, Cell
from nmt.model.dropout import Dropout

Carries = tuple[Carry, ...]
"""One a layer."""

Stepped = tuple[Float[Tensor, "row hidden"], Carries]

Step = Callable[[Float[Tensor, "row feed"], Float[Tensor, "row gates"] | None, Carries], Stepped]
"""(what is fed, the first layer's input projected, carries) -> (output of the top layer, carries)"""

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

    def unrolled(self, feed: Float[Tensor, "gates feed"]) -> Step:
        """What takes one position after another of one batch; `feed` projects another input of the first layer."""
        first, *above = (self.cell(layer) for layer in range(len(self.cells)))
        enter, ascend = first.fed(feed), [cell.fed(cell.weight_input) for cell in above]

        def step(fed: Tensor, projected: Tensor | None, carries: Carries) -> Stepped:
            following = [enter(fed, projected, carries[0])]
            output = following[0][0]
            for cell, ascended, carry in zip(above, ascend, carries[1:], strict=True):
                following.append(ascended(self.dropout(output), cell.offset(len(output)), carry))
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
