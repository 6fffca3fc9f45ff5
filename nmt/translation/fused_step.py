"""Decoders' halves of a step in fewer products than the decoder itself takes, for those that are used most."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from nmt.attention.attention import Past
from nmt.kernels.quantized_linear import PreparedLinear
from nmt.kernels.switch import is_enabled
from nmt.model.cells import LSTM, Cell
from nmt.model.decoders.decoder import Decoder
from nmt.model.decoders.luong import Luong
from nmt.model.decoders.recurrent import DecoderState
from nmt.model.embedding import replace_unknown
from nmt.model.heads.head import HeadInputs
from nmt.model.seq2seq import Seq2Seq, SourceMemory
from nmt.translation.decoder_step import DecoderStep, PointerStep, ReferenceStep, StepResult, TokenInputs, Vocabulary

MAX_TABLE_NUMBERS = 2**26
"""The most numbers that a table of projected words may have: 256 MiB of them."""


class FusedState(NamedTuple):
    """The state of `FusedLuongLSTM`; rows first in every tensor."""

    recurrent_input: Float[Tensor, "row joined"]
    """The last attentional vector, beside the last output of the cell."""
    cell: Float[Tensor, "row hidden"]
    position: Int[Tensor, " row"]
    past: Past


class FusedLuongLSTM(DecoderStep):
    """Luong's decoder with input feeding over one LSTM, in two products:

        i, f, o, g = T[word] + W [a; h];   c' = sigmoid(f) c + sigmoid(i) tanh(g);   h' = sigmoid(o) tanh(c')
        a' = tanh(V [attend(h'); h'])

    T has the words' projections and biases. tanh(x) is 2 sigmoid(2 x) - 1, which costs a third of it on a CPU; where
    a tanh follows a product, the 2 is in the weights.
    """

    def __init__(self, model: Seq2Seq, linear_class: type[PreparedLinear]) -> None:
        decoder = model.decoder
        assert isinstance(decoder, Luong)
        assert decoder.feed is not None
        cell = decoder.stack.get_cell(0)
        self.attention = decoder.attention
        self.table = model.target.table.weight.detach()
        recurrent = torch.cat([decoder.feed.weight.detach(), cell.weight_hidden.detach()], 1)
        self.transition = linear_class(_reorder_gates(recurrent), None, inputs_bounded=True, may_round=True)
        self.weight_input, self.bias = _reorder_gates(cell.weight_input.detach()), _reorder_gates(cell.bias.detach())
        self.project = linear_class(self.weight_input, self.bias, may_round=True)
        self.attentional = linear_class(2 * decoder.attentional.weight.detach(), None, may_round=True)

    def start(self, state: DecoderState) -> FusedState:
        hidden, cell = state.carries[0]
        return FusedState(torch.cat([state.feed, hidden], 1), cell, state.position, state.past)

    def make_inputs(self, vocabulary: Vocabulary) -> TokenInputs:
        words = vocabulary.words
        count = len(self.table) if words is None else len(words)
        if not vocabulary.precompute_inputs or count * len(self.bias) > MAX_TABLE_NUMBERS:
            return TokenInputs(self.table, words, self.project)
        embedded = self.table if words is None else self.table[replace_unknown(words, len(self.table))]
        return TokenInputs(F.linear(embedded, self.weight_input, self.bias), None, None)

    def step(
        self, inputs: Float[Tensor, "row gates"], state: FusedState, memory: SourceMemory, *, keep_weights: bool
    ) -> StepResult:
        gates = self.transition(state.recurrent_input).add_(inputs).sigmoid_()
        i, f, o, g = gates.chunk(4, 1)
        cell = torch.addcmul(f * state.cell, i, g.mul_(2).sub_(1))
        output = _tanh(cell.mul(2)).mul_(o)
        positions = state.position.unsqueeze(1)
        query = output.unsqueeze(1)
        attended = self.attention(query, memory.memory, positions, state.past, keep_weights=keep_weights)
        readout = _tanh(self.attentional(torch.cat([attended.context.squeeze(1), output], 1)))
        following = FusedState(torch.cat([readout, output], 1), cell, state.position + 1, attended.past)
        weights = None if attended.weights is None else attended.weights.squeeze(2).mean(1)
        return HeadInputs(readout), following, weights


def _reorder_gates(weight: Float[Tensor, "gates *size"]) -> Float[Tensor, "gates *size"]:
    """Blocks i, f, g, o as i, f, o, 2 g."""
    i, f, g, o = weight.chunk(4)
    return torch.cat([i, f, o, 2 * g])


def _tanh(doubled: Tensor) -> Tensor:
    """tanh of half of each number, in its place."""
    return doubled.sigmoid_().mul_(2).sub_(1)


FUSED_STEPS: dict[tuple[type[Decoder], tuple[type[Cell], ...]], type[FusedLuongLSTM]] = {
    (Luong, (LSTM,)): FusedLuongLSTM
}
"""By the decoder and the cells of its layers; for decoders that read stepwise, and heads that read no attention."""


def make_decoder_step(model: Seq2Seq, linear_class: type[PreparedLinear]) -> DecoderStep:
    """The fastest there is for the model, with its products by `linear_class` where it has its own."""
    if model.head.points:
        return PointerStep(model)
    cells = tuple(type(cell) for cell in getattr(getattr(model.decoder, "stack", None), "cells", ()))
    fused = FUSED_STEPS.get((type(model.decoder), cells))
    if fused is None or not is_enabled("fused_step") or model.head.reads_attention or not model.decoder.is_stepwise:
        return ReferenceStep(model)
    return fused(model, linear_class)
