"""SNAIL as an encoder: temporal convolutions bring positions together, attention fetches from far away."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.attention.scope import Causal
from nmt.attention.self_attention import SelfAttentionParts
from nmt.model.blocks import check_positive
from nmt.model.encoders.encoder import Encoded, Encoder
from nmt.model.snail import AttentionBlock, BlockSettings
from nmt.model.temporal import TemporalBlock

WHERE = "model.encoder"

Block = Literal["temporal", "attention"]

PAPER: list[Block] = ["attention", "temporal", "attention", "temporal", "attention"]
"""The blocks of the paper's few-shot models."""


class SnailEncoder(Encoder):
    """x_0 = LN(E);  x_l = block_l(x_(l-1));  states = W x_n + b

    (Mishra et al. 2018, "A Simple Neural Attentive Meta-Learner", section 3.) `blocks` names them in their order:
    `temporal` for causal convolutions of growing dilation, `attention` for one attention of all positions to those
    before them. Each adds its features to those that it reads, so that x_n has those of the embedding and all that were
    added. LN makes features of all sources alike in size, which nothing does later. W maps x_n to `hidden_size`
    features; None: states are x_n itself. Convolutions carry the order of words, so there are no positions. With
    another scope than causal, attention looks ahead too. There is no recurrence: a bridge can be mean or zero.
    """

    has_self_attention = True

    def __init__(
        self,
        *,
        embedding_size: int,
        hidden_size: int | None = None,
        blocks: list[Block] = PAPER,
        filters: int = 128,
        span: int = 32,
        value_size: int = 128,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        self_attention: SelfAttentionParts = SelfAttentionParts(heads=1, scope=Causal),  # noqa: B008 (frozen)
    ) -> None:
        super().__init__()
        settings = BlockSettings(
            where=WHERE,
            filters=filters,
            span=span,
            value_size=value_size,
            dropout=dropout,
            attention_dropout=attention_dropout,
        )
        settings.check_blocks(blocks)
        self.norm = nn.LayerNorm(embedding_size)
        self.blocks = nn.ModuleList()
        size = embedding_size
        for name in blocks:
            made = (
                settings.make_temporal(size)
                if name == "temporal"
                else AttentionBlock(settings, self_attention, input_size=size)
            )
            self.blocks.append(made)
            size = made.output_size
        self.memory_size = size if hidden_size is None else hidden_size
        check_positive(WHERE, "hidden_size", self.memory_size)
        self.output = nn.Identity() if hidden_size is None else nn.Linear(size, hidden_size)
        self.has_self_attention = "attention" in blocks

    def forward(
        self,
        embedded: Float[Tensor, "row source embedding"],
        lengths: Int[Tensor, " row"],
        mask: Bool[Tensor, "row source"],
    ) -> Encoded:
        positions = torch.arange(embedded.shape[1], device=embedded.device).expand(len(embedded), -1)
        states = self.norm(embedded)
        for block in self.blocks:
            if isinstance(block, AttentionBlock):
                states = block.read_all(states, mask, positions)
            elif isinstance(block, TemporalBlock):
                states, _ = block(states, block.start(states))
        return Encoded(self.output(states) * mask.unsqueeze(-1), mask)
