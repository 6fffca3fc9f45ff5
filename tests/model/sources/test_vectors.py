"""The frontend of vectors: a linear map, a learnt end, and padding that changes nothing."""

import torch

from nmt.model.sources.vectors import Vectors
from tests.builders import draw_normal, draw_parameters, find_missing_gradients

FEATURES, EMBEDDING = 3, 5
LENGTHS = torch.tensor([7, 2, 1])


def build(dropout: float = 0.0, word_dropout: float = 0.0) -> Vectors:
    made = Vectors(features=FEATURES, embedding_size=EMBEDDING, dropout=dropout, word_dropout=word_dropout)
    draw_parameters(made)
    return made


def test_positions_are_mapped_and_the_end_is_learnt() -> None:
    frontend, source = build().eval(), draw_normal(3, 7, FEATURES)
    read = frontend(source, LENGTHS)
    weight, bias = frontend.linear.weight, frontend.linear.bias
    for row, length in enumerate(LENGTHS.tolist()):
        for place in range(length - 1):
            torch.testing.assert_close(read.embedded[row, place], weight @ source[row, place] + bias)
        torch.testing.assert_close(read.embedded[row, length - 1], frontend.end)
        assert read.mask[row].tolist() == [place < length for place in range(7)]
    read.embedded[read.mask].square().sum().backward()
    assert not find_missing_gradients(frontend)


def test_what_stands_at_the_end_and_on_padding_is_not_read() -> None:
    frontend, source = build().eval(), draw_normal(3, 7, FEATURES)
    other = source.clone()
    for row, length in enumerate(LENGTHS.tolist()):
        other[row, length - 1 :] = 1e4
    mask = frontend(source, LENGTHS).mask
    torch.testing.assert_close(frontend(source, LENGTHS).embedded[mask], frontend(other, LENGTHS).embedded[mask])


def test_dropout_is_of_features_and_of_positions() -> None:
    source, lengths = draw_normal(50, 41, FEATURES), torch.full((50,), 41)
    whole = build().eval()(source, lengths).embedded
    features = build(dropout=0.5).train()(source, lengths).embedded
    is_zero = features == 0
    assert 0.45 < is_zero.float().mean() < 0.55
    torch.testing.assert_close(features[~is_zero], 2 * whole[~is_zero])
    positions = build(word_dropout=0.5).train()(source, lengths).embedded
    dropped = (positions == 0).all(-1)
    assert 0.45 < dropped.float().mean() < 0.55
    torch.testing.assert_close(positions[~dropped], 2 * whole[~dropped])
    torch.testing.assert_close(build(dropout=0.5, word_dropout=0.5).eval()(source, lengths).embedded, whole)
