"""What is made ready for search says what the model says, whatever the decoder, the precision and the vocabulary."""

import itertools
import random
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from nmt import build
from nmt.attention.history import HISTORIES
from nmt.attention.normalizer import NORMALIZERS
from nmt.attention.scope import SCOPES
from nmt.attention.score import SCORES
from nmt.attention.selection import SELECTIONS
from nmt.errors import ConfigError
from nmt.kernels.precision import has_amx
from nmt.kernels.quantized_linear import BFloat16, Float32, Int8
from nmt.model.decoders.table import DECODERS
from nmt.model.heads.table import HEADS
from nmt.model.seq2seq import Seq2Seq
from nmt.special_tokens import BOS
from nmt.translation.decoder_step import ReferenceStep, Vocabulary
from nmt.translation.fused_step import FusedLuongLSTM
from nmt.translation.stepper import InferenceModel
from nmt.trees import repeat_rows
from tests import tiny_runs
from tests.builders import RECURRENT_DECODERS, cover_pairs

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

TRANSFORMER = ("model/encoder=transformer", "model.encoder.layers=2", "model.encoder.hidden_size=16")
TRANSFORMER_DECODER = ("model/decoder=transformer", "model.decoder.layers=2")
DRAWN = (
    "attention/selection=sampled",
    *("attention.selection.goes_on=expected", "attention.selection.baseline=expected"),
)
MODELS = {
    "fed": (),
    "fed, untied, heads": ("model.tied=none", "attention.heads=4", "attention/scope=local_p"),
    "not fed": ("model.decoder.input_feeding=false",),
    "gru": ("model.decoder.cell=gru",),
    "layers": ("model.decoder.layers=2",),
    "bahdanau": ("model/decoder=bahdanau", "attention=bahdanau"),
    "conditional": ("model/decoder=conditional",),
    "fed, sampled": ("attention/selection=sampled",),
    "sampled, heads": ("attention/selection=sampled", "attention.heads=4", "model/decoder=conditional"),
    "transformer": (*TRANSFORMER, *TRANSFORMER_DECODER),
    "transformer, heads, copy": (*TRANSFORMER, *TRANSFORMER_DECODER, "attention.heads=4", "model/head=copy"),
    "transformer, additive to itself": (
        *TRANSFORMER_DECODER,
        *("model.decoder.self_attention.score.name=additive", "model.decoder.self_attention.normalizer.name=entmax15"),
    ),
    "fed, transformer": (*TRANSFORMER, "model/bridge=mean"),
    "marginal": ("attention/selection=marginal", "attention/normalizer=sparsemax"),
    "marginal, copy": ("attention/selection=marginal", "model/head=copy", "model/decoder=conditional"),
    "marginal, transformer": (*TRANSFORMER, *TRANSFORMER_DECODER, "attention/selection=marginal"),
    "drawn": (*DRAWN, "model/decoder=bahdanau"),
    "drawn, transformer, copy": (*DRAWN, *TRANSFORMER_DECODER, "model/head=copy"),
    "fed, embedding": ("model/encoder=embedding", "model/bridge=mean"),
    "fed, cascade": ("model/encoder=cascade", "model.encoder.hidden_size=16", "model/bridge=copy"),
    "snail": (*tiny_runs.SNAIL_ENCODER, *tiny_runs.SNAIL_DECODER, "attention=bahdanau"),
    "copy": ("model/head=copy",),
    "ntm": ("model/decoder=ntm", "attention=cosine", "model.decoder.read_heads=2"),
    "ntm, steps": (
        *("model/decoder=ntm", "attention=cosine", "model.decoder.source=steps"),
        *("model/encoder=embedding", "model/bridge=mean"),
    ),
    "copy, heads": ("model/head=copy", "attention.heads=4", "model/decoder=bahdanau", "attention/history=coverage"),
}
PASTS = {
    "coverage, transformer": ("attention/history=coverage", *TRANSFORMER_DECODER),
    "coverage, fed": ("attention/history=coverage",),
    "coverage, not fed": ("attention/history=coverage", "model.decoder.input_feeding=false"),
    "coverage, heads": ("attention/history=coverage", "attention.heads=4", "model/decoder=bahdanau"),
    "monotonic, fed": ("attention/normalizer=monotonic",),
    "mocha, not fed": ("attention=mocha", "attention.scope.chunk=2", "model.decoder.input_feeding=false"),
    "milk, heads": ("attention=milk", "attention.heads=2", "attention/normalizer=sparsemax", "model/decoder=bahdanau"),
    "monotonic, window": ("attention/normalizer=monotonic", "attention/scope=local_p", "model/decoder=conditional"),
}
"""Attentions that depend on their own earlier steps."""
VOCAB = 37


