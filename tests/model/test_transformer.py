"""The Transformer against torch's own layers, and what makes it one model for training and search."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from nmt import build, config
from nmt.attention.normalizer import Entmax15, Sparsemax
from nmt.attention.scope import Causal, LocalMonotonic
from nmt.attention.score import Additive, CosineScore, ScaledDot
from nmt.attention.scored import ScoredAttention
from nmt.attention.self_attention import CausalAttentionParts, SelfAttentionParts
from nmt.errors import ConfigError
from nmt.model.blocks import LayerSettings, NormPlace
from nmt.model.decoders.transformer import DecoderLayer, TransformerDecoder
from nmt.model.encoders.transformer import EncoderLayer, TransformerEncoder
from nmt.model.positions import compute_sinusoids
from nmt.model.seq2seq import Seq2Seq
from nmt.trees import repeat_rows, select_rows
from tests import tiny_runs
from tests.builders import EMBEDDING_SIZE, MEMORY_SIZE, draw_normal, find_missing_gradients, make_mask, make_positions

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
}


def copy_attention(ours: ScoredAttention, output: nn.Linear, theirs: nn.MultiheadAttention) -> None:
    """Gives torch's attention the weights of ours, and of the projection that follows it."""
    weights = [ours.score.query.weight, ours.score.key.weight, ours.value.weight]  # type: ignore[union-attr]
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat(weights))
        theirs.in_proj_bias.zero_()
        theirs.out_proj.weight.copy_(output.weight)
        theirs.out_proj.bias.copy_(output.bias)


def draw_parameters(module: nn.Module) -> None:
    for number, parameter in enumerate(module.parameters()):
        parameter.data = draw_normal(*parameter.shape, seed=number, scale=0.4)


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
    found, _, _ = ours(states, make_positions(3, 5), ours.start(3, memory), memory, False)
    causal = torch.ones(5, 5, dtype=torch.bool).triu(1)
    wanted = theirs(states, source, tgt_mask=causal, memory_key_padding_mask=~mask, tgt_is_causal=True)
    assert_close(found, wanted)


def test_positions_are_waves_whose_product_depends_on_the_distance() -> None:
    waves = compute_sinusoids(torch.arange(40).unsqueeze(0), 16)[0]
    assert_close(waves[0], torch.tensor([0.0, 1.0] * 8))
    assert_close(waves[3, 4], torch.sin(torch.tensor(3 / 10_000 ** (4 / 16))))
    products = waves @ waves.t()
    for distance in (1, 7):
        assert_close(products.diagonal(distance), products.diagonal(distance)[:1].expand(40 - distance))
    assert compute_sinusoids(torch.arange(3).unsqueeze(0), 5).shape == (1, 3, 5)


def make_encoder(parts: SelfAttentionParts) -> TransformerEncoder:
    made = TransformerEncoder(
        embedding_size=EMBEDDING_SIZE, hidden_size=SIZE, layers=2, feed_forward_size=INNER, self_attention=parts
    )
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


MODELS = {
    "transformer": tiny_runs.TRANSFORMER,
    "recurrent, transformer": (*tiny_runs.TRANSFORMER_DECODER, "attention=bahdanau"),
    "transformer, recurrent": (*tiny_runs.TRANSFORMER[:5], "model/bridge=zero"),
    "of other parts": (
        *tiny_runs.TRANSFORMER,
        *("attention=luong_local_p", "attention.heads=2", "attention/history=coverage"),
        *("model.encoder.self_attention.scope.name=causal", "model.decoder.self_attention.normalizer.name=sparsemax"),
    ),
}
VOCAB = 17


def settings_of(*overrides: str) -> dict[str, Any]:
    return config.check(tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES, *overrides), build.TRAIN)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Seq2Seq:
    torch.manual_seed(2)
    settings = settings_of(*MODELS[request.param])
    made = build.build_model(settings, source_vocab=VOCAB, target_vocab=VOCAB, joint=True).eval()
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return made


SOURCE = torch.randint(4, VOCAB, (3, 6), generator=torch.Generator().manual_seed(1)).where(make_mask(LENGTHS), 0)
READ = torch.randint(4, VOCAB, (3, 5), generator=torch.Generator().manual_seed(2))


