"""SNAIL: blocks of both sides against plain loops, and what each of them may see. Laws of whole models stand in
test_transformer.py."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.scope import Causal, Global
from nmt.attention.score import Additive, Rotary, ScaledDot
from nmt.attention.self_attention import SelfAttentionParts
from nmt.errors import ConfigError
from nmt.model.decoders.snail import SnailDecoder, SnailState
from nmt.model.encoders.encoder import Encoded
from nmt.model.encoders.snail import SnailEncoder
from nmt.model.snail import AttentionBlock, BlockSettings, Cache
from tests.builders import EMBEDDING_SIZE, MEMORY_SIZE, draw_normal, draw_parameters, find_missing_gradients, make_mask

LENGTHS = [4, 1, 7]
MASK = make_mask(LENGTHS)
EMBEDDED = draw_normal(3, 7, EMBEDDING_SIZE, seed=1)
SIZES = {"filters": 2, "span": 4, "value_size": 3}
SCORE = partial(ScaledDot, hidden_size=4)
PARTS = {
    "as in the paper": SelfAttentionParts(heads=1, score=SCORE, scope=Causal),
    "rotary": SelfAttentionParts(heads=1, score=partial(Rotary, hidden_size=4), scope=Causal),
    "three heads": SelfAttentionParts(heads=3, score=partial(Additive, hidden_size=6), scope=Causal),
}


def make_encoder(parts: SelfAttentionParts = PARTS["as in the paper"], **chosen: Any) -> SnailEncoder:
    made = SnailEncoder(embedding_size=EMBEDDING_SIZE, **{**SIZES, "self_attention": parts, **chosen})
    draw_parameters(made)
    return made.eval()


def encode(encoder: SnailEncoder, embedded: Tensor, lengths: list[int]) -> Tensor:
    states: Tensor = encoder(embedded, torch.tensor(lengths), make_mask(lengths)).states
    return states.detach()


def make_decoder(**chosen: Any) -> SnailDecoder:
    made = SnailDecoder(
        embedding_size=EMBEDDING_SIZE,
        memory_size=MEMORY_SIZE,
        make_attention=lambda dropout: SelfAttentionParts(heads=1, score=SCORE).build(MEMORY_SIZE, "", dropout),
        readout_dropout=0.0,
        **{**SIZES, "hidden_size": MEMORY_SIZE, "self_attention": PARTS["as in the paper"], **chosen},
    )
    draw_parameters(made)
    return made.eval()


def test_an_attention_block_is_a_loop_over_positions() -> None:
    settings = BlockSettings(where="model.encoder", **SIZES, dropout=0.0, attention_dropout=0.0)
    block = AttentionBlock(settings, PARTS["as in the paper"], input_size=EMBEDDING_SIZE).eval()
    attention = block.self_attention
    assert isinstance(attention.score, ScaledDot)
    found = block.read_all(EMBEDDED, MASK, torch.arange(7).expand(3, 7))
    queries, keys, values = (
        linear(EMBEDDED) for linear in (attention.score.query, attention.score.key, attention.value)
    )
    for row, length in enumerate(LENGTHS):
        for t in range(length):
            scores = torch.stack([queries[row, t] @ keys[row, s] / 2.0 for s in range(t + 1)])
            wanted = sum(weight * values[row, s] for s, weight in enumerate(scores.exp() / scores.exp().sum()))
            assert torch.equal(found[row, t, :EMBEDDING_SIZE], EMBEDDED[row, t])
            assert_close(found[row, t, EMBEDDING_SIZE:], wanted)


@pytest.mark.parametrize("place", range(7))
@pytest.mark.parametrize("parts", PARTS)
def test_no_state_of_the_encoder_sees_a_later_position(parts: str, place: int) -> None:
    encoder = make_encoder(PARTS[parts])
    changed = EMBEDDED.clone()
    changed[:, place] *= -1.0
    before, after = (encode(encoder, each, [7, 7, 7]) for each in (EMBEDDED, changed))
    assert torch.equal(before[:, :place], after[:, :place])
    assert (before != after)[:, place:].any(-1).all()


def test_with_a_global_scope_every_state_sees_every_position() -> None:
    encoder = make_encoder(SelfAttentionParts(heads=1, score=SCORE, scope=Global))
    changed = EMBEDDED.clone()
    changed[:, 6] *= -1.0
    assert (encode(encoder, EMBEDDED, [7, 7, 7]) != encode(encoder, changed, [7, 7, 7])).any(-1).all()


@pytest.mark.parametrize("scope", [Causal, Global])
def test_padding_and_other_rows_change_nothing(scope: Any) -> None:
    encoder = make_encoder(SelfAttentionParts(heads=1, score=SCORE, scope=scope))
    filled = EMBEDDED.masked_fill(~MASK.unsqueeze(-1), 1e3)
    together = encode(encoder, filled, LENGTHS)
    assert not together[~MASK].any()
    for row, length in enumerate(LENGTHS):
        assert_close(together[row, :length], encode(encoder, EMBEDDED[row : row + 1, :length], [length])[0])


@pytest.mark.parametrize(
    ("blocks", "added"),
    [(["attention"], 3), (["temporal"], 2 * 2), (["attention", "temporal", "attention", "temporal"], 2 * 3 + 2 * 4)],
)
def test_channels_grow_by_what_each_block_adds(blocks: list[Any], added: int) -> None:
    encoder = make_encoder(blocks=blocks)
    assert encoder.memory_size == encode(encoder, EMBEDDED, LENGTHS).shape[-1] == EMBEDDING_SIZE + added
    assert encoder.has_self_attention == ("attention" in blocks)
    mapped = make_encoder(blocks=blocks, hidden_size=11)
    assert mapped.memory_size == encode(mapped, EMBEDDED, LENGTHS).shape[-1] == 11


def test_every_parameter_of_the_encoder_gets_a_gradient() -> None:
    encoder = make_encoder()
    states = encoder(EMBEDDED, torch.tensor(LENGTHS), MASK).states
    (states * draw_normal(*states.shape, seed=3)).sum().backward()
    assert find_missing_gradients(encoder) == []


def test_the_state_of_the_decoder_keeps_what_the_blocks_still_need() -> None:
    decoder = make_decoder(blocks=["temporal", "attention", "source"])
    encoded = Encoded(draw_normal(3, 5, MEMORY_SIZE, seed=2), torch.ones(3, 5, dtype=torch.bool))
    memory = decoder.remember(encoded)
    state = decoder.start(encoded, memory)
    for t in range(7):
        state = decoder(EMBEDDED[:, t : t + 1], state, memory).state
    assert isinstance(state, SnailState)
    inputs, cache, past = state.blocks
    assert [each.shape for each in inputs] == [(3, 1, EMBEDDING_SIZE), (3, 2, EMBEDDING_SIZE + 2)]
    assert isinstance(cache, Cache)
    assert cache.keys.shape == (3, 1, 7, 4)
    assert cache.values.shape == (3, 1, 7, 3)
    assert past == ()
    assert state.position.tolist() == [7, 7, 7]


@pytest.mark.parametrize(("chosen", "shown"), [(None, 1), (1, 0), (2, 1)])
def test_the_alignment_is_that_of_the_chosen_source_block_or_the_last(chosen: int | None, shown: int) -> None:
    decoder = make_decoder(blocks=["source", "temporal", "source"], aligned_layer=chosen)
    assert decoder.attention is decoder.list_source_blocks()[shown].attention


@pytest.mark.parametrize(
    ("make", "chosen", "message"),
    [
        (make_encoder, {"blocks": []}, r"model\.encoder\.blocks must name from 1 to 32 blocks; got 0"),
        (make_encoder, {"blocks": ["temporal"] * 33}, r"got 33"),
        (make_encoder, {"span": 1}, r"model\.encoder\.span must be from 2 to 4096 positions; got 1"),
        (make_encoder, {"filters": 0}, r"model\.encoder\.filters must be at least 1; got 0"),
        (make_encoder, {"dropout": 1.0}, r"model\.encoder\.dropout must be at least 0 and below 1"),
        (make_encoder, {"value_size": 4, "parts": PARTS["three heads"]}, r"value_size, which is 4; got 3"),
        (make_decoder, {"blocks": ["temporal"]}, r"model\.decoder\.blocks names no block that looks at the source"),
        (make_decoder, {"aligned_layer": 3}, r"from 1 to 2, .*; got 3"),
        (make_decoder, {"hidden_size": 0}, r"model\.decoder\.hidden_size must be at least 1; got 0"),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(make: Any, chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**chosen)
