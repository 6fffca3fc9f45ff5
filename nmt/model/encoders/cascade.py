"""A recurrent encoder, and layers of self-attention over what it has read."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.attention.self_attention import SelfAttentionParts
from nmt.errors import ConfigError
from nmt.model.blocks import LayerSettings
from nmt.model.encoders.encoder import Encoded
from nmt.model.encoders.recurrent import RecurrentEncoder
from nmt.model.encoders.transformer import WHERE, EncoderLayer
from nmt.model.stack import CellName, make_dropout


class CascadeEncoder(RecurrentEncoder):
    """h = recurrent encoder(x);  x_0 = h,  x_l = block_l(x_(l-1));  states = LN(x_n)

    (Chen et al. 2018, "The Best of Both Worlds", the cascaded encoder.) A block is a layer of the Transformer's
    encoder: self-attention and a feed-forward network, each with its normalization and its residual connection. Word
    order is known from the recurrence, so there are no positions to add. A bridge still reads what the recurrent layers
    ended with. The blocks have the size of a state, all directions together.
    """

    has_self_attention = True

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
        blocks: int = 2,
        feed_forward_size: int = 1024,
        block_dropout: float = 0.0,
        self_attention: SelfAttentionParts = SelfAttentionParts(),  # noqa: B008 (frozen)
    ) -> None:
        super().__init__(
            embedding_size=embedding_size,
            cell=cell,
            hidden_size=hidden_size,
            layers=layers,
            bidirectional=bidirectional,
            residual=residual,
            dropout=dropout,
        )
        if blocks < 1:
            raise ConfigError(
                f"model.encoder.blocks must be at least 1; got {blocks}. Without any, choose model/encoder=lstm or gru."
            )
        size = self.memory_size
        if self_attention.heads < 1 or size % self_attention.heads:
            raise ConfigError(
                f"model.encoder.self_attention.heads must divide the size of a state, {size}, which is "
                f"model.encoder.hidden_size times its directions; got {self_attention.heads}."
            )
        make_dropout(f"{WHERE}.block_dropout", block_dropout)
        settings = LayerSettings(
            where=WHERE, hidden_size=size, feed_forward_size=feed_forward_size, dropout=block_dropout
        )
        self.blocks = nn.ModuleList(EncoderLayer(settings, attention=self_attention) for _ in range(blocks))
        self.norm = settings.make_last_norm()

    def forward(
        self,
        embedded: Float[Tensor, "row source embedding"],
        lengths: Int[Tensor, " row"],
        mask: Bool[Tensor, "row source"],
    ) -> Encoded:
        encoded = super().forward(embedded, lengths, mask)
        positions = torch.arange(embedded.shape[1], device=embedded.device).expand(len(embedded), -1)
        states = encoded.states
        for block in self.blocks:
            states = block(states, mask, positions)
        return encoded._replace(states=self.norm(states) * mask.unsqueeze(-1))