def test_one_word_at_a_time_equals_all_at_once(model: Seq2Seq) -> None:
    wanted, alignment = (way(SOURCE, torch.tensor(LENGTHS), READ) for way in (model.log_probs, model.align))
    memory, state = model.encode(SOURCE, torch.tensor(LENGTHS))
    for t in range(5):
        log_probs, state, weights = model.step(READ[:, t], state, memory)
        assert_close(log_probs, wanted[:, t])
        assert_close(weights, alignment[:, t])


def test_a_beam_is_reordered_with_its_words(model: Seq2Seq) -> None:
    memory, state = model.encode(SOURCE, torch.tensor(LENGTHS))
    state = repeat_rows(state, 2)
    for t in range(3):
        _, state, _ = model.step(READ.repeat_interleave(2, 0)[:, t] + torch.arange(6) % 2, state, memory)
    order = torch.tensor([1, 0, 3, 3, 4, 5])
    changed = model.step(torch.full((6,), 5), select_rows(state, order), memory).log_probs
    assert_close(changed, model.step(torch.full((6,), 5), state, memory).log_probs[order])


@pytest.mark.parametrize("t", range(5))
def test_no_word_sees_a_later_one(model: Seq2Seq, t: int) -> None:
    changed = READ.clone()
    changed[:, t] = (changed[:, t] - 3) % (VOCAB - 4) + 4
    before, after = (model.log_probs(SOURCE, torch.tensor(LENGTHS), read) for read in (READ, changed))
    assert_close(before[:, :t], after[:, :t], rtol=0, atol=0)
    assert not torch.equal(before[:, t], after[:, t])


def test_every_parameter_of_a_model_gets_a_gradient(model: Seq2Seq) -> None:
    loss = model.compute_loss(model(SOURCE, torch.tensor(LENGTHS), READ), READ.roll(-1, 1), smoothing=0.1)
    loss.objective.backward()
    assert find_missing_gradients(model) == []


def test_the_aligned_layer_is_the_last_but_one() -> None:
    made = [
        TransformerDecoder(
            embedding_size=EMBEDDING_SIZE,
            memory_size=MEMORY_SIZE,
            make_attention=lambda dropout: SelfAttentionParts(heads=1, score=SCORE).build(MEMORY_SIZE, "", dropout),
            readout_dropout=0.0,
            hidden_size=MEMORY_SIZE,
            layers=layers,
            feed_forward_size=INNER,
            self_attention=CausalAttentionParts(heads=1, score=SCORE),
        )
        for layers in (1, 2, 3)
    ]
    for decoder, layer in zip(made, (0, 0, 1), strict=True):
        assert decoder.attention is decoder.get_layer(layer).attention


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model.encoder.self_attention.heads=5",), r"model\.encoder\.self_attention\.heads must divide .* 12; got 5"),
        (("model.decoder.feed_forward_size=0",), r"model\.decoder\.feed_forward_size must be at least 1; got 0"),
        (("model.decoder.dropout=1",), r"model\.decoder\.dropout must be"),
        (("model/decoder=luong", "model/bridge=dense"), r"model/bridge=dense reads the last state of a recurrent"),
    ],
)
def test_what_does_not_fit_is_refused(overrides: tuple[str, ...], message: str) -> None:
    words = tiny_runs.TRANSFORMER[:5] if "model/decoder=luong" in overrides else tiny_runs.TRANSFORMER
    with pytest.raises(ConfigError, match=message):
        build.build_on_meta(settings_of(*words, *overrides), source_vocab=9, target_vocab=9, joint=True)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.encoder.self_attention.score.name=location", "is not one of its variants"),
        ("model.encoder.self_attention.score=additive", r"Write model\.encoder\.self_attention\.score\.name=additive"),
        ("model.encoder.self_attention.score.hiden_size=3", "Did you mean hidden_size"),
        ("model.decoder.self_attention.normalizer.name=monotonic", "is not one of its variants"),
        ("model.decoder.self_attention.scope.name=local_p", "is not one of its variants. Did you mean local_m"),
    ],
)
def test_a_variant_inside_a_variant_is_checked(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings_of(*tiny_runs.TRANSFORMER, override if "hiden" not in override else f"+{override}")
