"""What recurrent decoders share: a carry for each layer, which a bridge makes from what the encoder read."""

from abc import abstractmethod
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.attention.attention import Attended, Past
from nmt.attention.memory import Memory
from nmt.kernels.dropout import Dropout
from nmt.model.bridge import Bridge
from nmt.model.cells import CELLS, Carry
from nmt.model.decoders.decoder import AttentionFactory, Decoded, Decoder, ReadoutChoices
from nmt.model.encoders.encoder import Encoded
from nmt.model.stack import CellName, Stack

States = Float[Tensor, "row target _"]


class DecoderState(NamedTuple):
    """All that a decoder carries from one target position to the next; rows first in every tensor."""

    carries: tuple[Carry, ...]
    feed: Float[Tensor, "row feed"]
    """The last attentional vector, for input feeding; of size 0 where it is not fed."""
    position: Int[Tensor, " row"]
    past: Past


class RecurrentDecoder(Decoder):
    """A stack of cells with attention; subclasses say when they ask it. Each makes its `bridge` last."""

    bridge: Bridge
    stack: Stack
    feed_size = 0

    def __init__(
        self, *, make_attention: AttentionFactory, readout_dropout: float, cell: CellName, hidden_size: int
    ) -> None:
        super().__init__()
        self.attention = make_attention()
        self.hidden_size = hidden_size
        self.state_tensors = CELLS[cell].state_tensors
        self.readout_dropout = Dropout(readout_dropout)

    def start(self, encoded: Encoded, memory: Memory) -> DecoderState:
        return self.make_state(encoded, self.attention.start(memory))

    def make_state(self, encoded: Encoded, past: Past) -> DecoderState:
        """The first state, with what the bridge makes of the encoder."""
        # A carry is a sum over many positions, so it is in full precision where products are not.
        dtype = next(self.parameters()).dtype
        carries = tuple(tuple(part.to(dtype) for part in carry) for carry in self.bridge(encoded))
        first = carries[0][0]
        position = torch.zeros(len(first), dtype=torch.long, device=first.device)
        return DecoderState(carries, first.new_zeros(len(first), self.feed_size), position, past)

    def forward(
        self,
        embedded: Float[Tensor, "row target embedding"],
        state: DecoderState,
        memory: Any,
        keep_weights: bool = False,
    ) -> Decoded:
        positions = state.position.unsqueeze(1) + torch.arange(embedded.shape[1], device=embedded.device)
        decoded = self.decode(embedded, state, memory, positions, keep_weights)
        return decoded._replace(state=decoded.state._replace(position=state.position + embedded.shape[1]))

    @abstractmethod
    def compute_readout(
        self,
        outputs: Float[Tensor, "*place hidden"],
        embedded: Float[Tensor, "*place embedding"],
        contexts: Float[Tensor, "*place value"],
    ) -> Float[Tensor, "*place readout"]:
        """What the next words are predicted from, before dropout."""

    def read_choices(
        self,
        outputs: States | list[Tensor],
        embedded: States,
        attended: Attended | None,
        memory: Memory,
        gates: Float[Tensor, "row target 1"] | None = None,
    ) -> ReadoutChoices | None:
        """The readout of each choice, where words are not predicted from the context. outputs: of all steps, or of
        each. gates: what the context of each step was multiplied with, if anything."""
        weights = None if attended is None else attended.weights
        given = None if weights is None else self.attention.choose(weights, memory)
        if given is None:
            return None
        outputs = torch.stack(outputs, 1) if isinstance(outputs, list) else outputs
        if gates is not None:
            given = given._replace(values=gates.unsqueeze(2) * given.values)
        count = given.positions.shape[-1]
        outputs, embedded = (part.unsqueeze(2).expand(-1, -1, count, -1) for part in (outputs, embedded))
        return ReadoutChoices(self.readout_dropout(self.compute_readout(outputs, embedded, given.values)), given)

    @abstractmethod
    def decode(
        self,
        embedded: Float[Tensor, "row target embedding"],
        state: DecoderState,
        memory: Memory,
        positions: Int[Tensor, "row target"],
        keep_weights: bool,
    ) -> Decoded:
        """As `forward`, but for the position in the state."""


def feed_projection(size: int, stack: Stack) -> nn.Linear:
    """A projection of an extra input into the gates of a stack's first cell."""
    cell = stack.get_cell(0)
    linear = nn.Linear(size, cell.gates * cell.hidden_size, bias=False)
    for block in linear.weight.data.chunk(cell.gates):
        nn.init.xavier_uniform_(block)
    return linear
