"""Layers of self-attention and attention to the source, which read all target positions at once, or one by one."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.attention.attention import Attended, Attention, Choices, Past
from nmt.attention.memory import Memory
from nmt.attention.self_attention import CausalAttentionParts, initialize_projections
from nmt.errors import ConfigError
from nmt.kernels.dropout import Dropout
from nmt.model.blocks import FeedForward, InputLayer, LayerSettings, NormPlace, Residual, States, check_positive
from nmt.model.decoders.decoder import AttentionFactory, Decoded, Decoder, ReadoutChoices, attend_all
from nmt.model.encoders.encoder import Encoded
from nmt.model.positions import PositionsFactory, Sinusoidal

WHERE = "model.decoder"


class LayerState(NamedTuple):
    """What a layer keeps of the words that it has read: their keys and values, and the past of its attention."""

    keys: Float[Tensor, "row head read key"]
    values: Float[Tensor, "row head read value"]
    past: Past


class TransformerState(NamedTuple):
    """The state of every layer, and how many words have been read; rows first."""

    layers: tuple[LayerState, ...]
    position: Int[Tensor, " row"]


class DecoderLayer(nn.Module):
    """Attention of the words to those before them, attention to the source, then a feed-forward network, each with its
    residual connection."""

    def __init__(self, settings: LayerSettings, *, self_attention: CausalAttentionParts, attention: Attention) -> None:
        super().__init__()
        size = settings.hidden_size
        self.self_attention = self_attention.build(size, settings.where, dropout=settings.attention_dropout)
        self.self_residual = Residual(settings, context_size=size)
        self.attention = initialize_projections(attention)
        self.residual = Residual(settings, context_size=attention.context_size)
        self.feed_forward = FeedForward(settings)

    def start(self, rows: int, memory: Memory) -> LayerState:
        """The state before the first word."""
        nothing = self.self_residual.output.weight.new_zeros(rows, 0, self.self_residual.output.in_features)
        read = self.self_attention.remember(nothing, nothing.new_zeros(rows, 0, dtype=torch.bool))
        return LayerState(read.keys, read.values, self.attention.start(memory))

    def forward(
        self,
        states: States,
        positions: Int[Tensor, "row time"],
        state: LayerState,
        memory: Memory,
        keep_weights: bool,
    ) -> "LayerOutput":
        """What the layer makes of the words, and of the words before."""
        query = self.self_residual.read(states)
        known = self.self_attention.remember(query, positions >= 0, positions)
        keys, values = torch.cat([state.keys, known.keys], 2), torch.cat([state.values, known.values], 2)
        bias = known.bias.new_zeros(len(keys), keys.shape[2])
        read = Memory(keys, values, bias, torch.full_like(known.lengths, keys.shape[2]))
        states = self.self_residual(states, self.self_attention(query, read, positions).context)
        attended = attend_all(self.attention, self.residual.read(states), memory, positions, state.past, keep_weights)
        following = self.feed_forward(self.residual(states, attended.context))
        return LayerOutput(following, LayerState(keys, values, attended.past), attended, states)

    def read_choices(self, states: States, given: Choices) -> Float[Tensor, "row target choice hidden"]:
        """The next layer's states, if each choice were what attention to the source gave. states: those that asked."""
        rows, target, count, _ = given.values.shape
        repeated = states.unsqueeze(2).expand(-1, -1, count, -1).flatten(1, 2)
        read: States = self.feed_forward(self.residual(repeated, given.values.flatten(1, 2)))
        return read.view(rows, target, count, -1)


class LayerOutput(NamedTuple):
    """states: the next layer's. state: after these words. attended: what attention to the source gave. asked: the
    states that asked for it."""

    states: States
    state: LayerState
    attended: Attended
    asked: States


