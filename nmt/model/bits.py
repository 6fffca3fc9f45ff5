"""Symbols that are numbers of some bits, and their vectors."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.special_tokens import EOS

FIRST_SYMBOL = EOS + 1
"""The token of the symbol 0; that of 1 follows, and so on."""


def find_width(vocabulary_size: int) -> int:
    """How many bits the symbols of a vocabulary have. Raises ConfigError where there are not 2^width of them."""
    symbols = vocabulary_size - FIRST_SYMBOL
    width = symbols.bit_length() - 1
    if width < 1 or symbols != 2**width:
        raise ConfigError(
            f"model/head=bernoulli predicts symbols bit by bit, so it needs 2, 4, 8, ... of them; the vocabulary has "
            f"{max(symbols, 0)}. Choose tokenizer=numbers and a tokenizer.count that is a power of two."
        )
    return width


def list_bits(width: int, device: torch.device | None = None) -> Float[Tensor, "symbol {width}"]:
    """The bits of the symbols 0, 1, ..., 2^width - 1, each with the highest first."""
    symbols = torch.arange(2**width, device=device).unsqueeze(1)
    return (symbols >> torch.arange(width - 1, -1, -1, device=device) & 1).to(torch.get_default_dtype())


class BitEmbedding(nn.Module):
    """E[symbol] = W bits(symbol); control tokens have vectors of their own

    W is normal, with a variance that gives vectors about the length of those of words.
    """

    def __init__(self, vocabulary_size: int, size: int) -> None:
        super().__init__()
        self.num_embeddings = vocabulary_size
        self.width = find_width(vocabulary_size)
        self.control = nn.Parameter(torch.empty(FIRST_SYMBOL, size))
        self.map = nn.Parameter(torch.empty(self.width, size))
        nn.init.normal_(self.control, std=size**-0.5)
        nn.init.normal_(self.map, std=(size * self.width / 2) ** -0.5)

    @property
    def weight(self) -> Float[Tensor, "token size"]:
        """The vectors of all tokens."""
        bits = list_bits(self.width, self.map.device).to(self.map.dtype)
        return torch.cat([self.control, bits @ self.map])

    def forward(self, tokens: Int[Tensor, "row time"]) -> Float[Tensor, "row time size"]:
        return F.embedding(tokens, self.weight)
