"""Pointing: the mass of weights in a box, counted pixel by pixel."""

import numpy as np
import pytest

from nmt.data.pictures.boxes import Box
from nmt.data.pictures.source_picture import SourcePicture
from nmt.evaluation.forced import ForcedPair
from nmt.evaluation.pointing import compute_pointing, measure_words

SIDE, CELL = 3, 4
REGIONS = [Box(x, y, x + CELL, y + CELL) for y in range(0, 12, CELL) for x in range(0, 12, CELL)]
PICTURE = SourcePicture(np.zeros((12, 12, 3), dtype=np.uint8), REGIONS)
BOXES = {0: Box(1, 0, 7, 5), 2: Box(4, 4, 8, 8)}


def draw_weights(words: int, *, mass: float = 1.0) -> np.ndarray:
    drawn = np.random.default_rng(words).random((words, len(REGIONS)))
    return mass * drawn / drawn.sum(-1, keepdims=True)


def test_mass_is_that_of_the_pixels_in_the_box() -> None:
    weights = draw_weights(3, mass=0.8)
    found = measure_words(weights, PICTURE, BOXES)
    for (word, box), (mass, uniform) in zip(BOXES.items(), found, strict=True):
        spread = np.repeat(np.repeat(weights[word].reshape(SIDE, SIDE), CELL, 0), CELL, 1) / CELL**2
        assert mass == pytest.approx(spread[box.top : box.bottom, box.left : box.right].sum())
        assert uniform == pytest.approx((box.right - box.left) * (box.bottom - box.top) / 144)


def test_all_words_of_all_pairs_count_alike() -> None:
    one, other = draw_weights(3), draw_weights(5)
    found = compute_pointing([one, other], [PICTURE, PICTURE], [BOXES, {4: BOXES[0]}])
    each = [*measure_words(one, PICTURE, BOXES), *measure_words(other, PICTURE, {4: BOXES[0]})]
    assert found is not None
    assert (found.mass, found.uniform) == pytest.approx(tuple(np.mean(each, axis=0)))
    assert found.words == 3


def test_equal_weights_are_the_uniform_share() -> None:
    found = compute_pointing([np.full((3, 9), 1 / 9)], [PICTURE], [BOXES])
    assert found is not None
    assert found.mass == pytest.approx(found.uniform)


def test_what_says_nothing_is_left_out() -> None:
    weights = draw_weights(2)
    weights[0] = 0.0
    assert measure_words(weights, PICTURE, BOXES) == []
    assert compute_pointing([weights], [PICTURE], [{}]) is None


def test_a_cell_that_is_erased_becomes_black_where_it_is() -> None:
    cells = np.random.default_rng(4).random((4, 2, 2, 3), dtype=np.float32)
    pair = ForcedPair(cells, [5], range(4), [0], is_grid=True)
    found = pair.erase({2})
    assert isinstance(found, np.ndarray)
    for place, each in enumerate(found):
        np.testing.assert_array_equal(each, cells[place] if place in (0, 1, 3) else np.zeros((2, 2, 3)))
    np.testing.assert_array_equal(pair.keep_only({2})[[0, 1, 3]], np.zeros((3, 2, 2, 3)))
