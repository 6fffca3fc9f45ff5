"""Where a word stands, for models that read all words at once."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.attention.rotation import compute_angles
from nmt.errors import ConfigError
from nmt.variants import Variants

States = Float[Tensor, "row time hidden"]
Places = Int[Tensor, "row time"]


def compute_sinusoids(positions: Places, size: int) -> Float[Tensor, "row time {size}"]:
    """PE[p, 2i] = sin(p / 10000^(2i / size)),  PE[p, 2i + 1] = cos(p / 10000^(2i / size))   (Vaswani et al. 2017, 3.5)

    Features of sine and cosine alternate. For an odd size the last cosine is left out.
    """
    angles = compute_angles(positions, size)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)[..., :size]


class Positions(nn.Module, ABC):
    """What states are told of their positions before the first layer. Positions count from 0."""

    @abstractmethod
    def forward(self, states: States, positions: Places) -> States:
        """The states with what their positions add."""


class NoPositions(Positions):
    """x = sqrt(d) E: words in no order, unless a scope, a score or the causal mask gives them one."""

    def __init__(self, *, hidden_size: int) -> None:
        super().__init__()

    def forward(self, states: States, positions: Places) -> States:
        return states


class Sinusoidal(Positions):
    """x = sqrt(d) E + PE, waves of `compute_sinusoids`   (Vaswani et al. 2017, section 3.5)"""

    def __init__(self, *, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size

    def forward(self, states: States, positions: Places) -> States:
        return states + compute_sinusoids(positions, self.hidden_size).to(states.dtype)


class LearnedPositions(Positions):
    """x = sqrt(d) E + T[min(p, table_size - 1)]   (Gehring et al. 2017, section 3.1)

    T is a table of `table_size` rows, normal with variance 1 / hidden_size at first. All positions beyond it share its
    last row, so that no sentence is too long.
    """

    def __init__(self, *, hidden_size: int, table_size: int = 256) -> None:
        super().__init__()
        if table_size < 1:
            raise ConfigError(f"positions.table_size must be at least 1; got {table_size}.")
        self.table = nn.Embedding(table_size, hidden_size)
        nn.init.normal_(self.table.weight, std=hidden_size**-0.5)

    def forward(self, states: States, positions: Places) -> States:
        found: Tensor = self.table(positions.clamp(max=self.table.num_embeddings - 1))
        return states + found.to(states.dtype)


POSITIONS: dict[str, type[Positions]] = {
    "none": NoPositions,
    "sinusoidal": Sinusoidal,
    "learned": LearnedPositions,
}

PositionsFactory = Annotated[Callable[..., Positions], Variants(POSITIONS, frozenset({"hidden_size"}))]
"""What `positions` chooses: makes them for states of `hidden_size`."""
