"""What a source position is, before the encoder: a token, or whatever else a sequence of vectors can be made of."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn


class FrontendOutput(NamedTuple):
    """What an encoder reads: a vector for each source position, how many are real, and which."""

    embedded: Float[Tensor, "row source embedding"]
    lengths: Int[Tensor, " row"]
    mask: Bool[Tensor, "row source"]


class Frontend(nn.Module, ABC):
    """Turns a batch of sources into vectors, one for each position and one for its end."""

    @abstractmethod
    def forward(self, source: Shaped[Tensor, "row source *feature"], lengths: Int[Tensor, " row"]) -> FrontendOutput:
        """The vectors of a batch; padding follows what is real."""
