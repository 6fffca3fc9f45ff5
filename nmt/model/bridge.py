"""From what the encoder ended with to what the decoder starts with."""

from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.model.cells import Carry
from nmt.model.encoders.encoder import Encoded


class Bridge(nn.Module, ABC):
    """Gives every decoder layer its first carry: `parts` tensors of `hidden_size`."""

    def __init__(
        self, *, memory_size: int, hidden_size: int, layers: int, parts: int, encoder_layers: int, encoder_parts: int
    ) -> None:
        super().__init__()
        self.memory_size = memory_size
        self.hidden_size = hidden_size
        self.layers = layers
        self.parts = parts
        self.encoder_layers = encoder_layers
        self.encoder_parts = encoder_parts

    @abstractmethod
    def forward(self, encoded: Encoded) -> tuple[Carry, ...]:
        """The decoder's first carries, one a layer."""


@runtime_checkable
class BridgeFactory(Protocol):
    """Makes the bridge from the encoder that it knows to a decoder of these sizes."""

    def __call__(self, *, hidden_size: int, layers: int, parts: int) -> Bridge: ...


class Zero(Bridge):
    """s_0 = 0: all that the decoder learns of the source comes through attention."""

    def forward(self, encoded: Encoded) -> tuple[Carry, ...]:
        zero = encoded.states.new_zeros(len(encoded.states), self.hidden_size)
        return ((zero,) * self.parts,) * self.layers


class Copy(Bridge):
    """s_0 of layer l = the last carry of encoder layer l, both directions side by side   (Sutskever et al. 2014)"""

    def __init__(
        self, *, memory_size: int, hidden_size: int, layers: int, parts: int, encoder_layers: int, encoder_parts: int
    ) -> None:
        super().__init__(
            memory_size=memory_size,
            hidden_size=hidden_size,
            layers=layers,
            parts=parts,
            encoder_layers=encoder_layers,
            encoder_parts=encoder_parts,
        )
        wanted, actual = (layers, parts, hidden_size), (encoder_layers, encoder_parts, memory_size)
        if wanted != actual:
            raise ConfigError(
                "model/bridge=copy needs an encoder and a decoder of the same layers, the same kind of cell and the "
                f"same size: the decoder has (layers, tensors a cell, size) = {wanted}, the encoder {actual} with its "
                "directions side by side. Choose model/bridge=dense, which learns the map between them."
            )

    def forward(self, encoded: Encoded) -> tuple[Carry, ...]:
        return encoded.final


class ProjectedBridge(Bridge):
    """s_0 = tanh(W x + b), a W for every tensor of every layer; subclasses say what x is."""

    def __init__(
        self, *, memory_size: int, hidden_size: int, layers: int, parts: int, encoder_layers: int, encoder_parts: int
    ) -> None:
        super().__init__(
            memory_size=memory_size,
            hidden_size=hidden_size,
            layers=layers,
            parts=parts,
            encoder_layers=encoder_layers,
            encoder_parts=encoder_parts,
        )
        self.map = nn.Linear(memory_size, layers * parts * hidden_size)

    def project(self, summary: Float[Tensor, "row memory"]) -> tuple[Carry, ...]:
        """tanh(W x + b), cut into layers and parts."""
        pieces = torch.tanh(self.map(summary)).chunk(self.layers * self.parts, 1)
        return tuple(tuple(pieces[i : i + self.parts]) for i in range(0, len(pieces), self.parts))


class Dense(ProjectedBridge):
    """x = the last hidden states of the encoder's top layer   (Bahdanau et al. 2015, who use the backward one alone)"""

    def __init__(
        self, *, memory_size: int, hidden_size: int, layers: int, parts: int, encoder_layers: int, encoder_parts: int
    ) -> None:
        super().__init__(
            memory_size=memory_size,
            hidden_size=hidden_size,
            layers=layers,
            parts=parts,
            encoder_layers=encoder_layers,
            encoder_parts=encoder_parts,
        )
        if not encoder_layers:
            raise ConfigError(
                "model/bridge=dense reads the last state of a recurrent encoder, and model/encoder has none. Choose "
                "model/bridge=mean, which reads all states, or model/bridge=zero."
            )

    def forward(self, encoded: Encoded) -> tuple[Carry, ...]:
        return self.project(encoded.final[-1][0])


class Mean(ProjectedBridge):
    """x = the mean of the encoder's states over the sentence   (Sennrich et al. 2017, Nematus)"""

    def forward(self, encoded: Encoded) -> tuple[Carry, ...]:
        return self.project(encoded.states.sum(1) / encoded.mask.sum(1, keepdim=True))


BRIDGES: dict[str, type[Bridge]] = {"zero": Zero, "copy": Copy, "dense": Dense, "mean": Mean}
