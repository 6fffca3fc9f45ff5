"""The parts of a Transformer's layers, each with its normalization and its residual connection."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.kernels.dropout import Dropout
from nmt.model.positions import Positions, PositionsFactory
from nmt.model.stack import make_dropout

States = Float[Tensor, "row time hidden"]

NormPlace = Literal["pre", "post"]
"""Where a layer normalizes: before each part, or after each sum."""


@dataclass(frozen=True, kw_only=True)
class LayerSettings:
    """What the layers of one side have in common; `where` is the group of its settings.

    activation_dropout: that of the inner layer; None: as `dropout`. Raises ConfigError for what is out of range.
    """

    where: str
    hidden_size: int
    feed_forward_size: int
    norm: NormPlace = "pre"
    dropout: float = 0.0
    attention_dropout: float = 0.0
    activation_dropout: float | None = None

    def __post_init__(self) -> None:
        for name in ("hidden_size", "feed_forward_size"):
            check_positive(self.where, name, getattr(self, name))
        for name in ("dropout", "attention_dropout", "activation_dropout"):
            make_dropout(f"{self.where}.{name}", getattr(self, name) or 0.0)

    def make_activation_dropout(self) -> Dropout:
        """That of the inner layer."""
        return Dropout(self.dropout if self.activation_dropout is None else self.activation_dropout)

    def make_last_norm(self) -> nn.Module:
        """What follows the last layer: LN where layers normalize before each part, for then none has seen their sum."""
        return nn.LayerNorm(self.hidden_size) if self.norm == "pre" else nn.Identity()

    def make_positions(self, positions: PositionsFactory) -> Positions:
        """What tells positions apart. Raises ConfigError, which names the settings of `positions` in `where`."""
        try:
            return positions(hidden_size=self.hidden_size)
        except ConfigError as problem:
            raise problem.move("positions", f"{self.where}.positions") from None


def check_positive(where: str, name: str, size: int) -> None:
    """Raises ConfigError for a size below 1."""
    if size < 1:
        raise ConfigError(f"{where}.{name} must be at least 1; got {size}.")


class InputLayer(nn.Module):
    """x = dropout(positions(sqrt(d) M E)), of embeddings E whose rows have length one

    (Vaswani et al. 2017, section 3.4.) M maps embeddings to the size of the states where theirs is another. The factor
    gives features variance one, beside which those of the positions are of a like size.
    """

    def __init__(self, *, embedding_size: int, hidden_size: int, positions: Positions, dropout: float) -> None:
        super().__init__()
        same = embedding_size == hidden_size
        self.map = nn.Identity() if same else nn.Linear(embedding_size, hidden_size, bias=False)
        if isinstance(self.map, nn.Linear):
            nn.init.xavier_uniform_(self.map.weight)
        self.scale = embedding_size**0.5
        self.positions = positions
        self.dropout = Dropout(dropout)

    def forward(self, embedded: Float[Tensor, "row time embedding"], positions: Int[Tensor, "row time"]) -> States:
        states: Tensor = self.dropout(self.positions(self.scale * self.map(embedded), positions))
        return states


class Sublayer(nn.Module):
    """pre: x + dropout(f(LN x));  post: LN(x + dropout(f(x)))

    (Vaswani et al. 2017, section 3.1, is `post`; Xiong et al. 2020 compare both.)
    """

    def __init__(self, settings: LayerSettings) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(settings.hidden_size)
        self.norm_place = settings.norm
        self.dropout = Dropout(settings.dropout)

    def read(self, states: States) -> States:
        """What f reads of the states."""
        read: Tensor = self.norm(states) if self.norm_place == "pre" else states
        return read

    def add(self, states: States, change: States) -> States:
        """The states with what f made of them."""
        added: Tensor = states + self.dropout(change)
        return self.norm(added) if self.norm_place == "post" else added


class Residual(Sublayer):
    """f(x) = W c + b, with c = attend(x, ...) made elsewhere, of what `read` gives"""

    def __init__(self, settings: LayerSettings, *, context_size: int) -> None:
        super().__init__(settings)
        self.output = nn.Linear(context_size, settings.hidden_size)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, states: States, context: Float[Tensor, "row time context"]) -> States:
        return self.add(states, self.output(context))


class FeedForward(Sublayer):
    """f(x) = W_2 dropout(relu(W_1 x + b_1)) + b_2   (Vaswani et al. 2017, section 3.3)"""

    def __init__(self, settings: LayerSettings) -> None:
        super().__init__(settings)
        self.inner = nn.Linear(settings.hidden_size, settings.feed_forward_size)
        self.outer = nn.Linear(settings.feed_forward_size, settings.hidden_size)
        for linear in (self.inner, self.outer):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        self.activation_dropout = settings.make_activation_dropout()

    def forward(self, states: States) -> States:
        inner = self.activation_dropout(torch.relu(self.inner(self.read(states))))
        return self.add(states, self.outer(inner))
