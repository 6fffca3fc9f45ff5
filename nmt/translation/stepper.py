"""A model as search uses it: the distributions of `Seq2Seq.step`, with all made ready that steps have in common."""

from typing import Any, NamedTuple

from jaxtyping import Float, Int, Shaped
from torch import Tensor

from nmt import masks
from nmt.kernels.quantized_linear import PRECISIONS, Precision
from nmt.model.heads.head import PreparedHead
from nmt.model.seq2seq import Seq2Seq, SourceMemory, StepOutput
from nmt.translation.decoder_step import DecoderStep, TokenInputs, Vocabulary
from nmt.translation.fused_step import make_decoder_step


class StepInputs(NamedTuple):
    """What a step is given of each sentence: what it reads of the source, and the log of which words are allowed."""

    memory: SourceMemory
    bias: Float[Tensor, "sentence word"] | None


class InferenceModel:
    """A model's encoder and, for a vocabulary, its step. It is a picture of the weights as they were.

    precision: that of the products in a step. The encoder and attention stay in single precision.
    """

    def __init__(self, model: Seq2Seq, precision: Precision = "float32") -> None:
        self.model = model
        linear_class = PRECISIONS[precision]
        self.decoder_step = make_decoder_step(model, linear_class)
        self.head = model.head.prepare(linear_class, readout_bounded=model.decoder.readout_bounded)

    @property
    def is_quadratic(self) -> bool:
        """Whether the model is."""
        return self.model.is_quadratic

    def encode(
        self, source: Shaped[Tensor, "row source *feature"], lengths: Int[Tensor, " row"], vocabulary: Vocabulary
    ) -> tuple[StepInputs, Any]:
        """Read the sources once: what is given to the steps, and the state before the first."""
        memory, state = self.model.encode(source, lengths)
        bias = None if vocabulary.allowed is None else masks.log_mask(vocabulary.allowed)
        return StepInputs(memory, bias), self.decoder_step.start(state)

    def stepper(self, vocabulary: Vocabulary, *, keep_weights: bool = True) -> "Stepper":
        """The step over a vocabulary: its distribution is that of the model given that the word is an allowed one.

        keep_weights: whether the step says where it looked.
        """
        head = self.head if vocabulary.words is None else self.head.restrict(vocabulary.words)
        return Stepper(self.decoder_step.make_inputs(vocabulary), self.decoder_step, head, keep_weights=keep_weights)


class Stepper:
    """p(next word) for each row: what a search is given as its step."""

    def __init__(
        self, inputs: TokenInputs, decoder_step: DecoderStep, head: PreparedHead, *, keep_weights: bool
    ) -> None:
        self.inputs = inputs
        self.decoder_step = decoder_step
        self.head = head
        self.keep_weights = keep_weights

    def __call__(self, tokens: Int[Tensor, " row"], state: Any, memory: StepInputs) -> StepOutput:
        given, state, weights = self.decoder_step.step(
            self.inputs(tokens), state, memory.memory, keep_weights=self.keep_weights
        )
        return StepOutput(self.head(given, memory.bias), state, weights)
