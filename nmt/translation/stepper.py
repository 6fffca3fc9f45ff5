"""A model as search uses it: the distributions of `Seq2Seq.step`, with all made ready that steps have in common."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt import masks
from nmt.attention.memory import Memory
from nmt.kernels.quantized_linear import PRECISIONS, Precision, Product
from nmt.model.cells import LSTM
from nmt.model.decoders.decoder import DecoderState, looking
from nmt.model.decoders.recurrent import Luong
from nmt.model.seq2seq import Seq2Seq, Step
from nmt.special_tokens import PAD

TABLE_NUMBERS = 2**26
"""The most numbers that a table of projected words may have: 256 MiB of them."""


class Vocabulary(NamedTuple):
    """What a batch may be translated to.

    words: ids of the vocabulary, increasing, with the control symbols first, and PAD for what fills it up; None for
    all. Steps read and predict places in it. allowed: which of them each sentence may be made of; None for all. many:
    whether so many words will be read that all are better projected once than each when it is read.
    """

    words: Int[Tensor, " word"] | None = None
    allowed: Bool[Tensor, "sentence word"] | None = None
    many: bool = False


class Given(NamedTuple):
    """What a step is given of each sentence: what attention may look at, and the log of which words are allowed."""

    memory: Memory
    bias: Float[Tensor, "sentence word"] | None


class Engine:
    """A model's encoder and, for a vocabulary, its step. It is a picture of the weights as they were.

    precision: that of the products in a step. The encoder and attention stay in single precision.
    """

    def __init__(self, model: Seq2Seq, precision: Precision = "float32") -> None:
        self.model = model
        self.make = PRECISIONS[precision]
        self.reader: Reader = Fed(model, self.make) if fits(model) else Plain(model)
        # What Luong's decoder ends with is a tanh.
        bounded, mapped = isinstance(model.decoder, Luong), model.readout
        self.readout = None
        if isinstance(mapped, nn.Linear):
            self.readout = self.make(mapped.weight, None, within_one=bounded, rounded=True)
        self.within_one = bounded and self.readout is None
        self.output = self._output(None)

    def encode(
        self, source: Int[Tensor, "row source"], lengths: Int[Tensor, " row"], vocabulary: Vocabulary
    ) -> tuple[Given, Any]:
        """Read the sources once: what is given to the steps, and the state before the first."""
        memory, state = self.model.encode(source, lengths)
        bias = None if vocabulary.allowed is None else masks.log_bias(vocabulary.allowed)
        return Given(memory, bias), self.reader.start(state)

    def stepper(self, vocabulary: Vocabulary) -> "Stepper":
        """The step over a vocabulary: its distribution is that of the model given that the word is an allowed one."""
        words = vocabulary.words
        output = self.output if words is None else self._output(words)
        return Stepper(self.reader.inputs(vocabulary), self.reader, self.readout, output)

    def _output(self, words: Int[Tensor, " word"] | None) -> Product:
        weight, bias = self.model.output.weight.detach(), self.model.output.bias.detach()
        if words is not None:
            weight, bias = weight[words], bias[words]
        return self.make(weight, bias, within_one=self.within_one)


class Stepper:
    """p(next word) for each row: what a search is given as its step."""

    def __init__(self, inputs: "Inputs", reader: "Reader", readout: Product | None, output: Product) -> None:
        self.inputs = inputs
        self.reader = reader
        self.readout = readout
        self.output = output

    def __call__(self, tokens: Int[Tensor, " row"], state: Any, memory: Given) -> Step:
        readout, state, weights = self.reader.read(self.inputs(tokens), state, memory.memory)
        logits = self.output(readout if self.readout is None else self.readout(readout))
        logits[:, PAD] = torch.finfo(logits.dtype).min  # as in `Seq2Seq.step`
        if memory.bias is not None:
            logits.view(len(memory.bias), -1, logits.shape[1]).add_(memory.bias.unsqueeze(1))
        # In its place on a CPU, whose kernel reads a row before it writes it.
        log_probs = torch.log_softmax(logits, -1, out=logits if logits.device.type == "cpu" else None)
        return Step(log_probs, state, weights)


class Inputs:
    """What the reader takes of a word: a row of `table`, projected now or before."""

    def __init__(self, table: Float[Tensor, "vocab size"], words: Int[Tensor, " word"] | None, project: Any) -> None:
        self.table, self.words, self.project = table, words, project

    def __call__(self, tokens: Int[Tensor, " row"]) -> Float[Tensor, "row input"]:
        # Unlike indexing, it copies row by row.
        rows = self.table.index_select(0, tokens if self.words is None else self.words[tokens])
        return rows if self.project is None else self.project(rows)


Read = tuple[Float[Tensor, "row readout"], Any, Float[Tensor, "row source"] | None]


class Reader(ABC):
    """A decoder's half of a step: from a word to the readout, the state, and where it looked."""

    @abstractmethod
    def start(self, state: DecoderState) -> Any:
        """The reader's own state of the decoder's."""

    @abstractmethod
    def inputs(self, vocabulary: Vocabulary) -> Inputs:
        """How words of the vocabulary become what `read` takes."""

    @abstractmethod
    def read(self, inputs: Float[Tensor, "row input"], state: Any, memory: Memory) -> Read:
        """One word a row."""


