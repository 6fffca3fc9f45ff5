"""What all decoders share: a state, and one interface for target positions at once and one after another.

`forward` takes the embedded target of any length and the state before it, so training (all positions, given) and search
(one position, chosen) run the same code.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.attention.attention import Attended, Attention, Past
from nmt.attention.memory import Memory
from nmt.kernels.dropout import Dropout
from nmt.model.cells import CELLS, Carry
from nmt.model.stack import CellName, Stack


class DecoderState(NamedTuple):
    """All that a decoder carries from one target position to the next; rows first in every tensor."""

    carries: tuple[Carry, ...]
    feed: Float[Tensor, "row feed"]
    """The last attentional vector, for input feeding; of size 0 where it is not fed."""
    position: Int[Tensor, " row"]
    past: Past


class Decoded(NamedTuple):
    """readout: what the next words are predicted from. attended: what attention gave at every target position, where
    weights are asked for."""

    readout: Float[Tensor, "row target readout"]
    state: DecoderState
    attended: Attended | None

    @property
    def weights(self) -> Float[Tensor, "row target source"] | None:
        """The mean over heads, where weights are asked for and where there is attention."""
        return None if self.attended is None or self.attended.weights is None else self.attended.weights.mean(1)


class Decoder(nn.Module, ABC):
    """A recurrent decoder with attention. `readout_size` is what it hands to the vocabulary projection."""

    readout_size: int
    feed_size = 0
    is_stepwise = True
    """Whether target positions are read one after another, rather than by a recurrent layer of torch's."""

    def __init__(
        self,
        *,
        embedding_size: int,
        memory_size: int,
        attention: Attention,
        readout_dropout: float,
        cell: CellName,
        hidden_size: int,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.hidden_size = hidden_size
        self.state_tensors = CELLS[cell].state_tensors
        self.readout_dropout = Dropout(readout_dropout)

    def start(self, carries: tuple[Carry, ...], memory: Memory) -> DecoderState:
        """The state before the first target position."""
        # A carry is a sum over many positions, so it is in full precision where products are not.
        dtype = next(self.parameters()).dtype
        carries = tuple(tuple(part.to(dtype) for part in carry) for carry in carries)
        first = carries[0][0]
        position = torch.zeros(len(first), dtype=torch.long, device=first.device)
        return DecoderState(
            carries, first.new_zeros(len(first), self.feed_size), position, self.attention.start(memory)
        )

    def forward(
        self,
        embedded: Float[Tensor, "row target embedding"],
        state: DecoderState,
        memory: Memory,
        keep_weights: bool = False,
    ) -> Decoded:
        """Read `embedded` after `state`. keep_weights: also return the alignment, which costs memory."""
        positions = state.position.unsqueeze(1) + torch.arange(embedded.shape[1], device=embedded.device)
        decoded = self.decode(embedded, state, memory, positions, keep_weights)
        return decoded._replace(state=decoded.state._replace(position=state.position + embedded.shape[1]))

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


def join_steps(steps: list[Attended], keep_weights: bool) -> Attended | None:
    """What attention gave at one target position after another, as one; None unless weights are kept."""
    if not keep_weights:
        return None
    weights = [step.weights for step in steps if step.weights is not None]
    contexts = torch.cat([step.context for step in steps], 1)
    return Attended(contexts, torch.cat(weights, 2) if weights else None, steps[-1].past)


def feed_projection(size: int, stack: Stack) -> nn.Linear:
    """A projection of an extra input into the gates of a stack's first cell."""
    cell = stack.get_cell(0)
    linear = nn.Linear(size, cell.gates * cell.hidden_size, bias=False)
    for block in linear.weight.data.chunk(cell.gates):
        nn.init.xavier_uniform_(block)
    return linear
