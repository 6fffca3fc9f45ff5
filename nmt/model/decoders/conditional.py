"""A decoder that looks in the middle of its update."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.attention.attention import Attended
from nmt.attention.memory import Memory
from nmt.model.bridge import BridgeFactory
from nmt.model.cells import CELLS
from nmt.model.decoders.decoder import AttentionFactory, Decoded, join_steps
from nmt.model.decoders.recurrent import DecoderState, RecurrentDecoder
from nmt.model.stack import CellName, Stack


class Conditional(RecurrentDecoder):
    """s'_t = RNN_1(y_{t-1}, s_{t-1});  c_t = attend(s'_t);  s_t = RNN_2(c_t, s'_t)

    Two transitions with the attention between them (Sennrich et al. 2017, Nematus: the conditional GRU), then
    readout = tanh(U s_t + V y_{t-1} + C c_t). Layers above the first are ordinary cells over s_t.
    """

    def __init__(
        self,
        *,
        embedding_size: int,
        memory_size: int,
        make_attention: AttentionFactory,
        bridge: BridgeFactory,
        readout_dropout: float,
        cell: CellName = "gru",
        hidden_size: int = 512,
        layers: int = 1,
        residual: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            make_attention=make_attention, readout_dropout=readout_dropout, cell=cell, hidden_size=hidden_size
        )
        self.readout_size = embedding_size
        self.first = CELLS[cell](input_size=embedding_size, hidden_size=hidden_size)
        self.stack = Stack(
            cell=cell,
            input_size=memory_size,
            hidden_size=hidden_size,
            layers=layers,
            dropout=dropout,
            residual=residual,
        )
        self.deep = nn.Linear(hidden_size + embedding_size + memory_size, embedding_size)
        self.bridge = bridge(hidden_size=hidden_size, layers=layers, parts=self.state_tensors)

    def decode(
        self,
        embedded: Float[Tensor, "row target embedding"],
        state: DecoderState,
        memory: Memory,
        positions: Int[Tensor, "row target"],
        keep_weights: bool,
    ) -> Decoded:
        carries, past = state.carries, state.past
        outputs: list[Tensor] = []
        steps: list[Attended] = []
        for t, projected in enumerate(self.first.project(embedded).unbind(1)):
            intermediate = self.first.step(projected, carries[0])
            query = intermediate[0].unsqueeze(1)
            steps.append(self.attention(query, memory, positions[:, t : t + 1], past, keep_weights=keep_weights))
            context, past = steps[-1].context.squeeze(1), steps[-1].past
            output, carries = self.stack.step(self.stack.project(context), (intermediate, *carries[1:]))
            outputs.append(output)
        states = torch.stack(outputs, 1)
        readout = self.compute_readout(states, embedded, torch.cat([each.context for each in steps], 1))
        attended = join_steps(steps, keep_weights)
        return Decoded(
            self.readout_dropout(readout),
            state._replace(carries=carries, past=past),
            attended,
            self.read_choices(states, embedded, attended, memory),
        )

    def compute_readout(
        self,
        outputs: Float[Tensor, "*place hidden"],
        embedded: Float[Tensor, "*place embedding"],
        contexts: Float[Tensor, "*place value"],
    ) -> Float[Tensor, "*place readout"]:
        return torch.tanh(self.deep(torch.cat([outputs, embedded, contexts], -1)))
