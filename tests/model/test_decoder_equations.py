"""Each decoder against its paper's equations, one sentence and one position at a time."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nmt.attention.attention import Attention
from nmt.attention.memory import Memory
from nmt.attention.score import General
from nmt.model.cells import GRU, LSTM, Carry, Cell
from nmt.model.decoders.bahdanau import Bahdanau
from nmt.model.decoders.conditional import Conditional
from nmt.model.decoders.decoder import Decoder
from nmt.model.decoders.luong import Luong
from nmt.model.decoders.recurrent import DecoderState
from nmt.model.decoders.table import DECODERS
from nmt.model.encoders.encoder import Encoded
from tests.builders import (
    DECODER_FORMS,
    EMBEDDING_SIZE,
    MEMORY_SIZE,
    QUERY_SIZE,
    RECURRENT_DECODERS,
    Plan,
    build_attention,
    draw_normal,
    make_mask,
    make_mix,
    make_zero_bridge,
)

SOURCE, TARGET = 4, 5
EMBEDDED, STATES = draw_normal(TARGET, EMBEDDING_SIZE, seed=1), draw_normal(SOURCE, MEMORY_SIZE, seed=2)


def transition(cell: Cell, x: Tensor, carry: Carry) -> Carry:
    """LSTM or GRU of one vector, gate by gate. x: what the input adds to the gates."""
    if isinstance(cell, LSTM):
        h, c = carry
        i, f, g, o = (x + cell.weight_hidden @ h).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
    assert isinstance(cell, GRU)
    (h,) = carry
    (r, z, n), (u_r, u_z, u_n) = x.chunk(3), (cell.weight_hidden @ h + cell.bias_hidden).chunk(3)
    update = torch.sigmoid(z + u_z)
    return ((1 - update) * torch.tanh(n + torch.sigmoid(r + u_r) * u_n) + update * h,)


def attend(attention: Attention, query: Tensor) -> tuple[Tensor, Tensor]:
    """softmax(q . W k) over the source, and the states' average under it."""
    assert isinstance(attention.score, General)
    scores = [float(query @ (attention.score.key.weight @ key)) for key in STATES]
    total = sum(math.exp(score) for score in scores)
    weights = torch.tensor([math.exp(score) / total for score in scores])
    return sum(weight * state for weight, state in zip(weights, STATES, strict=True)), weights


def affine(linear: nn.Linear, *parts: Tensor) -> Tensor:
    """W [a; b; ...] + bias, block by block."""
    blocks = linear.weight.split([len(part) for part in parts], 1)
    product = sum(block @ part for block, part in zip(blocks, parts, strict=True))
    return product if linear.bias is None else product + linear.bias


def luong(decoder: Luong, carry: Carry) -> list[tuple[Tensor, Tensor]]:
    cell, fed, steps = decoder.stack.get_cell(0), torch.zeros(QUERY_SIZE), []
    for word in EMBEDDED:
        x = cell.weight_input @ word + cell.bias
        if decoder.feed is not None:
            x = x + decoder.feed.weight @ fed
        carry = transition(cell, x, carry)
        context, weights = attend(decoder.attention, carry[0])
        fed = torch.tanh(affine(decoder.attentional, context, carry[0]))
        steps.append((fed, weights))
    return steps


def bahdanau(decoder: Bahdanau, carry: Carry) -> list[tuple[Tensor, Tensor]]:
    cell, steps = decoder.stack.get_cell(0), []
    for word in EMBEDDED:
        context, weights = attend(decoder.attention, carry[0])
        if decoder.gate is not None:
            context = context / (1 + math.exp(-float(affine(decoder.gate, carry[0]))))
        x = torch.cat([cell.weight_input, decoder.feed.weight], 1) @ torch.cat([word, context]) + cell.bias
        carry = transition(cell, x, carry)
        deep = affine(decoder.deep, carry[0], word, context)
        steps.append((torch.stack([max(deep[2 * i], deep[2 * i + 1]) for i in range(EMBEDDING_SIZE)]), weights))
    return steps


