"""What the decoder may look at: the encoder's states, made ready once a sentence."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt import masks


class Hidden(NamedTuple):
    """Which positions queries must not look at: those of query t are mask[:, t], at target position first + t. Rows are
    those of the queries."""

    mask: Bool[Tensor, "row target source"]
    first: Int[Tensor, " row"]

    def look_up(self, positions: Int[Tensor, "row target"]) -> Bool[Tensor, "row target source"]:
        """Those of queries at these target positions."""
        return torch.take_along_dim(self.mask, (positions - self.first.unsqueeze(1)).unsqueeze(-1), 1)


class Memory(NamedTuple):
    """The encoder states as the decoder sees them; a value that the caller holds, one row a sentence."""

    keys: Float[Tensor, "row head source key"]
    values: Float[Tensor, "row head source value"]
    bias: Float[Tensor, "row source"]
    """log of the mask: 0 on real tokens, minus infinity on padding."""
    lengths: Int[Tensor, " row"]
    scope_keys: Float[Tensor, "row head source scope_key"] | None = None
    """What a scope with an energy of its own compares queries with."""
    hidden: Hidden | None = None
    """What some queries must not look at, beside padding."""


def split_heads(states: Float[Tensor, "row time size"], heads: int) -> Float[Tensor, "row {heads} time part"]:
    """The last axis cut into `heads` equal parts, with the head moved before time."""
    row, time, size = states.shape
    return states.view(row, time, heads, size // heads).transpose(1, 2)


def join_heads(states: Float[Tensor, "row head time part"]) -> Float[Tensor, "row time size"]:
    """The inverse of `split_heads`."""
    row, heads, time, part = states.shape
    return states.transpose(1, 2).reshape(row, time, heads * part)


# A memory that is not what the encoder gave ---------------------------------------------------------------------------


def map_memories(memory: Any, change: Callable[[Memory], Memory]) -> Any:
    """What a decoder remembers, a memory or nested tuples of them, with `change` applied to each memory."""
    if isinstance(memory, Memory):
        return change(memory)
    if isinstance(memory, tuple):
        parts = [map_memories(part, change) for part in memory]
        return type(memory)(*parts) if hasattr(memory, "_fields") else type(memory)(parts)
    return memory


def hide_positions(memory: Memory, hidden: Bool[Tensor, "row source"]) -> Memory:
    """The memory as if the hidden positions were padding: no weight goes there, and keys and values stay."""
    return memory._replace(bias=memory.bias + masks.log_mask(~hidden, memory.bias.dtype))


def empty_values(memory: Memory, rows: Bool[Tensor, " row"]) -> Memory:
    """The memory with values of 0 in some rows, so that the context there is 0 whatever the weights."""
    return memory._replace(values=memory.values.masked_fill(rows.view(-1, 1, 1, 1), 0.0))


def reorder_values(memory: Memory, order: Int[Tensor, "row source"]) -> Memory:
    """The memory with value order[s] at position s: the context is that of weights that were permuted the other way."""
    return memory._replace(values=torch.take_along_dim(memory.values, order[:, None, :, None], 2))