def list_mixes() -> list[tuple[str, ...]]:
    """Choices on all axes of model and attention at once, drawn from all that there are."""
    decoders = [(f"model/decoder={name}",) for name in RECURRENT_DECODERS]
    axes = [
        [*decoders, ("model.decoder.input_feeding=false",), tiny_runs.TRANSFORMER, tiny_runs.TRANSFORMER_DECODER],
        *([(f"attention/{axis}={name}",) for name in table] for axis, table in ATTENTION.items()),
        [(f"attention.heads={count}",) for count in (1, 2)],
        [(f"model/head={name}",) for name in HEADS if name not in ("bernoulli", "pointer")],  # of other vocabularies
    ]
    drawn = random.Random(0)
    choices = [tuple(drawn.choice(axis) for axis in axes) for _ in range(500)]
    choices = [choice for choice in choices if is_legal(tuple(itertools.chain(*choice)))]
    return [tuple(itertools.chain(*choices[index])) for index in cover_pairs(choices)]


def is_legal(overrides: tuple[str, ...]) -> bool:
    """Whether the parts go together: a sum over positions is that of one head."""
    return not {"attention/selection=marginal", "attention.heads=2"} <= set(overrides)


ATTENTION = {
    **{"score": SCORES, "scope": SCOPES, "normalizer": NORMALIZERS},
    **{"history": HISTORIES, "selection": SELECTIONS},
}
MIXES = list_mixes()
AMX = pytest.mark.skipif(not has_amx("cpu"), reason="bfloat16 needs AMX")
INT8 = pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="int8 needs VNNI instructions")


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Seq2Seq:
    return make_model(*MODELS[request.param])


SIZES = ("model.embedding_size=24", "model.decoder.hidden_size=32")


def make_model(*overrides: str, sizes: tuple[str, ...] = SIZES) -> Seq2Seq:
    torch.manual_seed(5)
    settings = tiny_runs.compose_config(*sizes, *overrides)
    made = build.build_model(settings, source_vocab=VOCAB, target_vocab=VOCAB, joint=True).eval()
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)  # no bias is zero, and no gate is idle
    return made


def source() -> tuple[Tensor, Tensor]:
    torch.manual_seed(7)
    lengths = torch.tensor([5, 2, 7])
    return torch.randint(4, VOCAB, (3, 7)).where(torch.arange(7) < lengths.unsqueeze(1), 0), lengths