def conditional(decoder: Conditional, carry: Carry) -> list[tuple[Tensor, Tensor]]:
    second, steps = decoder.stack.get_cell(0), []
    for word in EMBEDDED:
        middle = transition(decoder.first, decoder.first.weight_input @ word + decoder.first.bias, carry)
        context, weights = attend(decoder.attention, middle[0])
        carry = transition(second, second.weight_input @ context + second.bias, middle)
        steps.append((torch.tanh(affine(decoder.deep, carry[0], word, context)), weights))
    return steps


EQUATIONS = {"luong": luong, "bahdanau": bahdanau, "conditional": conditional}


def decoder_of(plan: Plan) -> Decoder:
    attention, hidden_size = build_attention(make_mix("general"))
    return DECODERS[plan.decoder](
        embedding_size=EMBEDDING_SIZE,
        memory_size=MEMORY_SIZE,
        make_attention=lambda: attention,
        bridge=make_zero_bridge,
        readout_dropout=0.0,
        cell=plan.cell,
        hidden_size=hidden_size,
        **dict(plan.settings),
    )


def start_of(decoder: Decoder, carries: tuple[Carry, ...], memory: Memory) -> DecoderState:
    """The state before the first position, with carries of one sentence."""
    state = decoder.start(Encoded(STATES.unsqueeze(0), make_mask([SOURCE])), memory)
    return state._replace(carries=tuple(tuple(part.unsqueeze(0) for part in carry) for carry in carries))


def test_every_decoder_has_its_equations() -> None:
    assert EQUATIONS.keys() == set(RECURRENT_DECODERS)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize(("name", "settings"), DECODER_FORMS, ids=str)
def test_a_decoder_is_its_equations(name: str, settings: tuple, cell: str) -> None:
    decoder = decoder_of(Plan(name, cell, settings))
    for number, parameter in enumerate(decoder.parameters()):
        parameter.data = draw_normal(*parameter.shape, seed=number, scale=0.5)
    carry = tuple(draw_normal(QUERY_SIZE, seed=60 + part) for part in range(decoder.state_tensors))
    with torch.no_grad():
        steps = EQUATIONS[name](decoder, carry)
        memory = decoder.attention.remember(STATES.unsqueeze(0), make_mask([SOURCE]))
        start = start_of(decoder, (carry,), memory)
        found = decoder(EMBEDDED.unsqueeze(0), start, memory, keep_weights=True)
    assert_close(found.readout[0], torch.stack([readout for readout, _ in steps]))
    assert_close(found.weights[0], torch.stack([weights for _, weights in steps]))


def test_bahdanau_asks_the_top_layer_and_upper_layers_follow() -> None:
    """With two layers the query is the upper one's last state, and the readout reads that layer's new one."""
    decoder = decoder_of(Plan("bahdanau", "gru", (("layers", 2),)))
    carries = tuple((draw_normal(QUERY_SIZE, seed=70 + layer),) for layer in range(2))
    lower, upper = decoder.stack.get_cell(0), decoder.stack.get_cell(1)
    with torch.no_grad():
        context, _ = attend(decoder.attention, carries[1][0])
        x = lower.weight_input @ EMBEDDED[0] + decoder.feed.weight @ context + lower.bias
        (below,) = transition(lower, x, carries[0])
        (above,) = transition(upper, upper.weight_input @ below + upper.bias, carries[1])
        deep = affine(decoder.deep, above, EMBEDDED[0], context).view(-1, 2).max(1).values
        memory = decoder.attention.remember(STATES.unsqueeze(0), make_mask([SOURCE]))
        start = start_of(decoder, carries, memory)
        found = decoder(EMBEDDED[None, :1], start, memory)
    assert_close(found.readout[0, 0], deep)
