"""The Transformer against torch's own layers, and what makes it one model for training and search."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from nmt import build, config
from nmt.attention.normalizer import Entmax15, Sparsemax
from nmt.attention.scope import Alibi, Causal, Global, LocalMonotonic, Scope, WindowScope
from nmt.attention.score import Additive, CosineScore, Rotary, ScaledDot
from nmt.attention.scored import ScoredAttention
from nmt.attention.self_attention import CausalAttentionParts, SelfAttentionParts
from nmt.errors import ConfigError
from nmt.model.blocks import FeedForward, LayerSettings, NormPlace
from nmt.model.decoders.transformer import DecoderLayer, TransformerDecoder
from nmt.model.encoders.transformer import EncoderLayer, TransformerEncoder
from nmt.model.positions import LearnedPositions, NoPositions, compute_sinusoids
from nmt.model.seq2seq import Seq2Seq
from nmt.runs.run_files import find_changed_settings
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


def test_learned_positions_beyond_the_table_share_its_last_row() -> None:
    learned = LearnedPositions(hidden_size=SIZE, table_size=3)
    added = learned(torch.zeros(1, 6, SIZE), make_positions(1, 6))[0]
    assert_close(added, learned.table.weight[[0, 1, 2, 2, 2, 2]])
    states = draw_normal(1, 6, SIZE)
    assert_close(learned(states, make_positions(1, 6)), states + added)


def test_states_without_positions_are_as_they_come() -> None:
    states = draw_normal(1, 6, SIZE)
    assert_close(NoPositions(hidden_size=SIZE)(states, make_positions(1, 6)), states, rtol=0, atol=0)


def test_an_encoder_without_positions_knows_no_order_and_alibi_gives_it_one() -> None:
    order, embedded = torch.tensor([3, 0, 4, 1, 2]), draw_normal(1, 5, EMBEDDING_SIZE)
    for scope, has_order in ((Global, False), (Alibi, True)):
        parts = SelfAttentionParts(heads=HEADS, score=SCORE, scope=scope)
        encoder = make_encoder(parts, positions=NoPositions)
        found, moved = (
            encoder(each, torch.tensor([5]), make_mask([5])).states for each in (embedded, embedded[:, order])
        )
        assert torch.allclose(found[:, order], moved, atol=1e-5) != has_order


def test_positions_are_waves_whose_product_depends_on_the_distance() -> None:
    waves = compute_sinusoids(torch.arange(40).unsqueeze(0), 16)[0]
    assert_close(waves[0], torch.tensor([0.0, 1.0] * 8))
    assert_close(waves[3, 4], torch.sin(torch.tensor(3 / 10_000 ** (4 / 16))))
    products = waves @ waves.t()
    for distance in (1, 7):
        assert_close(products.diagonal(distance), products.diagonal(distance)[:1].expand(40 - distance))
    assert compute_sinusoids(torch.arange(3).unsqueeze(0), 5).shape == (1, 3, 5)


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


SIDES = ("encoder", "decoder")
MODELS = {
    "transformer": tiny_runs.TRANSFORMER,
    "recurrent, transformer": (*tiny_runs.TRANSFORMER_DECODER, "attention=bahdanau"),
    "transformer, recurrent": (*tiny_runs.TRANSFORMER[:5], "model/bridge=zero"),
    "of other parts": (
        *tiny_runs.TRANSFORMER,
        *("attention=luong_local_p", "attention.heads=2", "attention/history=coverage"),
        *("model.encoder.self_attention.scope.name=causal", "model.decoder.self_attention.normalizer.name=sparsemax"),
    ),
    "rotary, window, no positions, post": (
        *(*tiny_runs.TRANSFORMER, "attention=scaled_dot", "attention/score=rotary", "attention/scope=window"),
        *("attention.scope.half_width=1", "attention.scope.globals=1"),
        *(f"model.{side}.self_attention.score.name=rotary" for side in SIDES),
        *(f"model.{side}.self_attention.scope.name=window" for side in SIDES),
        *(f"+model.{side}.self_attention.scope.{word}=1" for side in SIDES for word in ("half_width", "globals")),
        *(f"model.{side}.positions.name=none" for side in SIDES),
        *(f"model.{side}.norm=post" for side in SIDES),
    ),
    "additive, sparse, alibi, learned": (
        *(*tiny_runs.TRANSFORMER, "attention=bahdanau", "attention/scope=alibi"),
        *(f"model.{side}.self_attention.score.name=additive" for side in SIDES),
        *(f"model.{side}.self_attention.scope.name=alibi" for side in SIDES),
        *(f"model.{side}.self_attention.normalizer.name=entmax15" for side in SIDES),
        *(f"model.{side}.positions.name=learned" for side in SIDES),
        *(f"+model.{side}.positions.table_size=3" for side in SIDES),
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


def test_no_gradient_comes_from_a_later_word(model: Seq2Seq) -> None:
    embedded = model.target(READ).detach().requires_grad_()
    memory, state = model.encode(SOURCE, torch.tensor(LENGTHS))
    readout = model.decoder(embedded, state, memory.memory).readout
    (readout[:, :3] * draw_normal(*readout[:, :3].shape, seed=3)).sum().backward()
    assert embedded.grad is not None
    assert not embedded.grad[:, 3:].any()
    assert embedded.grad[:, :3].any(-1).all()


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


def count_by_formula(vocab: int, size: int, inner: int, layers: int) -> int:
    """Of an encoder and a decoder of so many layers each, with norm=pre and one table for all words."""
    norm, feed_forward = 2 * size, 2 * size * inner + inner + size
    attention = 3 * size * size + size * size + size  # queries, keys and values without biases, the output with one
    encoder = attention + feed_forward + 2 * norm
    decoder = 2 * attention + feed_forward + 3 * norm
    return vocab * size + vocab + layers * (encoder + decoder) + 2 * norm


@pytest.mark.parametrize(
    ("words", "more"), [((), 0), (("norm=post",), -4 * 12), (("positions.name=learned",), 2 * 256 * 12)]
)
def test_parameters_are_as_many_as_the_formula_says(words: tuple[str, ...], more: int) -> None:
    settings = settings_of(
        *tiny_runs.TRANSFORMER,
        *("attention=multi_head", "attention.heads=2", "model.embedding_size=12"),
        *("model.encoder.layers=3", "model.decoder.layers=3", "model.encoder.feed_forward_size=20"),
        *("model.decoder.feed_forward_size=20", *(f"model.{side}.{word}" for side in SIDES for word in words)),
    )
    made = build.build_on_meta(settings, source_vocab=VOCAB, target_vocab=VOCAB, joint=True)
    assert build.count_parameters(made) == count_by_formula(VOCAB, 12, 20, 3) + more


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_six_layers_have_finite_gradients_at_first(norm: NormPlace) -> None:
    torch.manual_seed(1)
    deep = (f"model.{side}.{word}" for side in SIDES for word in ("layers=6", f"norm={norm}"))
    settings = settings_of(*tiny_runs.TRANSFORMER, "attention=multi_head", "attention.heads=2", *deep)
    made = build.build_model(settings, source_vocab=VOCAB, target_vocab=VOCAB, joint=True)
    loss = made.compute_loss(made(SOURCE, torch.tensor(LENGTHS), READ), READ.roll(-1, 1), smoothing=0.1)
    loss.objective.backward()
    assert find_missing_gradients(made) == []
    norms = torch.stack([each.grad.norm() for each in made.parameters() if each.grad is not None])
    assert norms.max() < 100


def test_projections_of_both_attentions_are_drawn_alike() -> None:
    """Uniform up to sqrt(1/2) sqrt(6 / (in + out)), as Glorot and Bengio (2010) have it with this gain."""
    torch.manual_seed(0)
    settings = settings_of(*tiny_runs.TRANSFORMER, "attention=multi_head", "attention.heads=2")
    decoder = build.build_model(settings, source_vocab=VOCAB, target_vocab=VOCAB, joint=True).decoder
    assert isinstance(decoder, TransformerDecoder)
    for attention in (decoder.get_layer(0).self_attention, decoder.get_layer(0).attention):
        assert isinstance(attention, ScoredAttention)
        for linear in (attention.score.query, attention.score.key, attention.value):
            assert isinstance(linear, nn.Linear)
            limit = (0.5 * 6 / (12 + 12)) ** 0.5
            assert 0.9 * limit < linear.weight.abs().max() <= limit


def test_settings_that_older_folders_lack_are_what_they_were() -> None:
    new = settings_of(*tiny_runs.TRANSFORMER)
    old = copy.deepcopy(new)
    for side in SIDES:
        for name in ("norm", "positions", "attention_dropout", "activation_dropout"):
            del old["model"][side][name]
    del old["model"]["decoder"]["self_attention"]["scope"]
    assert find_changed_settings(old, new) == []
    checked = config.check(old, build.TRAIN)
    models = []
    for settings in (checked, new):
        torch.manual_seed(3)
        models.append(build.build_model(settings, source_vocab=VOCAB, target_vocab=VOCAB, joint=True))
    states = [model.train().state_dict() for model in models]
    assert states[0].keys() == states[1].keys()
    losses = []
    for model in models:
        torch.manual_seed(4)
        losses.append(model.compute_loss(model(SOURCE, torch.tensor(LENGTHS), READ), READ.roll(-1, 1), smoothing=0.0))
    assert torch.equal(losses[0].objective, losses[1].objective)


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
        (("model.decoder.attention_dropout=1",), r"model\.decoder\.attention_dropout must be .* got 1"),
        (("model.encoder.activation_dropout=-1",), r"model\.encoder\.activation_dropout must be .* got -1"),
        (
            ("model.encoder.positions.name=learned", "+model.encoder.positions.table_size=0"),
            r"positions\.table_size must be at least 1; got 0",
        ),
        (
            ("model.encoder.self_attention.score.name=rotary", "model.encoder.self_attention.heads=4"),
            r"rotary turns pairs .* got hidden_size 12 for 4 heads, which is 3\.",
        ),
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
