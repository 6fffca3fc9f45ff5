"""Words as vectors."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.kernels.dropout import Dropout as DropoutLayer
from nmt.model.bits import BitEmbedding
from nmt.special_tokens import UNK

TokenTable = nn.Embedding | BitEmbedding
"""Gives each token its vector; `weight` has those of all."""


class Embedding(nn.Module):
    """E[token], with whole words dropped at `word_dropout` and features at `dropout` (Gal and Ghahramani 2016). Tokens
    beyond the table, which copies of what the vocabulary lacks have, are UNK."""

    def __init__(self, table: TokenTable, *, word_dropout: float, dropout: float) -> None:
        super().__init__()
        self.table = table
        self.word_dropout = DropoutLayer(word_dropout)
        self.dropout = DropoutLayer(dropout)

    def forward(self, tokens: Int[Tensor, "row time"]) -> Float[Tensor, "row time embedding"]:
        embedded = self.table(replace_unknown(tokens, self.table.num_embeddings))
        if self.training and self.word_dropout.p:
            embedded = embedded * self.word_dropout(embedded.new_ones(*tokens.shape, 1))
        dropped: Tensor = self.dropout(embedded)
        return dropped


def replace_unknown(tokens: Int[Tensor, "*place"], size: int) -> Int[Tensor, "*place"]:
    """The tokens, with UNK for those that a vocabulary of this size does not have."""
    return torch.where(tokens < size, tokens, UNK)


def build_embedding_table(vocab_size: int, size: int) -> nn.Embedding:
    """Normal with variance 1 / size, so that the product with a unit-variance readout starts near variance one."""
    table = nn.Embedding(vocab_size, size)
    nn.init.normal_(table.weight, std=size**-0.5)
    return table
