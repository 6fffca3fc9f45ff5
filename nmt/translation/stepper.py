"""A model as search uses it: the distributions of `Seq2Seq.step`, with all made ready that steps have in common."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt import masks
from nmt.attention.attention import Past
from nmt.attention.memory import Memory
from nmt.kernels.quantized_linear import PRECISIONS, Precision, PreparedLinear
from nmt.model.cells import LSTM
from nmt.model.decoders.decoder import DecoderState
from nmt.model.decoders.recurrent import Luong
from nmt.model.seq2seq import Seq2Seq, StepOutput
from nmt.special_tokens import PAD

MAX_TABLE_NUMBERS = 2**26
"""The most numbers that a table of projected words may have: 256 MiB of them."""


class Vocabulary(NamedTuple):
    """What a batch may be translated to.

    words: ids of the vocabulary, increasing, with the control symbols first, and PAD for what fills it up; None for
    all. Steps read and predict places in it. allowed: which of them each sentence may be made of; None for all. many:
    whether so many words will be read that all are better projected once than each when it is read.
    """

    words: Int[Tensor, " word"] | None = None
    allowed: Bool[Tensor, "sentence word"] | None = None
    precompute_inputs: bool = False


class StepInputs(NamedTuple):
    """What a step is given of each sentence: what attention may look at, and the log of which words are allowed."""

    memory: Memory
    bias: Float[Tensor, "sentence word"] | None


class InferenceModel:
    """A model's encoder and, for a vocabulary, its step. It is a picture of the weights as they were.

    precision: that of the products in a step. The encoder and attention stay in single precision.
    """

    def __init__(self, model: Seq2Seq, precision: Precision = "float32") -> None:
        self.model = model
        self.linear_class = PRECISIONS[precision]
        self.decoder_step: DecoderStep = (
            FusedLuongLSTM(model, self.linear_class) if supports_fused_step(model) else ReferenceStep(model)
        )
        # What Luong's decoder ends with is a tanh.
        bounded, readout = isinstance(model.decoder, Luong), model.readout
        self.readout = None
        if isinstance(readout, nn.Linear):
            self.readout = self.linear_class(readout.weight, None, inputs_bounded=bounded, may_round=True)
        self.inputs_bounded = bounded and self.readout is None
        self.output = self._make_output(None)

    def encode(
        self, source: Int[Tensor, "row source"], lengths: Int[Tensor, " row"], vocabulary: Vocabulary
    ) -> tuple[StepInputs, Any]:
        """Read the sources once: what is given to the steps, and the state before the first."""
        memory, state = self.model.encode(source, lengths)
        bias = None if vocabulary.allowed is None else masks.log_mask(vocabulary.allowed)
        return StepInputs(memory, bias), self.decoder_step.start(state)

    def stepper(self, vocabulary: Vocabulary) -> "Stepper":
        """The step over a vocabulary: its distribution is that of the model given that the word is an allowed one."""
        words = vocabulary.words
        output = self.output if words is None else self._make_output(words)
        return Stepper(self.decoder_step.make_inputs(vocabulary), self.decoder_step, self.readout, output)

    def _make_output(self, words: Int[Tensor, " word"] | None) -> PreparedLinear:
        weight, bias = self.model.output.weight.detach(), self.model.output.bias.detach()
        if words is not None:
            weight, bias = weight[words], bias[words]
        return self.linear_class(weight, bias, inputs_bounded=self.inputs_bounded)


class Stepper:
    """p(next word) for each row: what a search is given as its step."""

    def __init__(
        self, inputs: "TokenInputs", decoder_step: "DecoderStep", readout: PreparedLinear | None, output: PreparedLinear
    ) -> None:
        self.inputs = inputs
        self.decoder_step = decoder_step
        self.readout = readout
        self.output = output

    def __call__(self, tokens: Int[Tensor, " row"], state: Any, memory: StepInputs) -> StepOutput:
        readout, state, weights = self.decoder_step.step(self.inputs(tokens), state, memory.memory)
        logits = self.output(readout if self.readout is None else self.readout(readout))
        logits[:, PAD] = torch.finfo(logits.dtype).min  # as in `Seq2Seq.step`
        if memory.bias is not None:
            logits.view(len(memory.bias), -1, logits.shape[1]).add_(memory.bias.unsqueeze(1))
        # In its place on a CPU, whose kernel reads a row before it writes it.
        log_probs = torch.log_softmax(logits, -1, out=logits if logits.device.type == "cpu" else None)
        return StepOutput(log_probs, state, weights)


class TokenInputs:
    """What the reader takes of a word: a row of `table`, projected now or before."""

    def __init__(self, table: Float[Tensor, "vocab size"], words: Int[Tensor, " word"] | None, project: Any) -> None:
        self.table, self.words, self.project = table, words, project

    def __call__(self, tokens: Int[Tensor, " row"]) -> Float[Tensor, "row input"]:
        # Unlike indexing, it copies row by row.
        rows = self.table.index_select(0, tokens if self.words is None else self.words[tokens])
        return rows if self.project is None else self.project(rows)


StepResult = tuple[Float[Tensor, "row readout"], Any, Float[Tensor, "row source"] | None]


class DecoderStep(ABC):
    """A decoder's half of a step: from a word to the readout, the state, and where it looked."""

    @abstractmethod
    def start(self, state: DecoderState) -> Any:
        """The reader's own state of the decoder's."""

    @abstractmethod
    def make_inputs(self, vocabulary: Vocabulary) -> TokenInputs:
        """How words of the vocabulary become what `step` takes."""

    @abstractmethod
    def step(self, inputs: Float[Tensor, "row input"], state: Any, memory: Memory) -> StepResult:
        """One word a row."""


