"""A decoder's half of a step of a search: the decoder as it is."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int, Num
from torch import Tensor

from nmt.model.embedding import replace_unknown
from nmt.model.heads.head import HeadInputs
from nmt.model.seq2seq import Seq2Seq, SourceMemory
from nmt.trees import tree_map


class Vocabulary(NamedTuple):
    """What a batch may be translated to.

    words: ids of the vocabulary, increasing, with the control symbols first, and PAD for what fills it up; None for
    all. Steps read and predict places in it. allowed: which of them each sentence may be made of; None for all.
    precompute_inputs: whether so many words will be read that all are better projected once than each when it is read.
    """

    words: Int[Tensor, " word"] | None = None
    allowed: Bool[Tensor, "sentence word"] | None = None
    precompute_inputs: bool = False


class TokenInputs:
    """What a step takes of a word: a row of `table`, projected now or before."""

    def __init__(self, table: Float[Tensor, "vocab size"], words: Int[Tensor, " word"] | None, project: Any) -> None:
        self.table, self.words, self.project = table, words, project

    def __call__(self, tokens: Int[Tensor, " row"]) -> Num[Tensor, "row input"]:
        known = replace_unknown(tokens if self.words is None else self.words[tokens], len(self.table))
        rows = self.table.index_select(0, known)  # unlike indexing, it copies row by row
        return rows if self.project is None else self.project(rows)


StepResult = tuple[HeadInputs, Any, Float[Tensor, "row source"] | None]
"""What the head is given, the state after the step, and where it looked if that is asked for."""


class DecoderStep(ABC):
    """From a word to what the head is given, the state, and where the decoder looked."""

    @abstractmethod
    def start(self, state: Any) -> Any:
        """The step's own state, of the decoder's."""

    @abstractmethod
    def make_inputs(self, vocabulary: Vocabulary) -> TokenInputs:
        """How words of the vocabulary become what `step` takes."""

    @abstractmethod
    def step(
        self, inputs: Num[Tensor, "row input"], state: Any, memory: SourceMemory, *, keep_weights: bool
    ) -> StepResult:
        """One word a row."""


class TokenIds(TokenInputs):
    """The words themselves, for a step that knows where they point."""

    def __init__(self) -> None:
        return None

    def __call__(self, tokens: Int[Tensor, " row"]) -> Int[Tensor, "row 1"]:
        return tokens.unsqueeze(1)


class PointerStep(DecoderStep):
    """The decoder as it is, where words are source positions."""

    def __init__(self, model: Seq2Seq) -> None:
        self.model = model

    def start(self, state: Any) -> Any:
        return state

    def make_inputs(self, vocabulary: Vocabulary) -> TokenInputs:
        return TokenIds()

    def step(self, inputs: Int[Tensor, "row 1"], state: Any, memory: SourceMemory, *, keep_weights: bool) -> StepResult:
        decoded, given = self.model.decode(inputs, state, memory)
        weights = decoded.weights if keep_weights else None
        given = tree_map(given, lambda tensor: tensor.squeeze(1))
        return given, decoded.state, None if weights is None else weights.squeeze(1)


class ReferenceStep(DecoderStep):
    """The decoder as it is."""

    def __init__(self, model: Seq2Seq) -> None:
        self.model = model

    def start(self, state: Any) -> Any:
        return state

    def make_inputs(self, vocabulary: Vocabulary) -> TokenInputs:
        return TokenInputs(self.model.target.table.weight.detach(), vocabulary.words, None)

    def step(
        self, inputs: Float[Tensor, "row input"], state: Any, memory: SourceMemory, *, keep_weights: bool
    ) -> StepResult:
        head, embedded = self.model.head, inputs.unsqueeze(1)
        decoded = self.model.decoder(embedded, state, memory.memory, keep_weights=keep_weights or head.reads_attention)
        given = tree_map(head.gather_inputs(decoded, embedded, memory.tokens), lambda tensor: tensor.squeeze(1))
        weights = decoded.weights if keep_weights else None
        return given, decoded.state, None if weights is None else weights.squeeze(1)
