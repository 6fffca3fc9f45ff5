"""A decoder that looks after its update, with its own state as the query."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.attention.attention import Attended
from nmt.attention.memory import Memory
from nmt.model.bridge import BridgeFactory
from nmt.model.decoders.decoder import AttentionFactory, Decoded, attend_all, join_steps
from nmt.model.decoders.recurrent import DecoderState, RecurrentDecoder, feed_projection
from nmt.model.stack import CellName, Stack


class Luong(RecurrentDecoder):
    """s_t = RNN(y_{t-1} [; a_{t-1}], s_{t-1});  c_t = attend(s_t);  a_t = tanh(W [c_t; s_t])   (Luong et al. 2015)

    a_t is the attentional vector. With `input_feeding` it joins the next step's input, and steps must be taken one by
    one; without, the whole recurrence runs first and all positions attend in one product.
    """

    readout_bounded = True

    def __init__(
        self,
        *,
        embedding_size: int,
        memory_size: int,
        make_attention: AttentionFactory,
        bridge: BridgeFactory,
        readout_dropout: float,
        cell: CellName = "lstm",
        hidden_size: int = 512,
        layers: int = 1,
        residual: bool = False,
        dropout: float = 0.0,
        input_feeding: bool = True,
    ) -> None:
        super().__init__(
            make_attention=make_attention, readout_dropout=readout_dropout, cell=cell, hidden_size=hidden_size
        )
        self.readout_size = hidden_size
        self.stack = Stack(
            cell=cell,
            input_size=embedding_size,
            hidden_size=hidden_size,
            layers=layers,
            dropout=dropout,
            residual=residual,
        )
        self.attentional = nn.Linear(memory_size + hidden_size, hidden_size, bias=False)
        self.feed = None
        self.is_stepwise = input_feeding
        if input_feeding:
            self.feed_size = hidden_size
            self.feed = feed_projection(hidden_size, self.stack)
        self.bridge = bridge(hidden_size=hidden_size, layers=layers, parts=self.state_tensors)

    def decode(
        self,
        embedded: Float[Tensor, "row target embedding"],
        state: DecoderState,
        memory: Memory,
        positions: Int[Tensor, "row target"],
        keep_weights: bool,
    ) -> Decoded:
        if self.feed is None:
            states, carries = self.stack.run(embedded, state.carries)
            attended = attend_all(self.attention, states, memory, positions, state.past, keep_weights)
            readout = self.readout_dropout(self.compute_readout(states, embedded, attended.context))
            state = state._replace(carries=carries, past=attended.past)
            choices = self.read_choices(states, embedded, attended, memory)
            return Decoded(readout, state, join_steps([attended], keep_weights), choices)
        carries, feed, past = state.carries, state.feed, state.past
        outputs: list[Tensor] = []
        readouts: list[Tensor] = []
        steps: list[Attended] = []
        for t, projected in enumerate(self.stack.project(embedded).unbind(1)):
            output, carries = self.stack.step(projected + self.feed(feed), carries)
            query = output.unsqueeze(1)
            steps.append(self.attention(query, memory, positions[:, t : t + 1], past, keep_weights=keep_weights))
            context, past = steps[-1].context.squeeze(1), steps[-1].past
            # In the format of the first one: another would be one program more where steps are compiled.
            feed = self.readout_dropout(self.compute_readout(output, embedded[:, t], context)).to(state.feed.dtype)
            outputs.append(output)
            readouts.append(feed)
        state = state._replace(carries=carries, feed=feed, past=past)
        joined = join_steps(steps, keep_weights)
        choices = self.read_choices(outputs, embedded, joined, memory)
        return Decoded(torch.stack(readouts, 1), state, joined, choices)

    def compute_readout(
        self,
        outputs: Float[Tensor, "*place hidden"],
        embedded: Float[Tensor, "*place embedding"],
        contexts: Float[Tensor, "*place value"],
    ) -> Float[Tensor, "*place readout"]:
        """The attentional vector."""
        return torch.tanh(self.attentional(torch.cat([contexts, outputs], -1)))
