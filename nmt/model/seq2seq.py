"""Frontend, encoder, decoder and head as one model: what training differentiates and search steps through."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from nmt.attention.self_attention import is_quadratic
from nmt.errors import ConfigError, ModelError
from nmt.kernels.cross_entropy import Loss, select
from nmt.model.decoders.decoder import Decoded, Decoder
from nmt.model.embedding import Embedding
from nmt.model.encoders.encoder import Encoder
from nmt.model.heads.head import Head, HeadInputs, add_attention, select_words
from nmt.model.pointing import PointerState, embed_pointed, hide_used, mark_used, start_pointing
from nmt.model.reinforce import Reinforce
from nmt.model.sources.frontend import Frontend, FrontendOutput
from nmt.special_tokens import EOS, PAD

WeightTying = Literal["none", "target", "all"]


@dataclass(frozen=True, kw_only=True)
class DropoutRates:
    """Probabilities of dropping: features of embeddings, features of the readout, and whole words of either side."""

    embedding: float = 0.0
    readout: float = 0.0
    source_words: float = 0.0
    target_words: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.0 <= value < 1.0:
                raise ConfigError(f"model.dropout.{name} must be at least 0 and below 1; got {value}.")


class StepOutput(NamedTuple):
    """What search gets for each row: the next token's distribution, the state after it, and where attention looked."""

    log_probs: Float[Tensor, "row vocab"]
    state: Any
    weights: Float[Tensor, "row source"] | None


class SourceMemory(NamedTuple):
    """What steps are given of each sentence. memory: what the decoder may look at. tokens: those of the source, or the
    features that it has in their place. embedded: the source's vectors, where words point at them."""

    memory: Any
    tokens: Shaped[Tensor, "sentence source *feature"]
    embedded: Float[Tensor, "sentence source embedding"] | None = None


