"""What tells a Transformer where a word stands."""

import math
from functools import partial

import torch
from torch.testing import assert_close

from nmt.attention.scope import Alibi, Global
from nmt.attention.score import ScaledDot
from nmt.attention.self_attention import SelfAttentionParts
from nmt.model.encoders.transformer import TransformerEncoder
from nmt.model.positions import LearnedPositions, NoPositions, compute_sinusoids
from tests.builders import (
    EMBEDDING_SIZE,
    draw_normal,
    draw_parameters,
    make_mask,
    make_positions,
)

SIZE = 8


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
    sizes = {"embedding_size": EMBEDDING_SIZE, "hidden_size": SIZE, "layers": 2, "feed_forward_size": 20}
    order, embedded = torch.tensor([3, 0, 4, 1, 2]), draw_normal(1, 5, EMBEDDING_SIZE)
    for scope, has_order in ((Global, False), (Alibi, True)):
        parts = SelfAttentionParts(heads=2, score=partial(ScaledDot, hidden_size=SIZE), scope=scope)
        encoder = TransformerEncoder(**sizes, self_attention=parts, positions=NoPositions)
        draw_parameters(encoder)
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
        wanted = sum(math.cos(distance / 10_000 ** (2 * i / 16)) for i in range(8))
        assert_close(products.diagonal(distance), torch.full((40 - distance,), wanted))
    assert compute_sinusoids(torch.arange(3).unsqueeze(0), 5).shape == (1, 3, 5)