class Plain(Reader):
    """The decoder as it is."""

    def __init__(self, model: Seq2Seq) -> None:
        self.model = model

    def start(self, state: DecoderState) -> DecoderState:
        return state

    def inputs(self, vocabulary: Vocabulary) -> Inputs:
        return Inputs(self.model.target.table.weight.detach(), vocabulary.words, None)

    def read(self, inputs: Float[Tensor, "row input"], state: Any, memory: Memory) -> Read:
        decoded = self.model.decoder(inputs.unsqueeze(1), state, memory, keep_weights=True)
        weights = decoded.weights
        return decoded.readout.squeeze(1), decoded.state, None if weights is None else weights.squeeze(1)


class FedState(NamedTuple):
    """The state of `Fed`; rows first in every tensor."""

    joined: Float[Tensor, "row joined"]
    """The last attentional vector, beside the last output of the cell."""
    cell: Float[Tensor, "row hidden"]
    position: Int[Tensor, " row"]


def fits(model: Seq2Seq) -> bool:
    """Whether `Fed` can read for this model."""
    decoder = model.decoder
    if not isinstance(decoder, Luong) or decoder.feed is None or len(decoder.stack.cells) != 1:
        return False
    return isinstance(decoder.stack.cell(0), LSTM)


class Fed(Reader):
    """Luong's decoder with input feeding over one LSTM, in two products:

        i, f, o, g = T[word] + W [a; h];   c' = sigmoid(f) c + sigmoid(i) tanh(g);   h' = sigmoid(o) tanh(c')
        a' = tanh(V [attend(h'); h'])

    T has the words' projections and biases. tanh(x) is 2 sigmoid(2 x) - 1, which costs a third of it on a CPU; where
    a tanh follows a product, the 2 is in the weights.
    """

    def __init__(self, model: Seq2Seq, make: type[Product]) -> None:
        decoder = model.decoder
        assert isinstance(decoder, Luong)
        assert decoder.feed is not None
        cell = decoder.stack.cell(0)
        self.attention = decoder.attention
        self.table = model.target.table.weight.detach()
        recurrent = torch.cat([decoder.feed.weight.detach(), cell.weight_hidden.detach()], 1)
        self.transition = make(_gates(recurrent), None, within_one=True, rounded=True)
        self.weight_input, self.bias = _gates(cell.weight_input.detach()), _gates(cell.bias.detach())
        self.project = make(self.weight_input, self.bias, rounded=True)
        self.attentional = make(2 * decoder.attentional.weight.detach(), None, rounded=True)

    def start(self, state: DecoderState) -> FedState:
        hidden, cell = state.carries[0]
        return FedState(torch.cat([state.feed, hidden], 1), cell, state.position)

    def inputs(self, vocabulary: Vocabulary) -> Inputs:
        words = vocabulary.words
        count = len(self.table) if words is None else len(words)
        if not vocabulary.many or count * len(self.bias) > TABLE_NUMBERS:
            return Inputs(self.table, words, self.project)
        embedded = self.table if words is None else self.table[words]
        return Inputs(F.linear(embedded, self.weight_input, self.bias), None, None)

    def read(self, inputs: Float[Tensor, "row gates"], state: FedState, memory: Memory) -> Read:
        gates = self.transition(state.joined).add_(inputs).sigmoid_()
        i, f, o, g = gates.chunk(4, 1)
        cell = torch.addcmul(f * state.cell, i, g.mul_(2).sub_(1))
        output = _tanh(cell.mul(2)).mul_(o)
        positions = state.position.unsqueeze(1)
        context, weights, _ = looking(self.attention, memory)(output.unsqueeze(1), positions, ())
        readout = _tanh(self.attentional(torch.cat([context.squeeze(1), output], 1)))
        following = FedState(torch.cat([readout, output], 1), cell, state.position + 1)
        return readout, following, None if weights is None else weights.squeeze(2).mean(1)


def _gates(weight: Float[Tensor, "gates *size"]) -> Float[Tensor, "gates *size"]:
    """Blocks i, f, g, o as i, f, o, 2 g."""
    i, f, g, o = weight.chunk(4)
    return torch.cat([i, f, o, 2 * g])


def _tanh(doubled: Tensor) -> Tensor:
    """tanh of half of each number, in its place."""
    return doubled.sigmoid_().mul_(2).sub_(1)
