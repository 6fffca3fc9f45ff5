"""Alignments as pictures: what is drawn, on one scale, for any words."""

import io
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from nmt.evaluation.alignment import Gold
from nmt.report import fonts
from nmt.report.heatmap import INKS, Frame, draw_checkpoint_grid, draw_heatmap, make_colour_map
from nmt.report.html import DARK_INKS

SOURCE, TARGET = ["ein", "rotes", "Haus", ".", "</s>"], ["a", "house", "</s>"]
WEIGHTS = np.random.default_rng(0).dirichlet(np.ones(5), size=3)


def labels(figure: Figure) -> tuple[list[str], list[str]]:
    axes = figure.axes[0]
    return [text.get_text() for text in axes.get_xticklabels()], [text.get_text() for text in axes.get_yticklabels()]


def pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255


def colour_at(figure: Figure, source: float, target: float) -> np.ndarray:
    image = pixels(figure)
    x, y = figure.axes[0].transData.transform((source, target))
    return image[image.shape[0] - 1 - int(y), int(x)]


def lightness(colour: str) -> float:
    """OKLab L   (Ottosson 2020)"""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                      [0.0883024619, 0.2817188376, 0.6299787005]]) @ linear  # fmt: skip
    return float(np.array([0.2104542553, 0.7936177850, -0.0040720468]) @ np.cbrt(cones))


def test_words_stand_beside_their_weights() -> None:
    figure = draw_heatmap(WEIGHTS, SOURCE, TARGET)
    assert labels(figure) == (SOURCE, TARGET)
    for target, source in np.ndindex(WEIGHTS.shape):
        wanted = make_colour_map()(WEIGHTS[target, source])[:3]
        assert colour_at(figure, source + 0.5, target + 0.5) == pytest.approx(wanted, abs=0.01)


def test_zero_is_white() -> None:
    assert colour_at(draw_heatmap(np.zeros((2, 2)), ["a", "b"], ["c", "d"]), 0.5, 0.5) == pytest.approx(np.ones(3))


def test_a_weight_has_the_same_colour_in_every_figure() -> None:
    faint, strong = np.full((2, 2), 0.2), np.array([[0.2, 1.0], [1.0, 0.2]])
    first, second = (draw_heatmap(weights, ["a", "b"], ["c", "d"]) for weights in (faint, strong))
    assert colour_at(first, 0.5, 0.5) == pytest.approx(colour_at(second, 0.5, 0.5))


@pytest.mark.parametrize("scale", [INKS, DARK_INKS[::-1]])
def test_lightness_falls_in_equal_steps(scale: tuple[str, ...]) -> None:
    steps = -np.diff([lightness(colour) for colour in scale])
    assert steps == pytest.approx(np.full(len(steps), steps.mean()), rel=0.04)


def test_cells_are_square_and_everything_is_on_the_figure() -> None:
    for title in (None, "a title that is much longer than the figure below it is wide, so that it takes some lines"):
        figure = draw_heatmap(WEIGHTS, [*SOURCE[:-1], "Donaudampfschifffahrt"], TARGET, title=title)
        box = figure.axes[0].get_window_extent()
        assert box.width / 5 == pytest.approx(box.height / 3)
        ink = figure.get_tightbbox()
        assert min(ink.x0, ink.y0) >= 0.0
        assert np.all(figure.get_size_inches() - ink.max >= 0.0)


def test_the_figure_grows_with_the_sentence_and_its_cells_do_not() -> None:
    small, large = (draw_heatmap(np.eye(size), ["w"] * size, ["w"] * size) for size in (12, 50))
    assert np.all(large.get_size_inches() > small.get_size_inches() + 8)
    cells = [figure.axes[0].get_window_extent().width / size for figure, size in ((small, 12), (large, 50))]
    assert cells[0] == pytest.approx(cells[1])