class TransformerDecoder(Decoder):
    """x_0 = sqrt(d) E + PE;  x_l = layer_l(x_(l-1), source);  readout = dropout(LN(x_n))

    (Vaswani et al. 2017, section 3.1.) `norm`, `positions` and dropout are as in the encoder. Every layer has an
    attention to the source of its own, of the kind that `attention` says; the alignment that is shown is that of the
    last layer but one, or `aligned_layer`, from 1; it is nearest to a word alignment (Garg et al. 2019). The state
    holds keys and values of all words that were read, so that a step costs as much as there are words.

    Where words are predicted from chosen source positions, and not from the context, it is in the last layer, whose
    context no later word reads, so that a sum over its positions is one over all paths of them; layers below it go on
    with their contexts. The alignment that is shown is then that of the last layer.
    """

    is_stepwise = False
    has_self_attention = True

    def __init__(
        self,
        *,
        embedding_size: int,
        memory_size: int,
        make_attention: AttentionFactory,
        readout_dropout: float,
        hidden_size: int = 256,
        layers: int = 4,
        feed_forward_size: int = 1024,
        norm: NormPlace = "pre",
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        activation_dropout: float | None = None,
        positions: PositionsFactory = Sinusoidal,
        aligned_layer: int | None = None,
        self_attention: CausalAttentionParts = CausalAttentionParts(),  # noqa: B008 (frozen)
    ) -> None:
        super().__init__()
        check_positive(WHERE, "layers", layers)
        settings = LayerSettings(
            where=WHERE,
            hidden_size=hidden_size,
            feed_forward_size=feed_forward_size,
            norm=norm,
            dropout=dropout,
            attention_dropout=attention_dropout,
            activation_dropout=activation_dropout,
        )
        self.hidden_size = self.readout_size = hidden_size
        self.input = InputLayer(
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            positions=settings.make_positions(positions),
            dropout=dropout,
        )
        self.layers = nn.ModuleList(
            DecoderLayer(settings, self_attention=self_attention, attention=make_attention(dropout=attention_dropout))
            for _ in range(layers)
        )
        self.norm = settings.make_last_norm()
        self.readout_dropout = Dropout(readout_dropout)
        chooses = self.get_layer(0).attention.predicts_from != "context"
        self.aligned_layer = choose_aligned_layer(aligned_layer, layers, must_be_last=chooses)

    @property
    def attention(self) -> Attention:  # type: ignore[override]
        """The attention whose weights are shown."""
        return self.get_layer(self.aligned_layer).attention

    def get_layer(self, number: int) -> DecoderLayer:
        """A layer, counted from 0."""
        layer = self.layers[number]
        assert isinstance(layer, DecoderLayer)
        return layer

    def remember(self, encoded: Encoded) -> tuple[Memory, ...]:
        """What each layer's attention remembers of the source."""
        layers = map(self.get_layer, range(len(self.layers)))
        return tuple(layer.attention.remember(encoded.states, encoded.mask) for layer in layers)

    def start(self, encoded: Encoded, memory: tuple[Memory, ...]) -> TransformerState:
        rows = len(encoded.states)
        layers = tuple(self.get_layer(number).start(rows, each) for number, each in enumerate(memory))
        return TransformerState(layers, torch.zeros(rows, dtype=torch.long, device=encoded.states.device))

    def forward(
        self,
        embedded: Float[Tensor, "row target embedding"],
        state: TransformerState,
        memory: tuple[Memory, ...],
        keep_weights: bool = False,
    ) -> Decoded:
        target = embedded.shape[1]
        positions = state.position.unsqueeze(1) + torch.arange(target, device=embedded.device)
        states, layers, log_probs = self.input(embedded, positions), [], []
        shown: Attended | None = None
        for number, (before, known) in enumerate(zip(state.layers, memory, strict=True)):
            keeps = keep_weights and number == self.aligned_layer
            output = self.get_layer(number)(states, positions, before, known, keeps)
            states, attended = output.states, output.attended
            layers.append(output.state)
            log_probs += [] if attended.log_prob is None else [attended.log_prob]
            if number == self.aligned_layer:
                shown = attended
        if shown is not None and log_probs:
            shown = shown._replace(log_prob=torch.stack(log_probs).sum(0))
        readout = self.readout_dropout(self.norm(states))
        following = TransformerState(tuple(layers), state.position + target)
        choices = self.read_choices(output, memory[-1])
        return Decoded(readout, following, shown if keep_weights or log_probs else None, choices)

    def read_choices(self, output: LayerOutput, memory: Memory) -> ReadoutChoices | None:
        """The readout of each position that the last layer chooses, where weights are kept and it chooses any."""
        layer, weights = self.get_layer(-1), output.attended.weights
        given = None if weights is None else layer.attention.choose(weights, memory)
        if given is None:
            return None
        return ReadoutChoices(self.readout_dropout(self.norm(layer.read_choices(output.asked, given))), given)


def choose_aligned_layer(number: int | None, layers: int, *, must_be_last: bool) -> int:
    """The layer whose attention is shown, from 0, for its number from 1; None is the last but one, or the last where
    it must be that.

    Raises ConfigError for a layer that there is not, and for one that it must not be.
    """
    if number is None:
        return layers - 1 if must_be_last else max(layers - 2, 0)
    if must_be_last and number != layers:
        raise ConfigError(
            "With this attention.selection words are predicted from source positions that the last layer chooses, so "
            f"that its attention is the one to show. Set model.decoder.aligned_layer=null or {layers}; got {number}."
        )
    if not 1 <= number <= layers:
        raise ConfigError(
            f"model.decoder.aligned_layer must be a layer from 1 to {layers}, which is model.decoder.layers, or "
            f"null for the last but one; got {number}."
        )
    return number - 1