class ReferenceStep(DecoderStep):
    """The decoder as it is."""

    def __init__(self, model: Seq2Seq) -> None:
        self.model = model

    def start(self, state: DecoderState) -> DecoderState:
        return state

    def make_inputs(self, vocabulary: Vocabulary) -> TokenInputs:
        return TokenInputs(self.model.target.table.weight.detach(), vocabulary.words, None)

    def step(self, inputs: Float[Tensor, "row input"], state: Any, memory: Memory) -> StepResult:
        decoded = self.model.decoder(inputs.unsqueeze(1), state, memory, keep_weights=True)
        weights = decoded.weights
        return decoded.readout.squeeze(1), decoded.state, None if weights is None else weights.squeeze(1)


class FusedState(NamedTuple):
    """The state of `FusedLuongLSTM`; rows first in every tensor."""

    recurrent_input: Float[Tensor, "row joined"]
    """The last attentional vector, beside the last output of the cell."""
    cell: Float[Tensor, "row hidden"]
    position: Int[Tensor, " row"]
    past: Past


def supports_fused_step(model: Seq2Seq) -> bool:
    """Whether `FusedLuongLSTM` can read for this model."""
    decoder = model.decoder
    if not isinstance(decoder, Luong) or decoder.feed is None or len(decoder.stack.cells) != 1:
        return False
    return isinstance(decoder.stack.get_cell(0), LSTM)


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
        embedded = self.table if words is None else self.table[words]
        return TokenInputs(F.linear(embedded, self.weight_input, self.bias), None, None)

    def step(self, inputs: Float[Tensor, "row gates"], state: FusedState, memory: Memory) -> StepResult:
        gates = self.transition(state.recurrent_input).add_(inputs).sigmoid_()
        i, f, o, g = gates.chunk(4, 1)
        cell = torch.addcmul(f * state.cell, i, g.mul_(2).sub_(1))
        output = _tanh(cell.mul(2)).mul_(o)
        positions = state.position.unsqueeze(1)
        query = output.unsqueeze(1)
        context, weights, past = self.attention(query, memory, positions, state.past, keep_weights=True)
        readout = _tanh(self.attentional(torch.cat([context.squeeze(1), output], 1)))
        following = FusedState(torch.cat([readout, output], 1), cell, state.position + 1, past)
        return readout, following, None if weights is None else weights.squeeze(2).mean(1)


def _reorder_gates(weight: Float[Tensor, "gates *size"]) -> Float[Tensor, "gates *size"]:
    """Blocks i, f, g, o as i, f, o, 2 g."""
    i, f, g, o = weight.chunk(4)
    return torch.cat([i, f, o, 2 * g])


def _tanh(doubled: Tensor) -> Tensor:
    """tanh of half of each number, in its place."""
    return doubled.sigmoid_().mul_(2).sub_(1)