def test_gold_links_are_outlined_in_their_cells() -> None:
    figure = draw_heatmap(WEIGHTS, SOURCE, TARGET, gold=Gold(frozenset({(0, 0), (2, 1)}), frozenset({(0, 0), (1, 1)})))
    frames = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    drawn = {(int(frame.get_x()), int(frame.get_y())): frame.get_linestyle() for frame in frames}
    assert drawn.keys() == {(0, 0), (1, 1), (2, 1)}
    assert drawn[0, 0] == drawn[2, 1] != drawn[1, 1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sure", "possible"]


def test_a_stair_stands_behind_the_furthest_cell_of_each_row() -> None:
    weights = np.array([[0.5, 0.5, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 0], [0, 0, 0.2, 0.8]])
    figure = draw_heatmap(weights, list("abcd"), list("efgh"), stair=True)
    (line,) = (line for line in figure.axes[0].get_lines() if line.get_gid() == "stair")
    assert line.get_xdata().tolist() == [2, 2, 2, 2, 2, 2, 4, 4]
    assert line.get_ydata().tolist() == [0, 1, 1, 2, 2, 3, 3, 4]
    assert not draw_heatmap(weights, list("abcd"), list("efgh")).axes[0].get_lines()
    draw_heatmap(np.zeros((0, 2)), ["a", "b"], [], stair=True)


@pytest.mark.parametrize(
    "word", ["$x_{", "$\\frac$", "a$b$c", "\\n", "%s", "▁Haus", "日本語", "שלום", "\x07\t\n", "", "🂡"]
)
def test_any_word_is_drawn_as_it_is_and_without_a_warning(word: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw_heatmap(np.eye(2), [word, "</s>"], [word, "</s>"], title=word)
        pixels(figure)
    assert labels(figure)[0][0] == labels(figure)[1][0] == fonts.make_legible(word)
    assert not any(text.get_parse_math() for axes in figure.axes[:1] for text in axes.get_xticklabels())


def test_long_words_end_in_an_ellipsis() -> None:
    assert fonts.make_legible("a" * 22) == "a" * 22
    assert fonts.make_legible("a" * 23) == "a" * 21 + "…"


def test_what_no_font_has_is_a_square() -> None:
    assert fonts.make_legible("a\x00b\ud800\U0010fffd") == "a□b□□"
    assert fonts.choose_families(["plain", "words"]) == [fonts.DEFAULT_FAMILY]


def test_a_script_without_a_font_is_named_once_with_a_package(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fonts, "find_family", lambda character: None if ord(character) > 0x2FF else "DejaVu Sans")
    fonts.warn_undrawable.cache_clear()
    for word in ("漢字", "かな", "한국", "ไทย", "हिन्दी", "ไทย", "plain", "\x07", "\ue000", "🂡"):
        fonts.make_legible(word)
    fonts.warn_undrawable.cache_clear()
    told = [(record.args[0], record.args[2]) for record in caplog.records if isinstance(record.args, tuple)]
    assert told == [
        ("Chinese, Japanese or Korean", "fonts-noto-cjk"),
        ("Thai", "fonts-noto-core"),
        ("Devanagari", "fonts-noto-core"),
    ]


def test_words_and_weights_must_agree() -> None:
    with pytest.raises(ValueError, match=r"3 target words .* 4 source .* \(3, 5\)"):
        draw_heatmap(WEIGHTS, SOURCE[:4], TARGET)


def test_an_empty_translation_is_an_empty_picture() -> None:
    assert labels(draw_heatmap(np.zeros((0, 5)), SOURCE, [])) == (SOURCE, [])


def test_a_film_shows_every_checkpoint_with_its_own_words() -> None:
    frames = [Frame(f"step {step}", WEIGHTS[:rows], TARGET[:rows]) for step, rows in ((10, 1), (20, 2), (30, 3))]
    figure = draw_checkpoint_grid(frames, SOURCE, columns=2, title="$film$")
    panels = figure.axes[:3]
    assert [panel.get_xlabel() for panel in panels] == ["step 10", "step 20", "step 30"]
    assert [[text.get_text() for text in panel.get_yticklabels()] for panel in panels] == [
        TARGET[:1],
        TARGET[:2],
        TARGET,
    ]
    boxes = [panel.get_window_extent() for panel in panels]
    assert [box.height / box.width for box in boxes] == pytest.approx([1 / 5, 2 / 5, 3 / 5])
    assert boxes[0].y1 == pytest.approx(boxes[1].y1)
    assert boxes[2].x0 == pytest.approx(boxes[0].x0)
    assert boxes[2].y1 < boxes[1].y0
    assert boxes[0].x1 < boxes[1].x0


def test_a_film_needs_a_frame() -> None:
    with pytest.raises(ValueError, match="got 0 frames"):
        draw_checkpoint_grid([], SOURCE)


def test_a_vector_picture_can_be_written() -> None:
    file = io.BytesIO()
    draw_heatmap(WEIGHTS, SOURCE, TARGET).savefig(file, format="svg")
    assert ElementTree.fromstring(file.getvalue()).tag.endswith("svg")
