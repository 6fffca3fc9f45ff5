"""Models that read all words at once, the Transformer and SNAIL: one model for training and search, of any parts."""

import copy
import re
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nmt import build, config
from nmt.attention.score import ScaledDot
from nmt.attention.scored import ScoredAttention
from nmt.attention.selection import Selected, Selection
from nmt.attention.self_attention import CausalAttentionParts, SelfAttentionParts
from nmt.errors import ConfigError
from nmt.model.blocks import NormPlace
from nmt.model.decoders.transformer import TransformerDecoder
from nmt.model.seq2seq import Seq2Seq
from nmt.runs.run_files import find_changed_settings
from nmt.trees import repeat_rows, select_rows
from tests import tiny_runs
from tests.builders import (
    EMBEDDING_SIZE,
    MEMORY_SIZE,
    draw_normal,
    find_missing_gradients,
    make_mask,
)

SIZE, INNER, LENGTHS = 12, 20, [4, 1, 6]
SCORE = partial(ScaledDot, hidden_size=SIZE)
SIDES = ("encoder", "decoder")
MODELS = {
    "transformer": tiny_runs.TRANSFORMER,
    "recurrent, transformer": (*tiny_runs.TRANSFORMER_DECODER, "attention=bahdanau"),
    "transformer, recurrent": (*tiny_runs.TRANSFORMER[:5], "model/bridge=zero"),
    "cascade, recurrent": (*tiny_runs.CASCADE, "attention=bahdanau"),
    "cascade, transformer": (*tiny_runs.CASCADE, *tiny_runs.TRANSFORMER_DECODER),
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
    "random features": (
        *(*tiny_runs.TRANSFORMER, "attention=scaled_dot", "attention/score=favor", "attention.score.features=16"),
        *(f"model.{side}.self_attention.score.name=favor" for side in SIDES),
        *(f"+model.{side}.self_attention.score.features=16" for side in SIDES),
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
MODELS["marginal"] = (*MODELS["transformer"], "attention/selection=marginal", "attention.heads=1")
MODELS["marginal, sparse, post, copy"] = (
    *(*MODELS["marginal"], "attention/normalizer=sparsemax", "model/head=copy"),
    "model.decoder.norm=post",
)
MODELS |= {
    "snail": (*tiny_runs.SNAIL_ENCODER, *tiny_runs.SNAIL_DECODER, "attention=bahdanau"),
    "snail, recurrent": (*tiny_runs.SNAIL_ENCODER, "attention=bahdanau"),
    "recurrent, snail of other parts": (
        *(*tiny_runs.SNAIL_DECODER, "attention=luong_local_p", "attention.heads=2", "attention/history=coverage"),
        *("model.decoder.self_attention.score.name=rotary", "model.decoder.self_attention.heads=2"),
        *("model.decoder.blocks=[attention,source,temporal,source,temporal]", "model.decoder.aligned_layer=1"),
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


def test_a_model_says_whether_its_words_look_at_each_other() -> None:
    found = {}
    for name, words in {**MODELS, "recurrent": ()}.items():
        made = build.build_on_meta(settings_of(*words), source_vocab=9, target_vocab=9, joint=True)
        found[name] = made.encoder.has_self_attention, made.decoder.has_self_attention, made.is_quadratic
    assert found.pop("recurrent") == (False, False, False)
    assert found["recurrent, transformer"] == found["recurrent, snail of other parts"] == (False, True, True)
    assert found["transformer, recurrent"] == found["cascade, recurrent"] == (True, False, True)
    for name in ("rotary, window, no positions, post", "random features"):
        assert found.pop(name) == (True, True, False)  # in linear time
    assert found["snail, recurrent"] == (True, False, True)
    assert all(each[2] for each in found.values())


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


class Fixed(Selection):
    """Reads one position, whatever the weights say."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place

    def forward(self, weights: Tensor) -> Selected:
        return Selected(torch.zeros_like(weights).index_fill(-1, torch.tensor([self.place]), 1.0))


@pytest.mark.parametrize("words", [(), ("attention/normalizer=sparsemax", "model.decoder.norm=post")], ids=str)
@torch.no_grad()
def test_marginal_is_the_mean_of_models_whose_last_layer_reads_one_position(words: tuple[str, ...]) -> None:
    settings = settings_of(*MODELS["marginal"], *words)
    made = build.build_model(settings, source_vocab=VOCAB, target_vocab=VOCAB, joint=True).eval()
    lengths = torch.tensor(LENGTHS)
    weights, found = made.align(SOURCE, lengths, READ), made.head.log_probs_of_all(made(SOURCE, lengths, READ))
    head, attention = made.head.head, made.decoder.get_layer(-1).attention
    made.head, total = head, torch.zeros_like(found)
    for place in range(6):
        attention.selection = Fixed(place)
        total += weights[:, :, place, None] * head.log_probs_of_all(made(SOURCE, lengths, READ)).exp()
    assert_close(found.exp(), total, atol=1e-5, rtol=1e-4)


def test_another_layer_cannot_be_shown_where_the_last_one_chooses() -> None:
    words = (*MODELS["marginal"], "model.decoder.aligned_layer=1")
    with pytest.raises(ConfigError, match=r"Set model.decoder.aligned_layer=null or 2; got 1"):
        build.build_on_meta(settings_of(*words), source_vocab=VOCAB, target_vocab=VOCAB, joint=True)


def make_decoder(layers: int, aligned_layer: int | None) -> TransformerDecoder:
    return TransformerDecoder(
        embedding_size=EMBEDDING_SIZE,
        memory_size=MEMORY_SIZE,
        make_attention=lambda dropout: SelfAttentionParts(heads=1, score=SCORE).build(MEMORY_SIZE, "", dropout),
        readout_dropout=0.0,
        hidden_size=MEMORY_SIZE,
        layers=layers,
        feed_forward_size=INNER,
        aligned_layer=aligned_layer,
        self_attention=CausalAttentionParts(heads=1, score=SCORE),
    )


@pytest.mark.parametrize(
    ("layers", "chosen", "shown"), [(1, None, 0), (2, None, 0), (3, None, 1), (3, 1, 0), (3, 3, 2), (1, 1, 0)]
)
def test_the_aligned_layer_is_the_one_that_is_chosen_or_the_last_but_one(
    layers: int, chosen: int | None, shown: int
) -> None:
    decoder = make_decoder(layers, chosen)
    assert decoder.attention is decoder.get_layer(shown).attention


@pytest.mark.parametrize("chosen", [0, 4, -1])
def test_a_layer_that_there_is_not_cannot_be_shown(chosen: int) -> None:
    with pytest.raises(ConfigError, match=rf"aligned_layer must be a layer from 1 to 3.*got {chosen}"):
        make_decoder(3, chosen)


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
            r"^model\.encoder\.positions\.table_size must be at least 1; got 0",
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


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            ("score.name=rotary", "score.hidden_size=6"),
            "Choose an HERE.score.hidden_size that is a multiple of 4, or other HERE.heads.",
        ),
        (("score.name=additive", "score.hidden_size=5"), "HERE.score.hidden_size equally"),
        (("score.name=additive", "score.hidden_size=5"), "Choose HERE.heads from"),
        (("scope.name=window", "+scope.half_width=0"), "HERE.scope.half_width must be at least 1 source piece; got 0."),
        (("scope.name=window", "+scope.globals=-1"), "HERE.scope.globals must be 0 or more"),
        (("scope.name=local_m", "+scope.half_width=0"), "HERE.scope.half_width must be"),
    ],
)
def test_errors_of_parts_name_the_settings_of_the_attention_that_holds_them(
    side: str, choices: tuple[str, ...], message: str
) -> None:
    place = f"model.{side}.self_attention"
    words = (f"{'+' * each.startswith('+')}{place}.{each.removeprefix('+')}" for each in choices)
    with pytest.raises(ConfigError) as found:
        build.build_on_meta(settings_of(*tiny_runs.TRANSFORMER, *words), source_vocab=9, target_vocab=9, joint=True)
    assert message.replace("HERE", place) in str(found.value)
    assert not re.search(r"(?<![\w.])attention[./]", str(found.value))


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
