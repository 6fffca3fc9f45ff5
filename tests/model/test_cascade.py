"""Self-attention above a recurrent encoder: torch's layers over the recurrent states, with nothing from padding."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from nmt.attention.self_attention import SelfAttentionParts
from nmt.errors import ConfigError
from nmt.model.bridge import Copy, Dense
from nmt.model.encoders.cascade import CascadeEncoder
from nmt.model.encoders.recurrent import RecurrentEncoder
from nmt.model.encoders.transformer import EncoderLayer
from tests.builders import draw_normal, find_missing_gradients, make_mask
from tests.model.test_blocks import SCORE, copy_attention, draw_parameters

EMBEDDING, HIDDEN, INNER, HEADS = 5, 4, 20, 2
LENGTHS = [4, 1, 6]
MASK = make_mask(LENGTHS)
EMBEDDED = draw_normal(3, 6, EMBEDDING, seed=1)


def make_encoder(layers: int = 1) -> CascadeEncoder:
    parts = SelfAttentionParts(heads=HEADS, score=SCORE)
    made = CascadeEncoder(
        embedding_size=EMBEDDING,
        hidden_size=HIDDEN,
        layers=layers,
        blocks=2,
        feed_forward_size=INNER,
        self_attention=parts,
    )
    draw_parameters(made)
    return made.eval()


def copy_layer(ours: nn.Module) -> nn.TransformerEncoderLayer:
    assert isinstance(ours, EncoderLayer)
    theirs = nn.TransformerEncoderLayer(2 * HIDDEN, HEADS, INNER, 0.0, batch_first=True, norm_first=True)
    copy_attention(ours.attention, ours.residual.output, theirs.self_attn)
    theirs.norm1.load_state_dict(ours.residual.norm.state_dict())
    theirs.norm2.load_state_dict(ours.feed_forward.norm.state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward.inner.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.outer.state_dict())
    return theirs


def test_blocks_are_torchs_layers_over_the_states_of_the_recurrent_encoder() -> None:
    encoder, plain = make_encoder(), RecurrentEncoder(embedding_size=EMBEDDING, hidden_size=HIDDEN)
    plain.load_state_dict({k: v for k, v in encoder.state_dict().items() if k.startswith("layers.")})
    below = plain(EMBEDDED, torch.tensor(LENGTHS), MASK)
    states = below.states
    for block in encoder.blocks:
        states = copy_layer(block)(states, src_key_padding_mask=~MASK)
    states = nn.functional.layer_norm(states, (2 * HIDDEN,), encoder.norm.weight, encoder.norm.bias)
    found = encoder(EMBEDDED, torch.tensor(LENGTHS), MASK)
    assert_close(found.states[MASK], states[MASK])
    assert not found.states[~MASK].any()
    assert_close(found.final, below.final)


def test_padding_and_other_rows_change_nothing() -> None:
    encoder = make_encoder(layers=2)
    filled = nn.functional.pad(EMBEDDED.masked_fill(~MASK.unsqueeze(-1), 1e3), (0, 0, 0, 2), value=1e3)
    together = encoder(filled, torch.tensor(LENGTHS), nn.functional.pad(MASK, (0, 2)))
    for row, length in enumerate(LENGTHS):
        alone = encoder(EMBEDDED[row : row + 1, :length], torch.tensor([length]), make_mask([length]))
        assert_close(together.states[row, :length], alone.states[0])


def test_every_parameter_gets_a_gradient() -> None:
    encoder = make_encoder(layers=2)
    states = encoder(EMBEDDED, torch.tensor(LENGTHS), MASK).states
    (states * draw_normal(*states.shape, seed=3)).sum().backward()
    assert find_missing_gradients(encoder) == []


@pytest.mark.parametrize("bridge", [Copy, Dense])
def test_a_bridge_reads_what_the_recurrent_layers_ended_with(bridge: type[Copy] | type[Dense]) -> None:
    encoder = make_encoder(layers=2)
    made = bridge(
        memory_size=encoder.memory_size,
        hidden_size=2 * HIDDEN,
        layers=2,
        parts=2,
        encoder_layers=encoder.final_layers,
        encoder_parts=encoder.final_parts,
    )
    carries = made(encoder(EMBEDDED, torch.tensor(LENGTHS), MASK))
    assert [part.shape for carry in carries for part in carry] == [(3, 2 * HIDDEN)] * 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"blocks": 0}, r"model\.encoder\.blocks must be at least 1; got 0"),
        ({"self_attention": SelfAttentionParts(heads=3)}, r"must divide the size of a state, 8, .*; got 3"),
        ({"feed_forward_size": 0}, r"model\.encoder\.feed_forward_size must be at least 1; got 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CascadeEncoder(embedding_size=EMBEDDING, hidden_size=HIDDEN, **settings)
