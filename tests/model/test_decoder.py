"""What every decoder obeys, in every form, with every cell."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nmt.attention.memory import Memory
from nmt.model.decoders.decoder import Decoded, Decoder, join_steps
from nmt.model.decoders.recurrent import DecoderState
from nmt.model.decoders.table import DECODERS
from nmt.model.encoders.encoder import Encoded
from nmt.trees import repeat_rows, select_rows
from tests.builders import (
    DECODER_FORMS,
    EMBEDDING_SIZE,
    MEMORY_SIZE,
    PLANS,
    Mix,
    Plan,
    build_attention,
    draw_normal,
    find_missing_gradients,
    make_mask,
    make_mix,
    make_zero_bridge,
)

LENGTHS = [4, 1, 6]
ROWS, TARGET = len(LENGTHS), 5
ATTENTIONS = [
    make_mix("additive"),
    make_mix("scaled_dot", "local_p", "sparsemax", 2),
    make_mix("location", "local_m", "entmax15", 4),
    Mix("additive", "global", (), "softmax", 2, "coverage"),
    Mix("general", "local_p", (), "monotonic", 1),
]


def decoder_of(plan: Plan, attention: Mix | None = None, dropout: float = 0.0) -> Decoder:
    chosen, hidden_size = build_attention(attention or make_mix())
    return DECODERS[plan.decoder](
        embedding_size=EMBEDDING_SIZE,
        memory_size=MEMORY_SIZE,
        make_attention=lambda: chosen,
        bridge=make_zero_bridge,
        readout_dropout=dropout,
        cell=plan.cell,
        hidden_size=hidden_size,
        **dict(plan.settings),
    ).eval()


@pytest.fixture(params=PLANS, ids=str)
def decoder(request: pytest.FixtureRequest) -> Decoder:
    return decoder_of(request.param)


def states_of() -> Tensor:
    return draw_normal(ROWS, max(LENGTHS), MEMORY_SIZE, seed=1) * make_mask(LENGTHS).unsqueeze(-1)


def memory_of(decoder: Decoder) -> Memory:
    return decoder.attention.remember(states_of(), make_mask(LENGTHS))


def start_of(decoder: Decoder, rows: int = ROWS) -> DecoderState:
    """Random carries; a beam's rows all begin with the past of their sentence."""
    carries = tuple(
        tuple(
            draw_normal(rows, decoder.hidden_size, seed=10 * layer + part + 2) for part in range(decoder.state_tensors)
        )
        for layer in range(len(decoder.stack.cells))
    )
    encoded = Encoded(states_of(), make_mask(LENGTHS))
    sentences = (torch.arange(rows) // (rows // ROWS)).clamp(max=ROWS - 1)
    return select_rows(decoder.start(encoded, memory_of(decoder)), sentences)._replace(carries=carries)


def embedded_of(rows: int = ROWS) -> Tensor:
    return draw_normal(rows, TARGET, EMBEDDING_SIZE, seed=99)


def decode(decoder: Decoder) -> Decoded:
    return decoder(embedded_of(), start_of(decoder), memory_of(decoder), keep_weights=True)


def stepped(decoder: Decoder, embedded: Tensor, state: DecoderState, memory: Memory) -> Decoded:
    steps = []
    for t in range(embedded.shape[1]):
        steps.append(decoder(embedded[:, t : t + 1], state, memory, keep_weights=True))
        state = steps[-1].state
    return Decoded(torch.cat([s.readout for s in steps], 1), state, join_steps([s.attended for s in steps], True))


def test_one_position_at_a_time_equals_all_at_once(decoder: Decoder) -> None:
    assert_close(stepped(decoder, embedded_of(), start_of(decoder), memory_of(decoder)), decode(decoder))


@pytest.mark.parametrize("attention", ATTENTIONS, ids=str)
@pytest.mark.parametrize("form", DECODER_FORMS, ids=str)
def test_one_position_at_a_time_equals_all_at_once_with_any_attention(form: tuple, attention: Mix) -> None:
    decoder = decoder_of(Plan(form[0], "gru", form[1]), attention)
    assert_close(stepped(decoder, embedded_of(), start_of(decoder), memory_of(decoder)), decode(decoder))


def test_reading_in_two_parts_equals_reading_in_one(decoder: Decoder) -> None:
    memory = memory_of(decoder)
    first = decoder(embedded_of()[:, :2], start_of(decoder), memory)
    second = decoder(embedded_of()[:, 2:], first.state, memory)
    whole = decode(decoder)
    assert_close(torch.cat([first.readout, second.readout], 1), whole.readout)
    assert_close(second.state, whole.state)


def test_the_state_counts_positions_and_is_rows_first(decoder: Decoder) -> None:
    state = decode(decoder).state
    assert state.position.tolist() == [TARGET] * ROWS
    kept = select_rows(state, torch.tensor([2, 2]))
    assert kept.position.shape == (2,)
    assert all(torch.equal(part[0], whole[2]) for part, whole in zip(kept.carries[0], state.carries[0], strict=True))


def test_padding_of_the_source_is_invisible(decoder: Decoder) -> None:
    padded = states_of().masked_fill(~make_mask(LENGTHS).unsqueeze(-1), 1e4)
    longer = nn.functional.pad(padded, (0, 0, 0, 2), value=1e4)
    memory = decoder.attention.remember(longer, nn.functional.pad(make_mask(LENGTHS), (0, 2), value=False))
    found, wanted = decoder(embedded_of(), start_of(decoder), memory, keep_weights=True), decode(decoder)
    assert_close(found.readout, wanted.readout)
    assert_close(found.state, wanted.state)
    assert_close(found.weights, nn.functional.pad(wanted.weights, (0, 2)))


def test_rows_are_independent(decoder: Decoder) -> None:
    together = decode(decoder)
    for row, length in enumerate(LENGTHS):
        only = torch.tensor([row])
        memory = decoder.attention.remember(states_of()[only, :length], make_mask([length]))
        single = decoder(embedded_of()[only], select_rows(start_of(decoder), only), memory, keep_weights=True)
        assert_close(single.readout, together.readout[only])
        assert_close(single.state, select_rows(together.state, only))
        assert_close(single.weights, together.weights[only, :, :length])


@pytest.mark.parametrize("attention", [make_mix(), *ATTENTIONS], ids=str)
@pytest.mark.parametrize("form", DECODER_FORMS, ids=str)
def test_a_beam_that_shares_memory_equals_one_with_copies_of_it(form: tuple, attention: Mix) -> None:
    beam = 3
    decoder = decoder_of(Plan(form[0], "lstm", form[1]), attention)
    embedded, state, memory = embedded_of(ROWS * beam), start_of(decoder, ROWS * beam), memory_of(decoder)
    shared = decoder(embedded, state, memory, keep_weights=True)
    assert_close(shared, decoder(embedded, state, repeat_rows(memory, beam), keep_weights=True))
    assert_close(stepped(decoder, embedded, state, memory), shared)


def test_rows_that_share_a_sentence_may_stand_at_different_positions() -> None:
    decoder = decoder_of(Plan("luong", "gru"), make_mix("general", "local_m"))
    query, memory = draw_normal(2 * ROWS, 2, decoder.hidden_size, seed=4), memory_of(decoder)
    positions = torch.arange(4 * ROWS).view(2 * ROWS, 2)
    assert_close(
        decoder.attention(query, memory, positions),
        decoder.attention(query, repeat_rows(memory, 2), positions),
    )


def test_the_beam_of_a_single_sentence_shares_its_memory(decoder: Decoder) -> None:
    memory = select_rows(memory_of(decoder), torch.tensor([2]))
    embedded, state = embedded_of(4), start_of(decoder, 4)
    assert_close(decoder(embedded, state, memory, True), decoder(embedded, state, repeat_rows(memory, 4), True))


@pytest.mark.parametrize("t", range(TARGET))
def test_no_position_sees_a_later_word(decoder: Decoder, t: int) -> None:
    changed = embedded_of()
    changed[:, t] += 1.0
    found, wanted = decoder(changed, start_of(decoder), memory_of(decoder), keep_weights=True), decode(decoder)
    assert torch.equal(found.readout[:, :t], wanted.readout[:, :t])
    assert torch.equal(found.weights[:, :t], wanted.weights[:, :t])
    assert not torch.equal(found.readout[:, t], wanted.readout[:, t])


def test_weights_sum_to_one_over_real_positions_and_are_kept_only_on_demand(decoder: Decoder) -> None:
    decoded = decode(decoder)
    assert_close(decoded.weights.sum(-1), torch.ones(ROWS, TARGET))
    assert not decoded.weights.masked_select(~make_mask(LENGTHS).unsqueeze(1)).any()
    without = decoder(embedded_of(), start_of(decoder), memory_of(decoder))
    assert without.weights is None
    assert_close(without.readout, decoded.readout, rtol=0, atol=0)


def test_weights_are_the_mean_over_heads() -> None:
    decoder = decoder_of(Plan("luong", "gru", (("input_feeding", False),)), make_mix(heads=4))
    outputs, _ = decoder.stack.run(embedded_of(), start_of(decoder).carries)
    positions = torch.arange(TARGET).expand(ROWS, TARGET)
    every_head = decoder.attention(outputs, memory_of(decoder), positions, keep_weights=True).weights
    assert every_head.shape[1] == 4
    assert_close(decode(decoder).weights, every_head.mean(1))


def test_every_parameter_gets_a_gradient(decoder: Decoder) -> None:
    decoder.zero_grad()
    readout = decode(decoder).readout
    assert readout.shape == (ROWS, TARGET, decoder.readout_size)
    (readout * draw_normal(*readout.shape, seed=5)).sum().backward()
    assert find_missing_gradients(decoder) == []


@pytest.mark.parametrize("form", DECODER_FORMS, ids=str)
def test_readout_dropout_is_only_in_training(form: tuple) -> None:
    decoder = decoder_of(Plan(form[0], "gru", form[1]), dropout=0.5)
    plain = decoder_of(Plan(form[0], "gru", form[1]))
    plain.load_state_dict(decoder.state_dict())
    assert_close(decode(decoder), decode(plain), rtol=0, atol=0)
    torch.manual_seed(0)
    dropped = decode(decoder.train()).readout
    assert 0 < (dropped == 0).float().mean() < 1


def test_only_luong_feeds_its_attentional_vector() -> None:
    """What is fed is the readout of the last position, dropout included."""
    fed = decoder_of(Plan("luong", "gru"), dropout=0.5).train()
    decoded = decode(fed)
    assert torch.equal(decoded.state.feed, decoded.readout[:, -1])
    unfed = [Plan(name, "gru", settings) for name, settings in DECODER_FORMS if settings or name != "luong"]
    assert {decode(decoder_of(plan)).state.feed.shape for plan in unfed} == {(ROWS, 0)}
