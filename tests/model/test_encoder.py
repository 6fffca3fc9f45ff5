"""The encoder: nothing leaks from padding or from other rows, and torch's own packed networks agree with it."""

import inspect

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.testing import assert_close

from nmt.errors import ConfigError
from nmt.model.cells import CELLS, GRU, Cell
from nmt.model.encoders.encoder import Encoded
from nmt.model.encoders.recurrent import RecurrentEncoder, compute_reversed_order, reorder
from nmt.model.encoders.table import ENCODERS
from tests.builders import draw_normal, find_missing_gradients, make_mask, take_row

EMBEDDING, HIDDEN = 5, 7
LENGTHS = [3, 6, 1]
FORMS = [
    {"cell": cell, "layers": layers, "bidirectional": bidirectional, "residual": residual}
    for cell in CELLS
    for layers, bidirectional, residual in [(1, True, False), (1, False, False), (2, True, True), (3, False, False)]
]


def name_of(form: dict[str, object]) -> str:
    return "-".join(f"{name}={value}" for name, value in form.items())


def encoder_of(form: dict[str, object], dropout: float = 0.0) -> RecurrentEncoder:
    torch.manual_seed(0)
    return RecurrentEncoder(embedding_size=EMBEDDING, hidden_size=HIDDEN, dropout=dropout, **form).eval()


@pytest.fixture(params=FORMS, ids=name_of)
def encoder(request: pytest.FixtureRequest) -> RecurrentEncoder:
    return encoder_of(request.param, dropout=0.5)


def encode(encoder: RecurrentEncoder, lengths: list[int], filler: float = 0.0, extra: int = 0) -> Encoded:
    mask = make_mask(lengths)
    embedded = draw_normal(*mask.shape, EMBEDDING, seed=3).masked_fill(~mask.unsqueeze(-1), filler)
    embedded = nn.functional.pad(embedded, (0, 0, 0, extra), value=filler)
    return encoder(embedded, torch.tensor(lengths), nn.functional.pad(mask, (0, extra), value=False))


@given(lengths=st.lists(st.integers(1, 8), min_size=1, max_size=5), extra=st.integers(0, 3))
def test_flipping_turns_each_row_around_and_is_its_own_inverse(lengths: list[int], extra: int) -> None:
    states = draw_normal(len(lengths), max(lengths) + extra, 3)
    order = compute_reversed_order(torch.tensor(lengths), states.shape[1])
    turned = reorder(states, order)
    assert torch.equal(reorder(turned, order), states)
    for row, length in enumerate(lengths):
        assert torch.equal(turned[row, :length], states[row, :length].flip(0))
        assert torch.equal(turned[row, length:], states[row, length:])


def test_padding_is_invisible(encoder: RecurrentEncoder) -> None:
    plain, padded = encode(encoder, LENGTHS), encode(encoder, LENGTHS, filler=100.0, extra=2)
    assert_close(padded.states[:, : max(LENGTHS)], plain.states)
    assert_close(padded.final, plain.final)
    assert not padded.states[:, max(LENGTHS) :].any()
    assert not plain.states[~make_mask(LENGTHS)].any()


def test_rows_are_independent(encoder: RecurrentEncoder) -> None:
    together = encode(encoder, LENGTHS)
    embedded = draw_normal(len(LENGTHS), max(LENGTHS), EMBEDDING, seed=3)
    for row, length in enumerate(LENGTHS):
        single = encoder(take_row(embedded, row, length), torch.tensor([length]), make_mask([length]))
        assert_close(single.states, take_row(together.states, row, length))
        assert_close(single.final, tuple(tuple(p[row : row + 1] for p in carry) for carry in together.final))


def test_every_parameter_gets_a_gradient(encoder: RecurrentEncoder) -> None:
    states = encode(encoder, LENGTHS).states
    (states * draw_normal(*states.shape, seed=4)).sum().backward()
    assert find_missing_gradients(encoder) == []


def test_sizes_are_those_that_were_promised(encoder: RecurrentEncoder) -> None:
    encoded = encode(encoder, LENGTHS)
    assert encoded.states.shape == (len(LENGTHS), max(LENGTHS), encoder.memory_size)
    assert len(encoded.final) == len(encoder.layers)
    assert {part.shape for carry in encoded.final for part in carry} == {(len(LENGTHS), encoder.memory_size)}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_the_encoder_is_torch_on_packed_sequences(name: str, layers: int, bidirectional: bool) -> None:
    encoder = encoder_of({"cell": name, "layers": layers, "bidirectional": bidirectional})
    network = {"lstm": nn.LSTM, "gru": nn.GRU}[name](
        EMBEDDING, HIDDEN, num_layers=layers, bidirectional=bidirectional, batch_first=True
    )
    for number, layer in enumerate(encoder.layers):
        for cell, suffix in zip(layer, ("", "_reverse"), strict=False):
            assert isinstance(cell, Cell)
            cell.bias.data = draw_normal(*cell.bias.shape, seed=number)
            hidden = cell.bias_hidden.data if isinstance(cell, GRU) else torch.zeros_like(cell.bias)
            for key, value in [
                ("weight_ih", cell.weight_input.data),
                ("weight_hh", cell.weight_hidden.data),
                ("bias_ih", cell.bias.data),
                ("bias_hh", hidden),
            ]:
                getattr(network, f"{key}_l{number}{suffix}").data = value
    embedded = draw_normal(len(LENGTHS), max(LENGTHS), EMBEDDING, seed=3)
    packed = pack_padded_sequence(embedded, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    wanted, ended = network(packed)
    encoded = encode(encoder, LENGTHS)
    assert_close(encoded.states, pad_packed_sequence(wanted, batch_first=True)[0])
    for part, last in enumerate(ended if name == "lstm" else (ended,)):
        for number, side_by_side in enumerate(last.unflatten(0, (layers, -1))):
            assert_close(encoded.final[number][part], torch.cat(list(side_by_side), -1))


def test_a_residual_encoder_adds_what_each_layer_reads() -> None:
    one = encoder_of({"cell": "gru", "layers": 1})
    two = encoder_of({"cell": "gru", "layers": 2, "residual": True})
    plain = encoder_of({"cell": "gru", "layers": 2, "residual": False})
    plain.load_state_dict(two.state_dict())
    one.layers[0].load_state_dict(two.layers[0].state_dict())
    below = encode(one, LENGTHS).states
    assert_close(encode(two, LENGTHS).states, below + encode(plain, LENGTHS).states)


def test_dropout_is_between_layers_and_only_in_training() -> None:
    one, two = (encoder_of({"cell": "gru", "layers": layers}, dropout=0.9) for layers in (1, 2))
    for encoder in (one, two):
        assert_close(encode(encoder, LENGTHS).states, encode(encoder, LENGTHS).states)
        encoder.train()
    assert torch.equal(encode(one, LENGTHS).states, encode(one, LENGTHS).states)
    assert not torch.equal(encode(two, LENGTHS).states, encode(two, LENGTHS).states)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": 0}, r"model\.encoder\.layers must be at least 1; got 0"),
        ({"hidden_size": 0}, "hidden_size .* at least 1; got 0"),
        ({"dropout": 1.5}, r"model\.encoder\.dropout must be at least 0 and below 1; got 1\.5"),
    ],
)
def test_impossible_settings_are_refused(name: str, settings: dict[str, float], message: str) -> None:
    if not settings.keys() <= inspect.signature(ENCODERS[name]).parameters.keys():
        pytest.skip(f"{name} has no such setting")
    with pytest.raises(ConfigError, match=message):
        ENCODERS[name](embedding_size=EMBEDDING, **settings)
