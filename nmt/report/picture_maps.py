"""Attention to a picture as pictures: one for each word, bright where the word looked."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8

from nmt.data.pictures.boxes import Box
from nmt.data.pictures.source_picture import SourcePicture
from nmt.evaluation.alignment import Gold
from nmt.report.fonts import choose_families, make_legible
from nmt.report.heatmap import FAINT_INK, GOLD_INK, MARGIN, TEXT_INK, draw_heatmap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = 1.15  # inches, of a picture
COLUMNS = 6
MAX_PANELS = 60
DARKEST = 0.12  # what is left of the picture where there is no weight


def light_up(picture: SourcePicture, weights: Float[np.ndarray, " position"]) -> UInt8[np.ndarray, "height width 3"]:
    """The picture in which each region is as bright as its weight is a part of the largest weight; black is none."""
    brightness = np.full(picture.pixels.shape[:2], DARKEST)
    largest = float(weights.max(initial=0.0))
    for region, weight in zip(picture.regions, weights, strict=True):
        share = float(weight) / largest if largest > 0 else 0.0
        brightness[region.top : region.bottom, region.left : region.right] = DARKEST + (1 - DARKEST) * share
    lit: np.ndarray = (picture.pixels * brightness[:, :, None]).round().astype(np.uint8)
    return lit


def draw_picture_maps(
    picture: SourcePicture,
    weights: Float[np.ndarray, "word position"],
    words: Sequence[str],
    *,
    title: str | None = None,
    boxes: Mapping[int, Box] | None = None,
) -> "Figure":
    """The picture, and for each word the picture in the light of its weights, with the largest of them below.

    boxes: where the thing is that a word names, outlined. Of very long texts the first words are drawn. Raises
    ValueError unless there is a row of weights for each word, and a column for each region.
    """
    from nmt.report.inline_figure import InlineFigure

    if weights.shape != (len(words), len(picture.regions)):
        raise ValueError(
            f"{len(words)} words and {len(picture.regions)} regions of a picture need as many rows and columns of "
            f"weights; got shape {weights.shape}."
        )
    shown = list(words)[:MAX_PANELS]
    panels = len(shown) + 1
    columns, rows = min(COLUMNS, panels), -(-panels // COLUMNS)
    wide, high = PANEL + MARGIN, PANEL + 3.2 * MARGIN
    top = MARGIN + (0.28 if title else 0.0)
    width, height = columns * wide + MARGIN, top + rows * high
    figure = InlineFigure(figsize=(width, height), facecolor="white")
    if title:
        style: dict[str, Any] = {"va": "top", "fontsize": 11, "color": TEXT_INK, "parse_math": False}
        figure.text(MARGIN / width, 1 - MARGIN / height, make_legible(title, longest=60), **style)
    for panel in range(panels):
        row, column = divmod(panel, COLUMNS)
        place = (
            (MARGIN + column * wide) / width,
            1 - (top + row * high + 1.6 * MARGIN + PANEL) / height,
            PANEL / width,
            PANEL / height,
        )
        axes = figure.add_axes(place, label=str(panel))
        if panel == 0:
            _draw_panel(axes, picture.pixels, "", "the picture")
            continue
        word, row_weights = shown[panel - 1], weights[panel - 1]
        _draw_panel(axes, light_up(picture, row_weights), word, f"largest {row_weights.max(initial=0.0):.2f}")
        if boxes is not None and (box := boxes.get(panel - 1)) is not None:
            _outline(axes, picture, box)
    return figure


def draw_alignment(
    weights: Float[np.ndarray, "target source"],
    source: Sequence[str],
    target: Sequence[str],
    *,
    picture: SourcePicture | None,
    title: str,
    gold: Gold | None = None,
) -> "Figure":
    """The weights between words as a heatmap, under the strip of a drawn sentence; those of another picture as pictures
    of it. Neither side has its end."""
    if picture is None or picture.is_strip:
        return draw_heatmap(weights, source, target, title=title, gold=gold, strip=picture)
    return draw_picture_maps(picture, weights, target, title=title)


def _draw_panel(axes: "Axes", pixels: UInt8[np.ndarray, "height width 3"], word: str, note: str) -> None:
    axes.imshow(pixels, interpolation="nearest")
    axes.set_axis_off()
    legible = make_legible(word)
    style: dict[str, Any] = {"ha": "center", "transform": axes.transAxes, "parse_math": False}
    axes.text(0.5, 1.03, legible, va="bottom", fontsize=9.5, color=TEXT_INK, family=choose_families([legible]), **style)
    axes.text(0.5, -0.03, note, va="top", fontsize=7, color=FAINT_INK, **style)


def _outline(axes: "Axes", picture: SourcePicture, box: Box) -> None:
    from matplotlib.patches import Rectangle

    corner = (box.left * picture.scale + picture.left - 0.5, box.top * picture.scale + picture.top - 0.5)
    size = ((box.right - box.left) * picture.scale, (box.bottom - box.top) * picture.scale)
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=GOLD_INK, linewidth=1.3))
