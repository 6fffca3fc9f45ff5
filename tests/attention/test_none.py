"""A model without attention: a decoder that sees a summary of its source, and nothing else of it."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt import build, config, masks
from nmt.attention.none import NoAttention
from nmt.errors import ConfigError, ModelError
from nmt.model.decoders.table import DECODERS
from nmt.model.encoders.encoder import Encoded
from nmt.model.seq2seq import Seq2Seq
from nmt.search.beam import Beam
from nmt.special_tokens import BOS, EOS, PAD
from nmt.translation.decoder_step import Vocabulary
from nmt.translation.ensemble import Ensemble
from nmt.translation.stepper import InferenceModel
from nmt.trees import repeat_rows, select_rows
from tests import tiny_runs
from tests.builders import MEMORY_SIZE, compute_logits, draw_normal, find_missing_gradients, make_mask, make_positions

LENGTHS = [7, 1, 11, 2]
VOCAB = 13
SHAPES = {
    "luong": (),
    "luong without feeding": ("model.decoder.input_feeding=false",),
    "luong, layers": ("model.decoder.layers=2", "model.encoder.layers=2", "model.encoder.residual=true"),
    "luong, one direction": ("model.encoder.bidirectional=false", "model/bridge=mean"),
    "bahdanau": ("model/decoder=bahdanau", "model/bridge=zero"),
    "conditional": ("model/decoder=conditional", "model.decoder.cell=layer_norm_gru"),
    "transformer": (*tiny_runs.TRANSFORMER_DECODER, "model.encoder.bidirectional=false"),
    "snail": tiny_runs.SNAIL_DECODER,
}


def settings(*overrides: str) -> dict[str, Any]:
    return config.check(tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES, *overrides), build.TRAIN)


def model_of(*overrides: str, vocab: int = VOCAB) -> Seq2Seq:
    torch.manual_seed(3)
    made = build.build_model(settings(*overrides), source_vocab=vocab, target_vocab=vocab, joint=True).eval()
    for parameter in made.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)  # no bias is zero
    return made


@pytest.fixture(params=SHAPES)
def model(request: pytest.FixtureRequest) -> Seq2Seq:
    return model_of("attention=none", *SHAPES[request.param])


def words(rows: int, size: int, seed: int = 1) -> Tensor:
    return torch.randint(4, VOCAB, (rows, size), generator=torch.Generator().manual_seed(seed))


def sources() -> tuple[Tensor, Tensor]:
    lengths = torch.tensor(LENGTHS)
    return words(4, 11).where(masks.mask(lengths, 11), PAD), lengths


def test_every_decoder_is_under_test() -> None:
    assert DECODERS.keys() - {"ntm"} <= SHAPES.keys()  # which refuses it: it addresses a memory by content


@pytest.mark.parametrize("directions", [1, 2])
def test_the_context_is_where_each_direction_has_read_all(directions: int) -> None:
    attention, states = NoAttention(memory_size=MEMORY_SIZE, directions=directions), draw_normal(4, 11, MEMORY_SIZE)
    memory = attention.remember(states, make_mask(LENGTHS))
    context, weights, past, *_ = attention(draw_normal(4, 5, 3), memory, make_positions(4, 5), keep_weights=True)
    assert (weights, past) == (None, ())
    half = MEMORY_SIZE // directions
    for row, length in enumerate(LENGTHS):
        summary = [*states[row, length - 1, :half].tolist(), *states[row, 0, half:].tolist()]
        assert context[row].tolist() == [summary] * 5


def test_no_state_but_those_of_the_summary_counts(model: Seq2Seq) -> None:
    directions = model.encoder.directions
    half = model.encoder.memory_size // directions
    states, mask = draw_normal(4, 11, model.encoder.memory_size), make_mask(LENGTHS)
    others = draw_normal(4, 11, model.encoder.memory_size, seed=9)
    for row, length in enumerate(LENGTHS):
        others[row, length - 1, :half] = states[row, length - 1, :half]
        if directions == 2:
            others[row, 0, half:] = states[row, 0, half:]
    _, state = model.encode(*sources())
    read = model.target(words(4, 5))
    found = [model.decoder(read, state, model.decoder.remember(Encoded(some, mask))) for some in (states, others)]
    assert_close(found[0].readout, found[1].readout, rtol=0, atol=0)


def test_padding_is_invisible_and_rows_are_independent(model: Seq2Seq) -> None:
    source, lengths = sources()
    read = words(4, 5)
    together = model(torch.nn.functional.pad(source, (0, 3)), lengths, read).readout
    for row, length in enumerate(LENGTHS):
        alone = model(source[row : row + 1, :length], lengths[row : row + 1], read[row : row + 1]).readout
        assert_close(alone[0], together[row])


def test_one_target_position_at_a_time_equals_all_at_once(model: Seq2Seq) -> None:
    source, lengths = sources()
    read = words(4, 5)
    memory, state = model.encode(source, lengths)
    steps = []
    for t in range(5):
        log_probs, state, weights = model.step(read[:, t], state, memory)
        assert weights is None
        steps.append(log_probs)
    logits = compute_logits(model, source, lengths, read)
    logits[..., PAD] = torch.finfo(logits.dtype).min
    assert_close(torch.stack(steps, 1), logits.log_softmax(-1))


def test_take_commutes_with_decoding(model: Seq2Seq) -> None:
    rows = torch.tensor([2, 0, 2, 1])
    source, lengths = sources()
    memory, state = model.encode(source, lengths)
    read = words(4, 1).squeeze(1)
    before = model.step(select_rows(read, rows), select_rows(state, rows), select_rows(memory, rows)).log_probs
    assert_close(before, select_rows(model.step(read, state, memory).log_probs, rows))


def test_every_parameter_gets_a_gradient(model: Seq2Seq) -> None:
    source, lengths = sources()
    model.zero_grad()
    readout = compute_logits(model, source, lengths, words(4, 5))
    (readout * draw_normal(*readout.shape, seed=3)).sum().backward()
    # What makes a query has nothing to ask.
    assert [
        name for name in find_missing_gradients(model) if ".residual.norm." not in name and ".query." not in name
    ] == []


@torch.inference_mode()
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_search_reads_what_the_model_says(model: Seq2Seq, precision: Any) -> None:
    try:
        engine = InferenceModel(model, precision)
    except ConfigError as problem:  # a processor without the instructions
        pytest.skip(str(problem))
    given, made = engine.encode(*sources(), Vocabulary())
    memory, state = model.encode(*sources())
    made, state, step = repeat_rows(made, 2), repeat_rows(state, 2), engine.stepper(Vocabulary())
    for read in words(3, 8):
        found, made, weights = step(read, made, given)
        wanted, state, _ = model.step(read, state, memory)
        assert weights is None
        distance = (found.exp() - wanted.exp()).abs().max()
        assert distance < (1e-5 if precision == "float32" else 0.1)


@torch.inference_mode()
def test_a_wide_beam_finds_the_best_of_all_translations() -> None:
    model = model_of("attention=none", vocab=6)
    source, lengths = torch.tensor([[4, 5, 4, EOS]]), torch.tensor([4])
    memory, state = model.encode(source, lengths)

    def log_prob(tokens: tuple[int, ...]) -> float:
        read = torch.tensor([[BOS, *tokens]])
        logits = compute_logits(model, source, lengths, read)[0]
        logits[:, PAD] = -math.inf
        found = logits.log_softmax(-1)
        return sum(float(found[t, token]) for t, token in enumerate([*tokens, EOS]))

    letters = [token for token in range(6) if token not in (PAD, EOS)]
    every = {tokens: log_prob(tokens) for size in range(4) for tokens in itertools.product(letters, repeat=size)}
    search = Beam(size=64, length_penalty="none", max_ratio=0.0, max_extra=3)
    ((best,),) = search(model.step, state, memory, lengths)
    assert tuple(best.tokens) == max(every, key=lambda tokens: every[tokens])
    assert best.log_prob == pytest.approx(max(every.values()), abs=1e-4)
    assert best.weights is None


@torch.inference_mode()
def test_an_ensemble_looks_where_those_of_it_look_that_have_attention() -> None:
    models = [model_of("attention=none"), model_of("attention=bahdanau")]
    together = Ensemble([InferenceModel(model) for model in models])
    given, state = together.encode(*sources(), Vocabulary())
    read = words(4, 1).squeeze(1)
    log_probs, _, weights = together.stepper(Vocabulary())(read, state, given)
    alone = [model.step(read, start, memory) for model in models for memory, start in [model.encode(*sources())]]
    assert_close(log_probs.exp(), (alone[0].log_probs.exp() + alone[1].log_probs.exp()) / 2)
    assert_close(weights, alone[1].weights)


def test_there_is_no_alignment_to_ask_for() -> None:
    model = model_of("attention=none")
    assert not model.has_attention
    assert model_of("attention=bahdanau").has_attention
    with pytest.raises(ModelError, match="no attention"):
        model.align(*sources(), words(4, 5))


@pytest.mark.parametrize(
    "override",
    ["attention.heads=2", "attention/scope=local_m", "attention/normalizer=sparsemax", "search.coverage=0.2"],
)
def test_what_would_change_nothing_is_refused(override: str) -> None:
    search = ("search=beam",) if override.startswith("search") else ()
    with pytest.raises(ConfigError, match=override.split("=")[0]):
        build.dry_run(settings("attention=none", *search, override))