class Seq2Seq(nn.Module):
    """p(y | x) = prod_t head(decoder(y_1 .. y_(t-1), encoder(frontend(x))))[y_t]"""

    def __init__(
        self,
        *,
        source: Frontend,
        target: Embedding,
        encoder: Encoder,
        decoder: Decoder,
        head: Head,
        reinforce: Reinforce | None = None,
    ) -> None:
        """reinforce: what teaches attention what to draw, where it draws."""
        super().__init__()
        self.source = source
        self.target = target
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.reinforce = reinforce or Reinforce()

    @property
    def has_attention(self) -> bool:
        """Whether the model has attention, so that it can say where it looked."""
        return self.decoder.attention.has_weights

    @property
    def is_quadratic(self) -> bool:
        """Whether words of either side look at all others, so that memory grows with the square of the length."""
        return any(side.has_self_attention and is_quadratic(side) for side in (self.encoder, self.decoder))

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return self.target.table.weight.device

    def encode(
        self, source: Shaped[Tensor, "row source *feature"], lengths: Int[Tensor, " row"]
    ) -> tuple[SourceMemory, Any]:
        """Read the sources once: what every step is given, and the decoder's first state."""
        return self.encode_vectors(self.source(source, lengths), source)

    def encode_vectors(
        self, read: FrontendOutput, source: Shaped[Tensor, "row source *feature"]
    ) -> tuple[SourceMemory, Any]:
        """The same for sources that are vectors already, such as embeddings of which a gradient is wanted."""
        encoded = self.encoder(read.embedded, read.lengths, read.mask)
        memory = self.decoder.remember(encoded)
        state = self.decoder.start(encoded, memory)
        tokens = self.head.name_source(source, read.lengths)
        if self.head.points:
            return SourceMemory(memory, tokens, read.embedded), start_pointing(state, read.mask)
        return SourceMemory(memory, tokens), state

    def decode(
        self, tokens: Int[Tensor, "row target"], state: Any, memory: SourceMemory, *, keep_weights: bool = False
    ) -> tuple[Decoded, HeadInputs]:
        """Read target words after a state: what the decoder gives, and what the head predicts the next words from.

        Rows may be a beam of each sentence.
        """
        keep_weights = keep_weights or self.head.reads_attention
        if self.head.points:
            assert memory.embedded is not None
            symbols = self.target(torch.where(tokens > EOS, PAD, tokens))
            embedded = embed_pointed(tokens, symbols, memory.embedded)
            used = mark_used(tokens, state.used)
            seen = hide_used(memory.memory, used, state.position) if self.head.once else memory.memory
            decoded: Decoded = self.decoder(embedded, state.decoder, seen, keep_weights=keep_weights)
            position = state.position + tokens.shape[1]
            decoded = decoded._replace(state=PointerState(decoded.state, used[:, -1], position))
        else:
            embedded = self.target(tokens)
            decoded = self.decoder(embedded, state, memory.memory, keep_weights=keep_weights)
        return decoded, self.head.gather_inputs(decoded, embedded, memory.tokens)

    def forward(
        self,
        source: Shaped[Tensor, "row source *feature"],
        lengths: Int[Tensor, " row"],
        target_input: Int[Tensor, "row target"],
        *,
        keep_weights: bool = False,
    ) -> HeadInputs:
        """What the head predicts every target word from, given the words before it. keep_weights: also those of
        attention, for losses, which costs memory."""
        memory, state = self.encode(source, lengths)
        decoded, inputs = self.decode(target_input, state, memory, keep_weights=keep_weights)
        return add_attention(inputs, decoded) if keep_weights else inputs

    def log_probs(
        self,
        source: Shaped[Tensor, "row source *feature"],
        lengths: Int[Tensor, " row"],
        target_input: Int[Tensor, "row target"],
    ) -> Float[Tensor, "row target word"]:
        """log p of every word at every target position, given the words before it."""
        return self.head.log_probs(self(source, lengths, target_input))

    def compute_loss(
        self,
        inputs: HeadInputs,
        target_output: Int[Tensor, "row target"],
        *,
        smoothing: float = 0.0,
        indices: Int[Tensor, " word"] | None = None,
    ) -> Loss:
        """The loss of the words that were to be predicted from what `forward` gives.

        indices: where they are, as `word_indices` gives them; None for all places. Where attention draws what it reads,
        the objective has the term that teaches it what to draw.
        """
        loss = self.head.loss(select_words(inputs, indices), select(target_output, indices), smoothing)
        if inputs.log_prob is None:
            return loss
        mask = target_output != PAD
        nll, expected = (
            None if words is None else torch.zeros_like(inputs.log_prob).masked_scatter(mask, words.to(inputs.log_prob))
            for words in (loss.word_nll, loss.expected_nll)
        )
        return loss._replace(objective=loss.objective + self.reinforce(inputs.log_prob, nll, mask, expected))

    def align(
        self,
        source: Shaped[Tensor, "row source *feature"],
        lengths: Int[Tensor, " row"],
        target_input: Int[Tensor, "row target"],
        target_output: Int[Tensor, "row target"] | None = None,
    ) -> Float[Tensor, "row target source"]:
        """Attention weights when the target is given: row t is where the model looked to predict the t-th word.

        Where the distribution is a sum over source positions, and the words are given, it is how much of the t-th
        word's probability came from each of them. Raises ModelError for a model without attention.
        """
        memory, state = self.encode(source, lengths)
        decoded, inputs = self.decode(target_input, state, memory, keep_weights=True)
        if decoded.weights is None:
            raise ModelError("This model has no attention (attention=none), so it has no alignment.")
        return decoded.weights if target_output is None else self.head.align(inputs, decoded, target_output)

    def step(self, tokens: Int[Tensor, " row"], state: Any, memory: SourceMemory) -> StepOutput:
        """Read one token a row and give the distribution of the next; rows may be a beam of each sentence."""
        decoded, inputs = self.decode(tokens.unsqueeze(1), state, memory, keep_weights=True)
        log_probs = self.head.log_probs(inputs)
        weights = decoded.weights
        return StepOutput(log_probs.squeeze(1), decoded.state, None if weights is None else weights.squeeze(1))
