"""The parts of a Transformer's layers, each with its normalization before it and its residual connection."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.kernels.dropout import Dropout
from nmt.model.positions import compute_sinusoids
from nmt.model.stack import make_dropout

States = Float[Tensor, "row time hidden"]


class InputLayer(nn.Module):
    """x = dropout(sqrt(d) M E + PE), of embeddings E whose rows have length one

    (Vaswani et al. 2017, section 3.4.) M maps embeddings to the size of the states where theirs is another.
    """

    def __init__(self, *, embedding_size: int, hidden_size: int, dropout: Dropout) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        same = embedding_size == hidden_size
        self.map = nn.Identity() if same else nn.Linear(embedding_size, hidden_size, bias=False)
        self.scale = embedding_size**0.5
        self.dropout = dropout

    def forward(self, embedded: Float[Tensor, "row time embedding"], positions: Int[Tensor, "row time"]) -> States:
        waves = compute_sinusoids(positions, self.hidden_size).to(embedded.dtype)
        states: Tensor = self.dropout(self.scale * self.map(embedded) + waves)
        return states


class Residual(nn.Module):
    """x + dropout(W c + b), with c = f(LN x) made elsewhere: the projection of what attention gave."""

    def __init__(self, *, context_size: int, hidden_size: int, dropout: Dropout) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden_size)
        self.output = nn.Linear(context_size, hidden_size)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.dropout = dropout

    def forward(self, states: States, context: Float[Tensor, "row time context"]) -> States:
        added: Tensor = states + self.dropout(self.output(context))
        return added


class FeedForward(nn.Module):
    """x + dropout(W_2 dropout(relu(W_1 LN x + b_1)) + b_2)   (Vaswani et al. 2017, section 3.3)"""

    def __init__(self, *, hidden_size: int, feed_forward_size: int, dropout: Dropout) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden_size)
        self.inner, self.outer = nn.Linear(hidden_size, feed_forward_size), nn.Linear(feed_forward_size, hidden_size)
        for linear in (self.inner, self.outer):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        self.dropout = dropout

    def forward(self, states: States) -> States:
        inner = self.dropout(torch.relu(self.inner(self.norm(states))))
        added: Tensor = states + self.dropout(self.outer(inner))
        return added


def check_sizes(where: str, *, hidden_size: int, layers: int, feed_forward_size: int, dropout: float) -> Dropout:
    """The dropout of a Transformer's side, `where` being its settings. Raises ConfigError for a size below 1."""
    sizes = {"hidden_size": hidden_size, "layers": layers, "feed_forward_size": feed_forward_size}
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{where}.{name} must be at least 1; got {size}.")
    return make_dropout(f"{where}.dropout", dropout)
