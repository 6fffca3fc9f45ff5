"""A decoder that looks before its update, with its last state as the query."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.attention.attention import Attended
from nmt.attention.memory import Memory
from nmt.model.bridge import BridgeFactory
from nmt.model.decoders.decoder import AttentionFactory, Decoded, join_steps
from nmt.model.decoders.recurrent import DecoderState, RecurrentDecoder, feed_projection
from nmt.model.stack import CellName, Stack


class Bahdanau(RecurrentDecoder):
    """c_t = attend(s_{t-1});  s_t = RNN([y_{t-1}; c_t], s_{t-1});  readout = maxout(U s_t + V y_{t-1} + C c_t)

    (Bahdanau et al. 2015, appendix A.2.) The deep output has `embedding_size` maxout units of two pieces each. It reads
    s_t where the paper's equations have s_{t-1}, so that the word read last is in it through the state as well.
    context_gate: c_t = sigmoid(u . s_{t-1} + b) attend(s_{t-1}), so that a word may be said without a look at the
    source (Xu et al. 2015, "Show, Attend and Tell", section 4.2.1).
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
        context_gate: bool = False,
    ) -> None:
        super().__init__(
            make_attention=make_attention, readout_dropout=readout_dropout, cell=cell, hidden_size=hidden_size
        )
        self.readout_size = embedding_size
        self.stack = Stack(
            cell=cell,
            input_size=embedding_size,
            hidden_size=hidden_size,
            layers=layers,
            dropout=dropout,
            residual=residual,
        )
        self.feed = feed_projection(memory_size, self.stack)
        self.deep = nn.Linear(hidden_size + embedding_size + memory_size, 2 * embedding_size)
        self.gate = nn.Linear(hidden_size, 1) if context_gate else None
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
        gates: list[Tensor] = []
        for t, projected in enumerate(self.stack.project(embedded).unbind(1)):
            query = carries[-1][0].unsqueeze(1)
            attended = self.attention(query, memory, positions[:, t : t + 1], past, keep_weights=keep_weights)
            if self.gate is not None:
                gates.append(self.gate(query).sigmoid())
                attended = attended._replace(context=gates[-1] * attended.context)
            steps.append(attended)
            context, past = steps[-1].context.squeeze(1), steps[-1].past
            output, carries = self.stack.step(projected + self.feed(context), carries)
            outputs.append(output)
        states = torch.stack(outputs, 1)
        readout = self.compute_readout(states, embedded, torch.cat([each.context for each in steps], 1))
        joined = join_steps(steps, keep_weights)
        return Decoded(
            self.readout_dropout(readout),
            state._replace(carries=carries, past=past),
            joined,
            self.read_choices(states, embedded, joined, memory, torch.cat(gates, 1) if gates else None),
        )

    def compute_readout(
        self,
        outputs: Float[Tensor, "*place hidden"],
        embedded: Float[Tensor, "*place embedding"],
        contexts: Float[Tensor, "*place value"],
    ) -> Float[Tensor, "*place readout"]:
        readout: Tensor = self.deep(torch.cat([outputs, embedded, contexts], -1)).unflatten(-1, (-1, 2)).amax(-1)
        return readout
