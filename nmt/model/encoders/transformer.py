"""Layers of self-attention that read the whole source at once."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.attention.self_attention import SelfAttentionParts
from nmt.model.blocks import FeedForward, InputLayer, LayerSettings, NormPlace, Residual, States, check_positive
from nmt.model.encoders.encoder import Encoded, Encoder
from nmt.model.positions import PositionsFactory, Sinusoidal

WHERE = "model.encoder"


class EncoderLayer(nn.Module):
    """Attention of a sequence to itself, then a feed-forward network, each with its residual connection."""

    def __init__(self, settings: LayerSettings, *, attention: SelfAttentionParts) -> None:
        super().__init__()
        size = settings.hidden_size
        self.attention = attention.build(size, settings.where, dropout=settings.attention_dropout)
        self.residual = Residual(settings, context_size=size)
        self.feed_forward = FeedForward(settings)

    def forward(self, states: States, mask: Bool[Tensor, "row time"], positions: Int[Tensor, "row time"]) -> States:
        query = self.residual.read(states)
        attended = self.attention(query, self.attention.remember(query, mask), positions)
        output: Tensor = self.feed_forward(self.residual(states, attended.context))
        return output


class TransformerEncoder(Encoder):
    """x_0 = sqrt(d) E + PE;  x_l = layer_l(x_(l-1));  states = LN(x_n)

    (Vaswani et al. 2017, section 3.1.) With norm=pre, each layer normalizes before each part, and there is one LN after
    the last layer (Xiong et al. 2020); with norm=post, as in the paper, after each sum, and states = x_n. `positions`
    may be others than PE. `self_attention` is put together like any other: any score that looks at keys, any scope, any
    normalizer without a past. Dropout: `dropout` of embeddings and of what is added to states, `attention_dropout` of
    weights, `activation_dropout` of the inner layer (None: as `dropout`).
    """

    has_self_attention = True

    def __init__(
        self,
        *,
        embedding_size: int,
        hidden_size: int = 256,
        layers: int = 4,
        feed_forward_size: int = 1024,
        norm: NormPlace = "pre",
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        activation_dropout: float | None = None,
        positions: PositionsFactory = Sinusoidal,
        self_attention: SelfAttentionParts = SelfAttentionParts(),  # noqa: B008 (frozen)
    ) -> None:
        super().__init__()
        check_positive(WHERE, "layers", layers)
        settings = LayerSettings(
            where=WHERE,
            hidden_size=hidden_size,
            feed_forward_size=feed_forward_size,
            norm=norm,
            dropout=dropout,
            attention_dropout=attention_dropout,
            activation_dropout=activation_dropout,
        )
        self.memory_size = hidden_size
        self.input = InputLayer(
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            positions=settings.make_positions(positions),
            dropout=dropout,
        )
        self.layers = nn.ModuleList(EncoderLayer(settings, attention=self_attention) for _ in range(layers))
        self.norm = settings.make_last_norm()

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
