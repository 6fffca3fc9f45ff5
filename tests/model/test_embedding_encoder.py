"""An encoder that is none: states are embeddings."""

import torch

from nmt.model.encoders.embedding import EmbeddingEncoder
from tests.builders import draw_normal, make_mask

LENGTHS = [4, 1]


def test_states_are_embeddings_and_zero_on_padding() -> None:
    embedded, mask = draw_normal(2, 4, 3, seed=1), make_mask(LENGTHS)
    encoded = EmbeddingEncoder(embedding_size=3)(embedded, torch.tensor(LENGTHS), mask)
    for row, length in enumerate(LENGTHS):
        assert torch.equal(encoded.states[row, :length], embedded[row, :length])
        assert not encoded.states[row, length:].any()
    assert encoded.final == ()


def test_order_is_unknown() -> None:
    embedded, order = draw_normal(1, 4, 3, seed=2), torch.tensor([2, 0, 3, 1])
    encoder, arguments = EmbeddingEncoder(embedding_size=3), (torch.tensor([4]), make_mask([4]))
    moved = encoder(embedded[:, order], *arguments)
    assert torch.equal(moved.states, encoder(embedded, *arguments).states[:, order])
