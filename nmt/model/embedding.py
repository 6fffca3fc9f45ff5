"""Words as vectors."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.kernels.dropout import Dropout as DropoutLayer
from nmt.model.bits import BitEmbedding

TokenTable = nn.Embedding | BitEmbedding
"""Gives each token its vector; `weight` has those of all."""


class Embedding(nn.Module):
    """E[token], with whole words dropped at `word_dropout` and features at `dropout` (Gal and Ghahramani 2016)."""

    def __init__(self, table: TokenTable, *, word_dropout: float, dropout: float) -> None:
        super().__init__()
        self.table = table
        self.word_dropout = DropoutLayer(word_dropout)
        self.dropout = DropoutLayer(dropout)

    def forward(self, tokens: Int[Tensor, "row time"]) -> Float[Tensor, "row time embedding"]:
        embedded = self.table(tokens)
        if self.training and self.word_dropout.p:
            embedded = embedded * self.word_dropout(embedded.new_ones(*tokens.shape, 1))
        dropped: Tensor = self.dropout(embedded)
        return dropped


def build_embedding_table(vocab_size: int, size: int) -> nn.Embedding:
    """Normal with variance 1 / size, so that the product with a unit-variance readout starts near variance one."""
    table = nn.Embedding(vocab_size, size)
    nn.init.normal_(table.weight, std=size**-0.5)
    return table
