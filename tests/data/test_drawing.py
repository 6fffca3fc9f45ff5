"""Sentences that are drawn: slices are columns of the picture, and what cannot be drawn is said."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers
from PIL import Image, ImageDraw, ImageFont

from nmt.data.pictures.drawing import TextDrawer, cut_tiles
from nmt.data.sources.rendered import RenderedReader
from nmt.errors import ConfigError, DataError

LINE = "Zwei Männer, jung."


def test_a_picture_is_what_pillow_draws() -> None:
    drawer = TextDrawer(height=13)
    font = ImageFont.truetype(str(drawer.path), 10, layout_engine=ImageFont.Layout.BASIC)
    assert sum(font.getmetrics()) == 13
    paper = Image.new("L", (math.ceil(font.getlength(LINE)), 13), "white")
    ImageDraw.Draw(paper).text((0, 0), LINE, fill="black", font=font)
    ink = drawer.draw(f"  {LINE.replace(' ', '   ')}")
    np.testing.assert_allclose(ink, (255 - np.asarray(paper, dtype=float)) / 255, atol=1e-6)
    assert ink.max() == 1.0
    assert ink.min() == 0.0


@given(width=integers(0, 60), stride=integers(1, 20))
def test_tiles_are_columns_of_the_picture(width: int, stride: int) -> None:
    picture = np.random.default_rng(width).random((3, width), dtype=np.float32)
    tiles = cut_tiles(picture, stride)
    assert len(tiles) == max(1, math.ceil(width / stride))
    for number, each in enumerate(tiles):
        for column in range(stride):
            place = number * stride + column
            np.testing.assert_array_equal(each[:, column], picture[:, place] if place < width else np.zeros(3))


def test_letters_with_marks_are_drawn_as_one_character() -> None:
    drawer = TextDrawer()
    np.testing.assert_array_equal(drawer.draw("Ma\u0308nner"), drawer.draw("Männer"))


def test_a_larger_height_is_a_larger_font() -> None:
    small, large = (TextDrawer(height=height).draw(LINE) for height in (13, 26))
    assert (small.shape[0], large.shape[0]) == (13, 26)
    assert large.shape[1] > 1.8 * small.shape[1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a 漢 b", r"no glyph for '漢' \(U\+6F22 CJK .*model\.source\.font=FILE"),
        ("שלום", r"'ש' \(U\+05E9 HEBREW .* right to left"),
        ("नमस्ते", r"^\(U\+094D DEVANAGARI SIGN VIRAMA\) changes the shape"),
        ("a\u200db", r"\(U\+200D ZERO WIDTH JOINER\) changes the shape"),
        ("x\x1b[31m", r"no glyph for \(U\+001B"),
    ],
)
def test_what_cannot_be_drawn_is_named(line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        TextDrawer().draw(line)


def test_marks_without_a_composed_letter_are_refused() -> None:
    with pytest.raises(DataError, match="changes the shape of its neighbours"):
        TextDrawer().draw("q\u0308")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"height": 3}, r"model\.source\.height must be from 6"),
        ({"stride": 0}, r"model\.source\.stride must be from 1 to 1000 pixels; got 0"),
        ({"font": "/none/such.ttf"}, r"There is no file /none/such\.ttf"),
        ({"font": __file__}, r"is no font that can be read"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RenderedReader(**settings)  # type: ignore[arg-type]


def test_the_reader_gives_tiles_and_says_what_begins_in_each() -> None:
    reader = RenderedReader()
    (item, empty) = reader.encode([LINE, " "])
    assert item.shape[1:] == reader.feature_shape == (13, 10)
    assert len(empty) == 0
    words = reader.split_words(LINE)
    assert len(words) == len(item)
    assert "".join(words) == LINE
    assert reader.split_words("") == []


def test_the_strip_is_the_drawn_sentence() -> None:
    reader = RenderedReader(stride=4)
    shown, (item,) = reader.show(LINE), reader.encode([LINE])
    for region, each in zip(shown.regions, item, strict=True):
        part = 1 - shown.pixels[region.top : region.bottom, region.left : region.right, 0] / 255
        np.testing.assert_allclose(part, each, atol=1e-6)
    assert [region.left for region in shown.regions[1:]] == [region.right for region in shown.regions[:-1]]
    assert shown.regions[-1].right == shown.pixels.shape[1]
