"""Attention to pictures: regions are as bright as their weights, and records keep all that is drawn."""

import json

import numpy as np
import pytest

from nmt.data.pictures.boxes import Box
from nmt.data.pictures.records import make_picture_record, read_picture_record
from nmt.data.pictures.source_picture import SourcePicture
from nmt.report.formats import encode
from nmt.report.heatmap import draw_heatmap
from nmt.report.picture_maps import COLUMNS, DARKEST, draw_picture_maps, light_up

PIXELS = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)
GRID = SourcePicture(PIXELS, [Box(x, y, x + 2, y + 2) for y in (0, 2) for x in (0, 2, 4)], 0.5, 1, 2)
STRIP = SourcePicture(PIXELS, [Box(0, 0, 2, 4), Box(2, 0, 4, 4), Box(4, 0, 6, 4)])
WEIGHTS = np.array([[0.1, 0.4, 0.0, 0.2, 0.2, 0.1], [0.0] * 6])


def test_a_record_is_json_and_keeps_all() -> None:
    found = read_picture_record(json.loads(json.dumps(make_picture_record(GRID, "a.png"))))
    np.testing.assert_array_equal(found.pixels, GRID.pixels)
    assert found[1:] == GRID[1:]


def test_of_a_large_grid_some_pixels_are_kept() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    cells = [Box(x, y, x + 128, y + 128) for y in range(0, 512, 128) for x in range(0, 512, 128)]
    found = read_picture_record(make_picture_record(SourcePicture(pixels, cells, 2.0, 0, 64), "a.png"))
    np.testing.assert_array_equal(found.pixels, pixels[::4, ::4])
    assert found.regions[5] == Box(32, 32, 64, 64)
    assert (found.scale, found.top) == (0.5, 16)


def test_a_region_is_as_bright_as_its_weight() -> None:
    lit = light_up(GRID, WEIGHTS[0])
    for region, weight in zip(GRID.regions, WEIGHTS[0], strict=True):
        part = np.s_[region.top : region.bottom, region.left : region.right]
        expected = PIXELS[part] * (DARKEST + (1 - DARKEST) * weight / 0.4)
        np.testing.assert_allclose(lit[part], expected, atol=0.51)
    np.testing.assert_allclose(light_up(GRID, WEIGHTS[1]), PIXELS * DARKEST, atol=0.51)


def test_slices_are_a_strip_and_cells_are_not() -> None:
    assert STRIP.is_strip
    assert not GRID.is_strip


def test_each_word_has_a_panel_and_its_box() -> None:
    words = ["a", "red", "円"] * 3
    figure = draw_picture_maps(GRID, np.tile(WEIGHTS[0], (9, 1)), words, title="step 3", boxes={1: Box(0, 0, 4, 2)})
    assert len(figure.axes) == 10
    assert [axes.texts[0].get_text() for axes in figure.axes[1:3]] == ["a", "red"]
    assert figure.axes[1].texts[1].get_text() == "largest 0.40"
    (outlined,) = [axes for axes in figure.axes if axes.patches]
    assert outlined is figure.axes[2]
    box = outlined.patches[0]
    assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == (0.5, 1.5, 2.0, 1.0)
    rows = {round(axes.get_position().y0, 3) for axes in figure.axes}
    assert len(rows) == -(-10 // COLUMNS)
    assert encode(figure, "png").startswith(b"\x89PNG")


def test_the_numbers_must_fit() -> None:
    with pytest.raises(ValueError, match=r"2 words and 6 regions.*got shape \(2, 5\)"):
        draw_picture_maps(GRID, WEIGHTS[:, :5], ["a", "b"])


def test_a_strip_stands_over_the_columns_of_a_heatmap() -> None:
    weights = np.array([[0.2, 0.5, 0.2, 0.1]])
    plain = draw_heatmap(weights, ["a", "b", "c", "</s>"], ["x"])
    drawn = draw_heatmap(weights, ["a", "b", "c", "</s>"], ["x"], strip=STRIP)
    heads = drawn.axes[0].images
    assert [image.get_extent()[:2] for image in heads] == [[0, 1], [1, 2], [2, 3]]
    for image, region in zip(heads, STRIP.regions, strict=True):
        np.testing.assert_array_equal(image.get_array(), PIXELS[:, region.left : region.right])
    assert [label.get_text() for label in drawn.axes[0].get_xticklabels()] == ["", "", "", "</s>"]
    assert drawn.axes[0].get_xlim() == plain.axes[0].get_xlim()
    assert drawn.axes[0].get_ylim() == plain.axes[0].get_ylim()
    assert encode(drawn, "png").startswith(b"\x89PNG")
