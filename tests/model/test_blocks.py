"""Layers of the Transformer against torch's own, and laws of each side by itself."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from nmt.attention.normalizer import Entmax15, Sparsemax
from nmt.attention.scope import Alibi, Causal, Global, LocalMonotonic, Scope, WindowScope
from nmt.attention.score import Additive, CosineScore, Rotary, ScaledDot
from nmt.attention.scored import ScoredAttention
from nmt.attention.self_attention import CAUSAL_SCOPES, SELF_SCORES, CausalAttentionParts, SelfAttentionParts
from nmt.model.blocks import FeedForward, LayerSettings, NormPlace
from nmt.model.decoders.transformer import DecoderLayer
from nmt.model.encoders.transformer import EncoderLayer, TransformerEncoder
from tests.builders import (
    EMBEDDING_SIZE,
    draw_normal,
    draw_parameters,
    find_missing_gradients,
    make_mask,
    make_positions,
    select_accepted,
)

SIZE, INNER, HEADS = 8, 20, 2
LENGTHS = [4, 1, 6]
SCORE = partial(ScaledDot, hidden_size=SIZE)
PARTS = {
    "as in the paper": SelfAttentionParts(heads=HEADS, score=SCORE),
    "additive, sparse, local": SelfAttentionParts(
        heads=4,
        score=partial(Additive, hidden_size=12),
        scope=partial(LocalMonotonic, half_width=2),
        normalizer=Sparsemax,
    ),
    "cosine, one way": SelfAttentionParts(heads=1, score=CosineScore, scope=Causal, normalizer=Entmax15),
    "rotary, window": SelfAttentionParts(
        heads=2, score=partial(Rotary, hidden_size=SIZE), scope=partial(WindowScope, half_width=1, globals=1)
    ),
    "additive, sparse, alibi": SelfAttentionParts(
        heads=2, score=partial(Additive, hidden_size=12), scope=Alibi, normalizer=Entmax15
    ),
}


def copy_attention(ours: ScoredAttention, output: nn.Linear, theirs: nn.MultiheadAttention) -> None:
    """Gives torch's attention the weights of ours, and of the projection that follows it."""
    weights = [ours.score.query.weight, ours.score.key.weight, ours.value.weight]  # type: ignore[union-attr]
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat(weights))
        theirs.in_proj_bias.zero_()
        theirs.out_proj.weight.copy_(output.weight)
        theirs.out_proj.bias.copy_(output.bias)


def make_settings(**chosen: Any) -> LayerSettings:
    return LayerSettings(where="", hidden_size=SIZE, feed_forward_size=INNER, **chosen)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_layer_of_the_encoder_is_torchs(norm: NormPlace) -> None:
    ours = EncoderLayer(make_settings(norm=norm), attention=SelfAttentionParts(heads=HEADS, score=SCORE))
    draw_parameters(ours)
    theirs = nn.TransformerEncoderLayer(SIZE, HEADS, INNER, 0.0, batch_first=True, norm_first=norm == "pre")
    copy_attention(ours.attention, ours.residual.output, theirs.self_attn)
    theirs.norm1.load_state_dict(ours.residual.norm.state_dict())
    theirs.norm2.load_state_dict(ours.feed_forward.norm.state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward.inner.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.outer.state_dict())
    states, mask = draw_normal(3, 6, SIZE, seed=1), make_mask(LENGTHS)
    found = ours(states, mask, make_positions(3, 6))
    wanted = theirs(states, src_key_padding_mask=~mask)
    assert_close(found[mask], wanted[mask])


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_layer_of_the_decoder_is_torchs(norm: NormPlace) -> None:
    cross = SelfAttentionParts(heads=HEADS, score=SCORE).build(SIZE, "")
    parts = CausalAttentionParts(heads=HEADS, score=SCORE)
    ours = DecoderLayer(make_settings(norm=norm), self_attention=parts, attention=cross)
    draw_parameters(ours)
    theirs = nn.TransformerDecoderLayer(SIZE, HEADS, INNER, 0.0, batch_first=True, norm_first=norm == "pre")
    copy_attention(ours.self_attention, ours.self_residual.output, theirs.self_attn)
    copy_attention(ours.attention, ours.residual.output, theirs.multihead_attn)
    for number, norm in enumerate((ours.self_residual.norm, ours.residual.norm, ours.feed_forward.norm), 1):
        getattr(theirs, f"norm{number}").load_state_dict(norm.state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward.inner.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.outer.state_dict())
    states, source, mask = draw_normal(3, 5, SIZE, seed=1), draw_normal(3, 6, SIZE, seed=2), make_mask(LENGTHS)
    memory = ours.attention.remember(source, mask)
    found, *_ = ours(states, make_positions(3, 5), ours.start(3, memory), memory, False)
    causal = torch.ones(5, 5, dtype=torch.bool).triu(1)
    wanted = theirs(states, source, tgt_mask=causal, memory_key_padding_mask=~mask, tgt_is_causal=True)
    assert_close(found, wanted)


