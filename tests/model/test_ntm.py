"""A Neural Turing Machine as a decoder: one position or all, sources in slots or in steps, beams and models."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt import build
from nmt.attention.machine import MachinePast
from nmt.errors import ConfigError
from nmt.model.bridge import BRIDGES
from nmt.model.decoders.decoder import Decoded, join_steps
from nmt.model.decoders.ntm import Ntm, ReadSource
from nmt.model.decoders.recurrent import DecoderState
from nmt.model.encoders.encoder import Encoded
from nmt.model.seq2seq import Seq2Seq
from nmt.search.greedy import Greedy
from nmt.special_tokens import PAD
from nmt.translation.attention_maps import compute_attention_maps
from nmt.translation.decoder_step import Vocabulary
from nmt.translation.stepper import InferenceModel
from nmt.trees import repeat_rows, select_rows
from tests import tiny_runs
from tests.builders import build_attention, draw_normal, draw_parameters, find_missing_gradients, make_mask, make_mix

LENGTHS = [4, 1, 6]
ROWS, TARGET, HIDDEN, SIZE, FREE = len(LENGTHS), 5, 7, 11, 3

FORMS: dict[str, dict[str, Any]] = {
    "slots": {},
    "slots, heads": {"read_heads": 2, "write_heads": 2, "shift": 2, "cell": "gru", "layers": 2, "residual": True},
    "no free slots": {"free_slots": 0},
    "steps": {"source": "steps"},
    "steps, slot size": {"source": "steps", "slot_size": 5, "read_heads": 2, "cell": "layer_norm_lstm"},
    "steps, no words": {"source": "steps", "reads_words": False, "write_heads": 2},
}


def make_ntm(**settings: Any) -> Ntm:
    def make_attention(memory_size: int = SIZE) -> Any:
        return build_attention(make_mix("cosine"), 0, HIDDEN, memory_size)[0]

    decoder = Ntm(
        embedding_size=SIZE,
        memory_size=SIZE,
        make_attention=make_attention,
        bridge=partial(BRIDGES["mean"], memory_size=SIZE, encoder_layers=0, encoder_parts=0),
        readout_dropout=0.0,
        hidden_size=HIDDEN,
        **{"free_slots": FREE, **settings},
    )
    draw_parameters(decoder)
    return decoder.eval()


@pytest.fixture(params=FORMS)
def decoder(request: pytest.FixtureRequest) -> Ntm:
    return make_ntm(**FORMS[request.param])


def encode(extra: int = 0, rows: list[int] | None = None) -> Encoded:
    """Padding holds zeros, as encoders leave it."""
    mask = torch.nn.functional.pad(make_mask(LENGTHS), (0, extra))
    states = torch.nn.functional.pad(draw_normal(ROWS, max(LENGTHS), SIZE, seed=1), (0, 0, 0, extra))
    states = states * mask.unsqueeze(-1)
    chosen = torch.tensor(range(ROWS) if rows is None else rows)
    width = int(mask[chosen].sum(1).max()) + extra
    return Encoded(states[chosen, :width], mask[chosen, :width])


def draw_words(rows: int = ROWS) -> Tensor:
    return draw_normal(rows, TARGET, SIZE, seed=99)


def decode(decoder: Ntm, encoded: Encoded, words: Tensor) -> Decoded:
    memory = decoder.remember(encoded)
    return decoder(words, decoder.start(encoded, memory), memory, keep_weights=True)


def step(decoder: Ntm, words: Tensor, state: DecoderState, memory: Any) -> Decoded:
    steps = []
    for t in range(words.shape[1]):
        steps.append(decoder(words[:, t : t + 1], state, memory, keep_weights=True))
        state = steps[-1].state
    return Decoded(torch.cat([s.readout for s in steps], 1), state, join_steps([s.attended for s in steps], True))


def test_one_position_at_a_time_equals_all_at_once(decoder: Ntm) -> None:
    encoded = encode()
    memory = decoder.remember(encoded)
    found = step(decoder, draw_words(), decoder.start(encoded, memory), memory)
    assert_close(found, decode(decoder, encoded, draw_words()))


def test_padding_of_the_source_is_invisible(decoder: Ntm) -> None:
    found, wanted = decode(decoder, encode(2), draw_words()), decode(decoder, encode(), draw_words())
    assert_close(found.readout, wanted.readout)
    assert_close(found.weights, torch.nn.functional.pad(wanted.weights, (0, 2)))


def test_rows_are_independent(decoder: Ntm) -> None:
    together = decode(decoder, encode(), draw_words())
    for row, length in enumerate(LENGTHS):
        alone = decode(decoder, encode(rows=[row]), draw_words()[row : row + 1])
        assert_close(alone.readout[0], together.readout[row])
        assert_close(alone.weights[0], together.weights[row, :, :length])


def test_a_beam_shares_its_source_and_writes_to_memories_of_its_own(decoder: Ntm) -> None:
    beam, encoded = 3, encode()
    memory, words = decoder.remember(encoded), draw_words(ROWS * 3)
    state = repeat_rows(decoder.start(encoded, memory), beam)
    shared = decoder(words, state, memory, keep_weights=True)
    assert_close(shared, decoder(words, state, repeat_rows(memory, beam), keep_weights=True))
    order = torch.tensor([2, 2, 0, 4, 3, 3, 8, 7, 6])
    again = decoder(words[:, :1], select_rows(shared.state, order), memory)
    alone = decoder(words[:, :1], select_rows(shared.state, order), repeat_rows(memory, beam))
    assert_close(again.readout, alone.readout)


def test_weights_are_kept_on_demand_and_sum_to_one_at_most(decoder: Ntm) -> None:
    encoded = encode()
    memory = decoder.remember(encoded)
    kept = decode(decoder, encoded, draw_words())
    assert kept.weights is not None
    assert (kept.weights.sum(-1) <= 1 + 1e-5).all()
    assert (kept.weights >= 0).all()
    assert not kept.weights.masked_select(~encoded.mask.unsqueeze(1)).any()
    without = decoder(draw_words(), decoder.start(encoded, memory), memory)
    assert without.weights is None
    assert torch.equal(without.readout, kept.readout)


def test_every_parameter_gets_a_gradient(decoder: Ntm) -> None:
    decode(decoder.train(), encode(), draw_words()).readout.square().sum().backward()
    assert find_missing_gradients(decoder) == []


def test_what_follows_depends_on_what_was_written() -> None:
    decoder, encoded = make_ntm(), encode()
    memory = decoder.remember(encoded)
    state = decode(decoder, encoded, draw_words()).state
    past = MachinePast(*state.past)
    forgotten = state._replace(past=past._replace(added=torch.zeros_like(past.added), kept=torch.ones_like(past.kept)))
    words = draw_words()[:, :1]
    assert not torch.allclose(decoder(words, state, memory).readout, decoder(words, forgotten, memory).readout)


def test_reading_in_steps_is_the_controller_over_the_source() -> None:
    """The state after a source is that after the same vectors as words, which are read by the same weights."""
    decoder, encoded = make_ntm(source="steps"), encode(rows=[0])
    memory = decoder.remember(encoded)
    assert isinstance(memory, ReadSource)
    start = decoder.make_state(encoded, decoder.attention.begin(decoder.attention.make_free_slots(1)))
    after = decoder(encoded.states, start, memory).state
    assert_close(after._replace(position=memory.state.position), memory.state)


def test_without_words_only_the_first_is_read() -> None:
    decoder, encoded = make_ntm(source="steps", reads_words=False), encode()
    words = draw_words()
    changed = torch.cat([words[:, :1], words[:, 1:] + 1], 1)
    assert torch.equal(decode(decoder, encoded, words).readout, decode(decoder, encoded, changed).readout)
    assert not torch.allclose(decode(decoder, encoded, words).readout, decode(decoder, encoded, words + 1).readout)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"read_heads": 0}, "read_heads"),
        ({"write_heads": 0}, "write_heads"),
        ({"shift": -1}, "shift"),
        ({"shift": 100_000}, "shift"),
        ({"read_heads": 10**6}, "read_heads"),
        ({"free_slots": -1}, "free_slots"),
        ({"slot_size": 5}, "slot_size"),
        ({"slot_size": 0, "source": "steps"}, "slot_size"),
        ({"free_slots": 0, "source": "steps"}, "free_slots"),
    ],
)
def test_numbers_out_of_range_are_named(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=f"model.decoder.{word}"):
        make_ntm(**settings)


# Whole models ---------------------------------------------------------------------------------------------------------

MODELS = {
    "slots": ("model/decoder=ntm", "attention=cosine", "model.decoder.free_slots=3"),
    "general": ("model/decoder=ntm", "attention=luong_general", "model.decoder.read_heads=2"),
    "steps": (
        *("model/decoder=ntm", "attention=cosine", "model.decoder.source=steps", "model.decoder.free_slots=8"),
        *("model/encoder=embedding", "model/bridge=mean"),
    ),
}


def build_model(*overrides: str) -> Seq2Seq:
    torch.manual_seed(0)
    sizes = ("model.embedding_size=8", "model.decoder.hidden_size=12")
    settings = tiny_runs.compose_config(*sizes, *overrides)
    return build.build_model(settings, source_vocab=23, target_vocab=23, joint=True).eval()


def draw_source() -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([7, 4])
    tokens = torch.randint(4, 23, (2, 7), generator=torch.Generator().manual_seed(1))
    return tokens.where(torch.arange(7) < lengths[:, None], PAD), lengths


@pytest.mark.parametrize("name", MODELS)
def test_a_search_gives_what_forced_decoding_of_its_output_gives(name: str) -> None:
    model = build_model(*MODELS[name])
    source, lengths = draw_source()
    inference = InferenceModel(model)
    with torch.inference_mode():
        inputs, state = inference.encode(source, lengths, Vocabulary())
        found = Greedy(max_ratio=1.0, max_extra=0)(inference.stepper(Vocabulary()), state, inputs, lengths)
        for row, (best, *_) in enumerate(found):
            read = torch.tensor([[2, *best.tokens]])
            size = int(lengths[row])
            wanted = model.align(source[row : row + 1, :size], lengths[row : row + 1], read)[0]
            assert best.weights is not None
            assert_close(torch.from_numpy(best.weights)[:, :size], wanted[: len(best.weights)], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_the_maps_show_where_each_step_read_and_wrote(name: str) -> None:
    model = build_model(*MODELS[name])
    source, target = [5, 6, 7], [8, 9]
    maps = compute_attention_maps(model, source, target)
    free = model.decoder.attention.free_slots
    steps, slots = (len(target) + 1, free + len(source) + 1) if name != "steps" else (4 + 3, free)
    heads = model.decoder.attention.read_heads
    assert maps.read.shape == (1, heads, steps, slots)
    assert maps.written.shape == (1, 1, steps, slots)
    assert maps.source.shape == (1, heads, len(target) + 1, len(source) + 1)
    assert_close(torch.from_numpy(maps.read.sum(-1)), torch.ones(1, heads, steps))
    if name != "steps":
        assert (maps.read[..., free:] == maps.source).all()


def test_attention_none_is_refused() -> None:
    settings = tiny_runs.compose_config("model/decoder=ntm", "attention=none")
    with pytest.raises(ConfigError, match="attention=cosine"):
        build.build_on_meta(settings, source_vocab=9, target_vocab=9, joint=True)
