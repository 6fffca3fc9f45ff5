"""What the decoder may look at: the encoder's states, made ready once a sentence."""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor


class Memory(NamedTuple):
    """The encoder states as the decoder sees them; a value that the caller holds, one row a sentence."""

    keys: Float[Tensor, "row head source key"]
    values: Float[Tensor, "row head source value"]
    bias: Float[Tensor, "row source"]
    """log of the mask: 0 on real tokens, minus infinity on padding."""
    lengths: Int[Tensor, " row"]


def split_heads(states: Float[Tensor, "row time size"], heads: int) -> Float[Tensor, "row {heads} time part"]:
    """The last axis cut into `heads` equal parts, with the head moved before time."""
    row, time, size = states.shape
    return states.view(row, time, heads, size // heads).transpose(1, 2)


def join_heads(states: Float[Tensor, "row head time part"]) -> Float[Tensor, "row time size"]:
    """The inverse of `split_heads`."""
    row, heads, time, part = states.shape
    return states.transpose(1, 2).reshape(row, time, heads * part)