@torch.inference_mode()
def steps(model: Seq2Seq, words: Tensor, copies: int = 2, times: int = 4) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Tokens that are among `words`, and what the model itself gives after them."""
    memory, state = model.encode(*source())
    state, tokens = repeat_rows(state, copies), torch.full((3 * copies,), BOS)
    for _ in range(times):
        log_probs, state, weights = model.step(tokens, state, memory)
        assert weights is not None
        yield tokens, log_probs, weights
        tokens = words[torch.randint(4, len(words), tokens.shape)]


@torch.inference_mode()
def compare(model: Seq2Seq, engine: InferenceModel, vocabulary: Vocabulary, tolerance: float) -> None:
    words = torch.arange(VOCAB) if vocabulary.words is None else vocabulary.words
    place = torch.full((VOCAB,), -1).scatter(0, words, torch.arange(len(words)))
    given, state = engine.encode(*source(), vocabulary)
    state, step = repeat_rows(state, 2), engine.stepper(vocabulary)
    for tokens, wanted, weights in steps(model, words):
        log_probs, state, looked = step(place[tokens], state, given)
        allowed = torch.ones(3, len(words), dtype=torch.bool) if vocabulary.allowed is None else vocabulary.allowed
        among = wanted[:, words].masked_fill(~allowed.repeat_interleave(2, 0), -torch.inf).log_softmax(-1)
        real = among > -1e4
        assert torch.equal(log_probs > -1e4, real)
        torch.testing.assert_close(log_probs[real], among[real], atol=tolerance, rtol=tolerance)
        assert looked is not None
        torch.testing.assert_close(looked, weights, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("many", [False, True])
def test_an_engine_steps_as_its_model_does(model: Seq2Seq, many: bool) -> None:
    compare(model, InferenceModel(model), Vocabulary(precompute_inputs=many), 2e-5)


@pytest.mark.parametrize("case", PASTS)
def test_an_engine_carries_the_past_of_attention(case: str) -> None:
    model = make_model(*PASTS[case])
    assert model.decoder.attention.is_stepwise
    compare(model, InferenceModel(model), Vocabulary(), 2e-5)


@pytest.mark.parametrize("mix", MIXES, ids=" ".join)
def test_an_engine_steps_as_its_model_does_for_any_two_choices(mix: tuple[str, ...]) -> None:
    """Every pair of choices on two axes is among these; of all words, and of some."""
    model = make_model(*tiny_runs.BASE_OVERRIDES, *mix, sizes=())
    compare(model, InferenceModel(model), Vocabulary(), 2e-5)
    words = torch.tensor([0, 1, 2, 3, *range(6, VOCAB, 3)])
    compare(model, InferenceModel(model), Vocabulary(words, torch.ones(3, len(words), dtype=torch.bool)), 2e-5)


def test_every_choice_is_among_them() -> None:
    named = set(itertools.chain(*MIXES, *MODELS.values()))
    for axis, table in ATTENTION.items():
        assert {f"attention/{axis}={name}" for name in table} <= named
    assert {f"model/head={name}" for name in HEADS if name not in ("bernoulli", "pointer")} <= named
    assert {f"model/decoder={name}" for name in DECODERS} <= named
    assert "model/encoder=transformer" in named


@pytest.mark.parametrize("many", [False, True])
def test_over_some_words_the_distribution_is_that_given_these_words(model: Seq2Seq, many: bool) -> None:
    torch.manual_seed(11)
    words = torch.tensor([0, 1, 2, 3, *range(6, VOCAB, 3)])
    allowed = torch.rand(3, len(words)) < 0.7
    allowed[:, :4] = True
    compare(model, InferenceModel(model), Vocabulary(words, allowed, many), 2e-5)


@AMX
def test_eight_binary_digits_are_near(model: Seq2Seq) -> None:
    compare(model, InferenceModel(model, "bfloat16"), Vocabulary(), 0.05)


@AMX
@pytest.mark.parametrize("rounded", [False, True])
def test_eight_binary_digits_round_factors_and_no_more_than_asked_of_results(rounded: bool) -> None:
    torch.manual_seed(4)
    weight, bias, x = torch.randn(41, 64), torch.randn(41), torch.randn(70, 64)
    product = BFloat16(weight, bias, may_round=rounded)
    found, exact = product(x), x @ weight.T + bias
    assert found.dtype == torch.float32
    # Each factor is off by at most 2 ** -9 of itself, and so are a bias and a result that may be.
    bound = (2**-8 * 1.1) * (x.abs() @ weight.abs().T)
    if rounded:
        bound = bound + 2**-9 * (bias.abs() + found.abs())
    assert ((found - exact).abs() <= bound + 1e-5).all()
    for row in (0, 33, 69):
        torch.testing.assert_close(product(x[row : row + 1])[0], found[row], rtol=1e-5 + rounded * 2**-8, atol=1e-5)


@INT8
def test_eight_bits_are_near(model: Seq2Seq) -> None:
    compare(model, InferenceModel(model, "int8"), Vocabulary(), 0.1)


@INT8
def test_eight_bits_round_every_row_by_itself() -> None:
    torch.manual_seed(3)
    weight, bias, x = torch.randn(41, 64), torch.randn(41), 5 * torch.randn(7, 64)
    for within_one in (False, True):
        product = Int8(weight, bias, inputs_bounded=within_one)
        rows = x / x.abs().max() if within_one else x * torch.logspace(-3, 3, 7).unsqueeze(1)
        together = product(rows)
        for row in range(7):
            # Sums are exact; kernels for one row and for many may round the scaling differently.
            torch.testing.assert_close(product(rows[row : row + 1])[0], together[row], rtol=1e-6, atol=1e-6)
        # x and W are off by at most half a step in each of the 64 summands.
        reach = 1.0 if within_one else rows.abs().amax(1, keepdim=True)
        bound = (reach * weight.abs().sum(1) + rows.abs().sum(1, keepdim=True) * weight.abs().amax(1)) / 254 * 1.1
        assert ((together - (rows @ weight.T + bias)).abs() <= bound + 1e-5).all()


def test_a_zero_row_gives_the_bias() -> None:
    made = [Float32, *[BFloat16] * has_amx("cpu"), *[Int8] * torch.cpu._is_vnni_supported()]
    for make in made:
        product = make(torch.zeros(3, 16), torch.arange(3.0), inputs_bounded=False)
        assert product(torch.zeros(2, 16)).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_without_the_instructions_eight_bits_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    with pytest.raises(ConfigError, match="Choose precision=float32"):
        Int8(torch.zeros(3, 16), None, inputs_bounded=True)


@pytest.mark.parametrize(("vnni", "advice"), [(True, "precision=float32 or int8[.]"), (False, "precision=float32[.]")])
def test_without_the_instructions_eight_binary_digits_are_an_error(
    vnni: bool, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: vnni)
    with pytest.raises(ConfigError, match=advice):
        BFloat16(torch.zeros(3, 16), None)


def test_the_common_decoder_is_read_in_two_products_and_every_other_as_it_is(
    model: Seq2Seq, request: pytest.FixtureRequest
) -> None:
    fed = request.node.callspec.params["model"].startswith("fed")
    assert isinstance(InferenceModel(model).decoder_step, FusedLuongLSTM if fed else ReferenceStep)