@pytest.mark.parametrize("scope", [Global, Causal])
def test_self_attention_is_torchs_multi_head_attention(scope: type[Scope]) -> None:
    ours = SelfAttentionParts(heads=HEADS, score=SCORE, scope=scope).build(SIZE, "")
    output, theirs = nn.Linear(SIZE, SIZE), nn.MultiheadAttention(SIZE, HEADS, batch_first=True)
    copy_attention(ours, output, theirs)
    states, mask, positions = draw_normal(3, 6, SIZE, seed=1), make_mask(LENGTHS), make_positions(3, 6)
    found = ours(states, ours.remember(states, mask), positions, keep_weights=True)
    ahead = torch.ones(6, 6, dtype=torch.bool).triu(1) if scope is Causal else None
    wanted, weights = theirs(
        states, states, states, key_padding_mask=~mask, attn_mask=ahead, average_attn_weights=False
    )
    assert_close(output(found.context)[mask], wanted[mask])
    assert_close(found.weights, weights)


def test_dropout_of_weights_is_that_of_training_and_leaves_the_weights_that_are_shown() -> None:
    attention = SelfAttentionParts(heads=HEADS, score=SCORE).build(SIZE, "", dropout=0.5)
    states, positions = draw_normal(2, 6, SIZE), make_positions(2, 6)
    memory = attention.remember(states, make_mask([6, 6]))
    torch.manual_seed(0)
    dropped = [attention(states, memory, positions, keep_weights=True) for _ in range(400)]
    whole = attention.eval()(states, memory, positions, keep_weights=True)
    assert_close(dropped[0].weights, whole.weights)
    assert not torch.allclose(dropped[0].context, whole.context)
    contexts = torch.stack([each.context for each in dropped])
    assert ((contexts.mean(0) - whole.context).abs() < 5 * contexts.std(0) / 400**0.5).all()


@pytest.mark.parametrize(("chosen", "wanted"), [(None, 0.25), (0.0, 0.0), (0.5, 0.5)])
def test_the_inner_layer_has_the_dropout_of_the_others_unless_it_has_its_own(
    chosen: float | None, wanted: float
) -> None:
    inner = FeedForward(make_settings(dropout=0.25, activation_dropout=chosen))
    assert (inner.dropout.p, inner.activation_dropout.p) == (0.25, wanted)


def make_encoder(parts: SelfAttentionParts, **chosen: Any) -> TransformerEncoder:
    sizes = {"embedding_size": EMBEDDING_SIZE, "hidden_size": SIZE, "layers": 2, "feed_forward_size": INNER}
    made = TransformerEncoder(**sizes, self_attention=parts, **chosen)
    draw_parameters(made)
    return made.eval()


@pytest.fixture(params=PARTS)
def encoder(request: pytest.FixtureRequest) -> TransformerEncoder:
    return make_encoder(PARTS[request.param])


def test_the_encoder_does_not_see_padding_or_other_rows(encoder: TransformerEncoder) -> None:
    mask = make_mask(LENGTHS)
    embedded = draw_normal(3, 6, EMBEDDING_SIZE, seed=1).masked_fill(~mask.unsqueeze(-1), 1e3)
    longer = nn.functional.pad(embedded, (0, 0, 0, 2), value=1e3)
    together = encoder(longer, torch.tensor(LENGTHS), nn.functional.pad(mask, (0, 2)))
    assert not together.states[:, 6:].any()
    for row, length in enumerate(LENGTHS):
        alone = encoder(embedded[row : row + 1, :length], torch.tensor([length]), make_mask([length]))
        assert_close(together.states[row, :length], alone.states[0])


def test_every_parameter_of_the_encoder_gets_a_gradient(encoder: TransformerEncoder) -> None:
    states = encoder(draw_normal(3, 6, EMBEDDING_SIZE), torch.tensor(LENGTHS), make_mask(LENGTHS)).states
    (states * draw_normal(*states.shape, seed=3)).sum().backward()
    assert find_missing_gradients(encoder) == []


@pytest.mark.parametrize(
    ("scope", "score"),
    [*((scope, "scaled_dot") for scope in CAUSAL_SCOPES), *(("alibi", score) for score in SELF_SCORES)],
)
def test_words_read_in_pieces_equal_all_at_once(scope: str, score: str) -> None:
    size, heads = 12, 2
    parts = CausalAttentionParts(
        heads=heads,
        score=partial(SELF_SCORES[score], **select_accepted(SELF_SCORES[score], {"hidden_size": 24})),
        scope=partial(CAUSAL_SCOPES[scope], **select_accepted(CAUSAL_SCOPES[scope], {"half_width": 1, "globals": 1})),
    )
    settings = LayerSettings(where="", hidden_size=size, feed_forward_size=INNER)
    layer = DecoderLayer(settings, self_attention=parts, attention=SelfAttentionParts(heads=1).build(size, ""))
    draw_parameters(layer)
    states, positions = draw_normal(2, 7, size, seed=1), make_positions(2, 7)
    memory = layer.attention.remember(draw_normal(2, 4, size, seed=2), make_mask([4, 3]))
    wanted, last, *_ = layer(states, positions, layer.start(2, memory), memory, False)
    state, found = layer.start(2, memory), []
    for cut in (slice(0, 3), slice(3, 4), slice(4, 7)):
        piece, state, *_ = layer(states[:, cut], positions[:, cut], state, memory, False)
        found.append(piece)
    assert_close(torch.cat(found, 1), wanted)
    assert_close(state, last)
