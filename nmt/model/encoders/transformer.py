"""Layers of self-attention that read the whole source at once."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.attention.self_attention import SelfAttentionParts
from nmt.kernels.dropout import Dropout
from nmt.model.blocks import FeedForward, InputLayer, Residual, States, check_sizes
from nmt.model.encoders.encoder import Encoded, Encoder

WHERE = "model.encoder"


class EncoderLayer(nn.Module):
    """x + attend(LN x), then x + feed_forward(LN x)"""

    def __init__(
        self, *, attention: SelfAttentionParts, hidden_size: int, feed_forward_size: int, dropout: Dropout
    ) -> None:
        super().__init__()
        self.attention = attention.build(hidden_size, WHERE)
        self.residual = Residual(context_size=hidden_size, hidden_size=hidden_size, dropout=dropout)
        self.feed_forward = FeedForward(hidden_size=hidden_size, feed_forward_size=feed_forward_size, dropout=dropout)

    def forward(self, states: States, mask: Bool[Tensor, "row time"], positions: Int[Tensor, "row time"]) -> States:
        query = self.residual.norm(states)
        attended = self.attention(query, self.attention.remember(query, mask), positions)
        output: Tensor = self.feed_forward(self.residual(states, attended.context))
        return output


class TransformerEncoder(Encoder):
    """x_0 = sqrt(d) E + PE;  x_l = layer_l(x_(l-1));  states = LN(x_n)

    (Vaswani et al. 2017, section 3.1, with the normalization before each part instead of after it, as in Xiong et al.
    2020, and one after the last.) `self_attention` is put together like any other: any score that looks at keys, any
    scope, any normalizer without a past. The dropout is that of residual connections and of the inner layer.
    """

    def __init__(
        self,
        *,
        embedding_size: int,
        hidden_size: int = 256,
        layers: int = 4,
        feed_forward_size: int = 1024,
        dropout: float = 0.0,
        self_attention: SelfAttentionParts = SelfAttentionParts(),  # noqa: B008 (frozen)
    ) -> None:
        super().__init__()
        sizes = {"hidden_size": hidden_size, "feed_forward_size": feed_forward_size}
        drop = check_sizes(WHERE, layers=layers, dropout=dropout, **sizes)
        self.memory_size = hidden_size
        self.input = InputLayer(embedding_size=embedding_size, hidden_size=hidden_size, dropout=drop)
        self.layers = nn.ModuleList(
            EncoderLayer(attention=self_attention, dropout=drop, **sizes) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(hidden_size)

    def forward(
        self,
        embedded: Float[Tensor, "row source embedding"],
        lengths: Int[Tensor, " row"],
        mask: Bool[Tensor, "row source"],
    ) -> Encoded:
        positions = torch.arange(embedded.shape[1], device=embedded.device).expand(len(embedded), -1)
        states = self.input(embedded, positions)
        for layer in self.layers:
            states = layer(states, mask, positions)
        return Encoded(self.norm(states) * mask.unsqueeze(-1), mask)
