"""Encoder, bridge and decoder as one model: what training differentiates and search steps through."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt import masks
from nmt.attention.memory import Memory
from nmt.errors import ConfigError, ModelError
from nmt.kernels.dropout import Dropout as DropoutLayer
from nmt.model.bridge import Bridge
from nmt.model.decoders.decoder import Decoder, DecoderState
from nmt.model.encoders.recurrent import RecurrentEncoder
from nmt.special_tokens import PAD

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
    state: DecoderState
    weights: Float[Tensor, "row source"] | None


class Embedding(nn.Module):
    """E[token], with whole words dropped at `word_dropout` and features at `dropout` (Gal and Ghahramani 2016)."""

    def __init__(self, table: nn.Embedding, *, word_dropout: float, dropout: float) -> None:
        super().__init__()
        self.table = table
        self.word_dropout = DropoutLayer(word_dropout)
        self.dropout = DropoutLayer(dropout)

    def forward(self, tokens: Int[Tensor, "row time"]) -> Float[Tensor, "row time embedding"]:
        embedded = self.table(tokens)
        if self.training and self.word_dropout.p:
            embedded = embedded * self.word_dropout(embedded.new_ones(*tokens.shape, 1))
        dropped: Tensor = self.dropout(embedded)
        return dropped


def build_embedding_table(vocab_size: int, size: int) -> nn.Embedding:
    """Normal with variance 1 / size, so that the product with a unit-variance readout starts near variance one."""
    table = nn.Embedding(vocab_size, size)
    nn.init.normal_(table.weight, std=size**-0.5)
    return table


class Seq2Seq(nn.Module):
    """p(y | x) = prod_t softmax(E' r_t + b)[y_t], with r_t the decoder's readout

    tied `target`: E' is the target embedding; `all`: the source embedding as well (Press and Wolf 2017). A readout of
    another size than the embedding is then first mapped to it.
    """

    def __init__(
        self,
        *,
        source_vocab: int,
        target_vocab: int,
        embedding_size: int,
        tied: WeightTying,
        dropout: DropoutRates,
        encoder: RecurrentEncoder,
        bridge: Bridge,
        decoder: Decoder,
    ) -> None:
        super().__init__()
        target_table = build_embedding_table(target_vocab, embedding_size)
        source_table = target_table if tied == "all" else build_embedding_table(source_vocab, embedding_size)
        self.source = Embedding(source_table, word_dropout=dropout.source_words, dropout=dropout.embedding)
        self.target = Embedding(target_table, word_dropout=dropout.target_words, dropout=dropout.embedding)
        self.encoder = encoder
        self.bridge = bridge
        self.decoder = decoder
        maps = tied != "none" and decoder.readout_size != embedding_size
        self.readout = nn.Linear(decoder.readout_size, embedding_size, bias=False) if maps else nn.Identity()
        self.output = nn.Linear(decoder.readout_size if tied == "none" else embedding_size, target_vocab)
        nn.init.zeros_(self.output.bias)
        if tied != "none":
            self.output.weight = target_table.weight

    @property
    def has_attention(self) -> bool:
        """Whether the model has attention, so that it can say where it looked."""
        return self.decoder.attention.has_weights

    def encode(self, source: Int[Tensor, "row source"], lengths: Int[Tensor, " row"]) -> tuple[Memory, DecoderState]:
        """Read the sources once: what attention may look at, and the decoder's first state."""
        mask = masks.mask(lengths, source.shape[1])
        encoded = self.encoder(self.source(source), lengths, mask)
        memory = self.decoder.attention.remember(encoded.states, mask)
        return memory, self.decoder.start(self.bridge(encoded, mask), memory)

    def forward(
        self, source: Int[Tensor, "row source"], lengths: Int[Tensor, " row"], target_input: Int[Tensor, "row target"]
    ) -> Float[Tensor, "row target readout"]:
        """The readout at every target position, given the words before it; `output` makes logits of it."""
        memory, state = self.encode(source, lengths)
        readout: Tensor = self.readout(self.decoder(self.target(target_input), state, memory).readout)
        return readout

    def align(
        self, source: Int[Tensor, "row source"], lengths: Int[Tensor, " row"], target_input: Int[Tensor, "row target"]
    ) -> Float[Tensor, "row target source"]:
        """Attention weights when the target is given: row t is where the model looked to predict the t-th word.

        Raises ModelError for a model without attention.
        """
        memory, state = self.encode(source, lengths)
        weights: Tensor | None = self.decoder(self.target(target_input), state, memory, keep_weights=True).weights
        if weights is None:
            raise ModelError("This model has no attention (attention=none), so it has no alignment.")
        return weights

    def step(self, tokens: Int[Tensor, " row"], state: DecoderState, memory: Memory) -> StepOutput:
        """Read one token a row and give the distribution of the next; rows may be a beam of each sentence."""
        decoded = self.decoder(self.target(tokens.unsqueeze(1)), state, memory, keep_weights=True)
        logits = self.output(self.readout(decoded.readout.squeeze(1)))
        logits[:, PAD] = torch.finfo(logits.dtype).min  # padding is never a word, and must not be chosen by a wide beam
        weights = decoded.weights
        return StepOutput(F.log_softmax(logits, -1), decoded.state, None if weights is None else weights.squeeze(1))
