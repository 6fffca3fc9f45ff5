"""What an encoder is: source embeddings -> one state for every source position."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.model.cells import Carry


class Encoded(NamedTuple):
    """states: zero on padding. mask: where the source is real.

    final: for each layer of a recurrent encoder, its last carry with both directions side by side; () for others.
    """

    states: Float[Tensor, "row source memory"]
    mask: Bool[Tensor, "row source"]
    final: tuple[Carry, ...] = ()


class Encoder(nn.Module, ABC):
    """Reads whole sentences.

    memory_size: that of a state. has_self_attention: whether positions look at each other. directions: how many
    recurrences have their part of it side by side; 1 where there are none. final_layers, final_parts: how many layers,
    and tensors of each, there are in `Encoded.final`.
    """

    memory_size: int
    has_self_attention = False
    directions = 1
    final_layers = 0
    final_parts = 0

    @abstractmethod
    def forward(
        self,
        embedded: Float[Tensor, "row source embedding"],
        lengths: Int[Tensor, " row"],
        mask: Bool[Tensor, "row source"],
    ) -> Encoded:
        """The states of a batch of sentences; what is on padding changes nothing."""
