"""SNAIL as a decoder: causal convolutions and attention over the words that were read, and attention to the source."""

from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.attention.attention import Attended, Attention, Past
from nmt.attention.memory import Memory
from nmt.attention.self_attention import CausalAttentionParts, initialize_projections
from nmt.errors import ConfigError
from nmt.kernels.dropout import Dropout
from nmt.model.blocks import check_positive
from nmt.model.decoders.decoder import AttentionFactory, Decoded, Decoder, attend_all
from nmt.model.encoders.encoder import Encoded
from nmt.model.snail import AttentionBlock, BlockSettings
from nmt.model.temporal import States, TemporalBlock

WHERE = "model.decoder"

Block = Literal["temporal", "attention", "source"]

BLOCKS: list[Block] = ["temporal", "source", "attention", "temporal", "source"]


class SnailState(NamedTuple):
    """What every block keeps of the words that were read, and how many they are; rows first.

    A temporal block keeps the last inputs of its convolutions, an attention block keys and values, a block that looks
    at the source the past of its attention.
    """

    blocks: tuple[Any, ...]
    position: Int[Tensor, " row"]


class SourceBlock(nn.Module):
    """[x; dropout(W c)] with c = attend(W_q x, source)"""

    def __init__(self, settings: BlockSettings, attention: Attention, *, input_size: int, query_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(input_size, query_size)
        self.attention = initialize_projections(attention)
        self.output = nn.Linear(attention.context_size, settings.value_size)
        for linear in (self.query, self.output):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        self.dropout = Dropout(settings.dropout)
        self.output_size = input_size + settings.value_size

    def forward(
        self, states: States, positions: Int[Tensor, "row time"], memory: Memory, past: Past, keep_weights: bool
    ) -> tuple[States, Attended]:
        """The states with what was read of the source, and what attention gave."""
        attended = attend_all(self.attention, self.query(states), memory, positions, past, keep_weights)
        return torch.cat([states, self.dropout(self.output(attended.context))], -1), attended


class SnailDecoder(Decoder):
    """x_0 = LN(E);  x_l = block_l(x_(l-1));  readout = dropout(tanh(W x_n + b))

    (Mishra et al. 2018, section 3, whose model has no second sequence to look at.) `blocks` names them in their order:
    `temporal` and `attention` as in the encoder, always causal, and `source` for attention to the source, of the kind
    that `attention` says. hidden_size is that of queries to the source and of the readout. The alignment that is shown
    is that of the last `source` block, or of number `aligned_layer` of them, from 1.

    A step reads the last 2^i inputs of each convolution, and keys and values of all words, from the state.
    """

    is_stepwise = False
    has_self_attention = True
    readout_bounded = True

    def __init__(
        self,
        *,
        embedding_size: int,
        memory_size: int,
        make_attention: AttentionFactory,
        readout_dropout: float,
        hidden_size: int = 256,
        blocks: list[Block] = BLOCKS,
        filters: int = 128,
        span: int = 16,
        value_size: int = 128,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        aligned_layer: int | None = None,
        self_attention: CausalAttentionParts = CausalAttentionParts(heads=1),  # noqa: B008 (frozen)
    ) -> None:
        super().__init__()
        check_positive(WHERE, "hidden_size", hidden_size)
        settings = BlockSettings(
            where=WHERE,
            filters=filters,
            span=span,
            value_size=value_size,
            dropout=dropout,
            attention_dropout=attention_dropout,
        )
        settings.check_blocks(blocks)
        self.hidden_size = self.readout_size = hidden_size
        self.norm = nn.LayerNorm(embedding_size)
        self.blocks = nn.ModuleList()
        size = embedding_size
        for name in blocks:
            made: TemporalBlock | AttentionBlock | SourceBlock
            if name == "temporal":
                made = settings.make_temporal(size)
            elif name == "attention":
                made = AttentionBlock(settings, self_attention, input_size=size)
            else:
                attention = make_attention(dropout=attention_dropout)
                made = SourceBlock(settings, attention, input_size=size, query_size=hidden_size)
            self.blocks.append(made)
            size = made.output_size
        self.aligned_layer = choose_aligned_block(aligned_layer, len(self.list_source_blocks()))
        check_choices(self.attention)
        self.has_self_attention = "attention" in blocks
        self.output = nn.Linear(size, hidden_size)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.readout_dropout = Dropout(readout_dropout)

    @property
    def attention(self) -> Attention:  # type: ignore[override]
        """The attention whose weights are shown."""
        return self.list_source_blocks()[self.aligned_layer].attention

    def list_source_blocks(self) -> list[SourceBlock]:
        """The blocks that look at the source, in their order."""
        return [block for block in self.blocks if isinstance(block, SourceBlock)]

    def remember(self, encoded: Encoded) -> tuple[Memory, ...]:
        """What the attention of each `source` block remembers of the source."""
        return tuple(block.attention.remember(encoded.states, encoded.mask) for block in self.list_source_blocks())

    def start(self, encoded: Encoded, memory: tuple[Memory, ...]) -> SnailState:
        known = iter(memory)
        parts = [
            block.start(encoded.states)
            if isinstance(block, TemporalBlock | AttentionBlock)
            else block.attention.start(next(known))
            for block in self.blocks
            if isinstance(block, TemporalBlock | AttentionBlock | SourceBlock)
        ]
        rows = len(encoded.states)
        return SnailState(tuple(parts), torch.zeros(rows, dtype=torch.long, device=encoded.states.device))

    def forward(
        self,
        embedded: Float[Tensor, "row target embedding"],
        state: SnailState,
        memory: tuple[Memory, ...],
        keep_weights: bool = False,
    ) -> Decoded:
        target = embedded.shape[1]
        positions = state.position.unsqueeze(1) + torch.arange(target, device=embedded.device)
        states, after, looks = self.norm(embedded), [], list[Attended]()
        for block, before in zip(self.blocks, state.blocks, strict=True):
            if isinstance(block, SourceBlock):
                keeps = keep_weights and len(looks) == self.aligned_layer
                states, attended = block(states, positions, memory[len(looks)], before, keeps)
                looks.append(attended)
                after.append(attended.past)
            elif isinstance(block, AttentionBlock):
                states, cache = block(states, positions, before)
                after.append(cache)
            else:
                states, inputs = block(states, before)
                after.append(inputs)
        shown, log_probs = looks[self.aligned_layer], [look.log_prob for look in looks if look.log_prob is not None]
        if log_probs:
            shown = shown._replace(log_prob=torch.stack(log_probs).sum(0))
        readout = self.readout_dropout(torch.tanh(self.output(states)))
        following = SnailState(tuple(after), state.position + target)
        return Decoded(readout, following, shown if keep_weights or log_probs else None)


def choose_aligned_block(number: int | None, blocks: int) -> int:
    """The `source` block whose attention is shown, from 0, for its number from 1; None is the last.

    Raises ConfigError for one that there is not, and where there is none.
    """
    if not blocks:
        raise ConfigError(
            "model.decoder.blocks names no block that looks at the source, so there would be nothing to translate. Add "
            "source to it."
        )
    if number is not None and not 1 <= number <= blocks:
        raise ConfigError(
            f"model.decoder.aligned_layer counts the source blocks of model.decoder.blocks, from 1 to {blocks}, or is "
            f"null for the last; got {number}."
        )
    return blocks - 1 if number is None else number - 1


def check_choices(attention: Attention) -> None:
    """Raises ConfigError for an attention from whose choices, and not from the context, words are predicted."""
    if attention.predicts_from != "context":
        raise ConfigError(
            "With this attention.selection words are predicted from source positions that attention chooses, and SNAIL "
            "goes on with what it has read of the source. Choose another model/decoder, or another attention/selection."
        )
