"""Blocks of SNAIL, whose features stand beside those that they are made of: channels grow from block to block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.attention.memory import Memory
from nmt.attention.self_attention import CausalAttentionParts
from nmt.errors import ConfigError
from nmt.kernels.dropout import Dropout
from nmt.model.blocks import check_positive
from nmt.model.stack import make_dropout
from nmt.model.temporal import States, TemporalBlock

MAX_BLOCKS = 32
MAX_SPAN = 2**12


@dataclass(frozen=True, kw_only=True)
class BlockSettings:
    """What the blocks of one side have in common; `where` is the group of its settings.

    filters: features that each layer of a temporal block adds. span: positions that a temporal block sees. value_size:
    features that an attention adds. Raises ConfigError for what is out of range.
    """

    where: str
    filters: int
    span: int
    value_size: int
    dropout: float
    attention_dropout: float

    def __post_init__(self) -> None:
        for name in ("filters", "value_size"):
            check_positive(self.where, name, getattr(self, name))
        if not 2 <= self.span <= MAX_SPAN:
            raise ConfigError(f"{self.where}.span must be from 2 to {MAX_SPAN} positions; got {self.span}.")
        for name in ("dropout", "attention_dropout"):
            make_dropout(f"{self.where}.{name}", getattr(self, name))

    def check_blocks(self, blocks: Sequence[str]) -> None:
        """Raises ConfigError unless there are some blocks, and not too many."""
        if not 1 <= len(blocks) <= MAX_BLOCKS:
            raise ConfigError(f"{self.where}.blocks must name from 1 to {MAX_BLOCKS} blocks; got {len(blocks)}.")

    def make_temporal(self, input_size: int) -> TemporalBlock:
        """A temporal block that reads states of this size."""
        return TemporalBlock(input_size=input_size, filters=self.filters, span=self.span, dropout=self.dropout)


class Cache(NamedTuple):
    """Keys and values of the positions that have been read."""

    keys: Float[Tensor, "row head read key"]
    values: Float[Tensor, "row head read value"]


class AttentionBlock(nn.Module):
    """[x; dropout(attend(x, x))]   (Mishra et al. 2018, "AttentionBlock")

    Values are a map of the states to `value_size` features, keys and queries maps of them as the score has it.
    """

    def __init__(self, settings: BlockSettings, parts: CausalAttentionParts, *, input_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.self_attention = parts.build(
            input_size, settings.where, settings.attention_dropout, value_size=settings.value_size
        )
        self.dropout = Dropout(settings.dropout)
        self.output_size = input_size + settings.value_size

    def start(self, states: States) -> Cache:
        """The cache before the first position of each row of `states`."""
        nothing = states.new_zeros(len(states), 0, self.input_size)
        read = self.self_attention.remember(nothing, nothing.new_zeros(len(states), 0, dtype=torch.bool))
        return Cache(read.keys, read.values)

    def read_all(self, states: States, mask: Bool[Tensor, "row time"], positions: Int[Tensor, "row time"]) -> States:
        """Whole sequences, which the scope of the attention lets see what it lets them see."""
        memory = self.self_attention.remember(states, mask, positions)
        return self._add(states, memory, positions)

    def forward(self, states: States, positions: Int[Tensor, "row time"], cache: Cache) -> tuple[States, Cache]:
        """The next positions, one or many, and the cache after them."""
        known = self.self_attention.remember(states, positions >= 0, positions)
        keys, values = torch.cat([cache.keys, known.keys], 2), torch.cat([cache.values, known.values], 2)
        bias = known.bias.new_zeros(len(keys), keys.shape[2])
        memory = Memory(keys, values, bias, torch.full_like(known.lengths, keys.shape[2]))
        return self._add(states, memory, positions), Cache(keys, values)

    def _add(self, states: States, memory: Memory, positions: Tensor) -> States:
        context = self.self_attention(states, memory, positions).context
        return torch.cat([states, self.dropout(context)], -1)
