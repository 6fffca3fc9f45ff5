"""Alignments as pictures: one sentence pair, or the same sentence while its alignment is being learnt."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nmt.data.pictures.source_picture import SourcePicture
from nmt.evaluation.alignment import Gold
from nmt.report.fonts import choose_families, make_legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

# From paper white to ink in steps of equal lightness (OKLab 1 ... 0.25), so that twice the weight looks twice as dark.
INKS = ("#ffffff", "#bae9fa", "#6ccffd", "#3cafef", "#248ed8", "#246eb9", "#275092", "#243568", "#1a1f3c")
GOLD_INK = "#e8590c"
STAIR_INK = "#c2255c"
TEXT_INK = "#1f2430"
FAINT_INK = "#6b7280"
GRID_INK = "#e3e6eb"
DASHES = (0.0, (2.0, 1.4))
MARGIN = 0.12  # inches, around and between
MIN_WIDTH = 2.6  # inches, so that a title has room over the shortest sentence
MAX_CELLS, MAX_WORDS = 10_000, 300  # of a picture, and of a side of it: it takes about 150 megabytes to draw


class Scale(NamedTuple):
    """How large a cell is drawn (inches) and its words (points)."""

    cell: float
    font: float


PAGE_SCALE, FRAME_SCALE = Scale(cell=0.27, font=9.5), Scale(cell=0.15, font=6.0)


class Frame(NamedTuple):
    """The alignment of one sentence at one checkpoint; the target words are those that were produced then."""

    label: str
    alignment: Float[np.ndarray, "target source"]
    target: Sequence[str]


def explain_size(alignment: Float[np.ndarray, "target source"]) -> str | None:
    """Why an alignment would be too large a picture to draw and to look at; None where it would not."""
    rows, columns = alignment.shape
    if max(rows, columns) <= MAX_WORDS and rows * columns <= MAX_CELLS:
        return None
    return (
        f"{columns} source and {rows} target words make a picture of {rows * columns} cells, and {MAX_CELLS} cells and "
        f"{MAX_WORDS} words on a side are drawn at most"
    )


def draw_heatmap(
    alignment: Float[np.ndarray, "target source"],
    source: Sequence[str],
    target: Sequence[str],
    *,
    title: str | None = None,
    gold: Gold | None = None,
    stair: bool = False,
    strip: SourcePicture | None = None,
) -> "Figure":
    """The weight of every source word (along the top) for every target word (down the side), from white 0 to ink 1.

    Weights have the same colour in every figure, so checkpoints can be compared. Gold links are outlined, solid where
    they are sure and dashed where they are only possible. stair: a line behind the furthest word that has been looked
    at, row by row, for attention that never goes back. strip: a drawn sentence, whose slices stand over
    their columns in place of words. The figure grows with the sentences. Raises ValueError unless there is a word for
    each row and column.
    """
    figure, axes = make_figure(1)
    draw(axes[0], alignment, _leave_out_words(source, strip), target, scale=PAGE_SCALE)
    if strip is not None:
        draw_strip(axes[0], strip)
    if gold is not None:
        outline(axes[0], gold)
    bottom = 0.2 if gold is not None else 0.0
    if stair and alignment.size > 0:
        draw_stair(axes[0], alignment)
    arrange(figure, axes, columns=1, scale=PAGE_SCALE, title=title, right=0.55, bottom=bottom)
    add_colour_bar(figure, axes[0])
    if gold is not None:
        add_gold_legend(figure, axes[0])
    return figure


def draw_checkpoint_grid(
    frames: Sequence[Frame],
    source: Sequence[str],
    *,
    columns: int = 4,
    title: str | None = None,
) -> "Figure":
    """One source sentence at several checkpoints, side by side and in reading order, in the colours of `draw_heatmap`.

    Each frame has its own target words, so the translation is seen to change with its alignment. The source words stand
    over the first row. Raises ValueError if there is no frame, or a frame's words and weights differ in number.
    """
    if not frames or columns < 1:
        raise ValueError(f"a film needs at least 1 frame and 1 column; got {len(frames)} frames, {columns} columns.")
    figure, axes = make_figure(len(frames))
    for index, (panel, frame) in enumerate(zip(axes, frames, strict=True)):
        draw(panel, frame.alignment, source, frame.target, scale=FRAME_SCALE)
        if index >= columns:
            panel.tick_params(top=False, labeltop=False)
        words = make_legible(frame.label, longest=60)
        panel.set_xlabel(words, fontsize=FRAME_SCALE.font + 1, color=TEXT_INK, labelpad=3, parse_math=False)
        panel.xaxis.label.set_fontfamily(choose_families([words]))
    arrange(figure, axes, columns=columns, scale=FRAME_SCALE, title=title, right=0.45, bottom=0.0)
    add_colour_bar(figure, axes[min(columns, len(axes)) - 1])
    return figure


# Parts --------------------------------------------------------------------------------------------------------------


def make_figure(panels: int) -> "tuple[Figure, list[Axes]]":
    """A figure with axes that `arrange` will place."""
    from nmt.report.inline_figure import InlineFigure

    figure = InlineFigure(facecolor="white")
    return figure, [figure.add_axes((0.0, 0.0, 1.0, 1.0), label=str(panel)) for panel in range(panels)]


def make_colour_map() -> "Colormap":
    """The colour map of all alignments."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("ink", INKS)


def draw(
    axes: "Axes",
    alignment: Float[np.ndarray, "target source"],
    source: Sequence[str],
    target: Sequence[str],
    *,
    scale: Scale,
) -> None:
    """The cells of one alignment with its words; where they are placed is left to `arrange`."""
    if alignment.shape != (len(target), len(source)):
        raise ValueError(
            f"an alignment needs a row for each of {len(target)} target words and a column for each of {len(source)} "
            f"source words (with </s> where its weights are drawn); got weights of shape {alignment.shape}."
        )
    if alignment.size > 0:
        axes.pcolormesh(alignment, cmap=make_colour_map(), vmin=0.0, vmax=1.0, edgecolors=GRID_INK, linewidth=0.5)
    axes.set(xlim=(0, max(len(source), 1)), ylim=(max(len(target), 1), 0))
    axes.spines[:].set(color=GRID_INK, linewidth=0.8)
    axes.tick_params(length=0, pad=3, top=True, labeltop=True, bottom=False, labelbottom=False)
    above, beside = [make_legible(word) for word in source], [make_legible(word) for word in target]
    style: dict[str, Any] = {"fontsize": scale.font, "color": TEXT_INK, "parse_math": False}
    slanted: dict[str, Any] = {"rotation": 60, "rotation_mode": "anchor", "ha": "left", "va": "center"}
    axes.set_xticks(np.arange(len(source)) + 0.5, above, fontfamily=choose_families(above), **slanted, **style)
    axes.set_yticks(np.arange(len(target)) + 0.5, beside, fontfamily=choose_families(beside), **style)


def _leave_out_words(source: Sequence[str], strip: SourcePicture | None) -> Sequence[str]:
    """The words that stand over no slice of a strip."""
    return source if strip is None else [*("" for _ in strip.regions), *source[len(strip.regions) :]]


def draw_strip(axes: "Axes", strip: SourcePicture) -> None:
    """The slices of a drawn sentence, each over its column."""
    limits = axes.get_xlim(), axes.get_ylim()
    first = strip.regions[0]
    tall = (first.bottom - first.top) / (first.right - first.left)
    for column, region in enumerate(strip.regions):
        pixels = strip.pixels[region.top : region.bottom, region.left : region.right]
        extent = (column, column + 1, -0.1, -0.1 - tall)
        axes.imshow(pixels, extent=extent, aspect="auto", interpolation="nearest", clip_on=False)
    axes.set(xlim=limits[0], ylim=limits[1])


def outline(axes: "Axes", gold: Gold) -> None:
    """A frame inside the cell of every gold link."""
    from matplotlib.patches import Rectangle

    for link in sorted(gold.possible | gold.sure):
        corner, dashes = (link[0] + 0.09, link[1] + 0.09), "solid" if link in gold.sure else DASHES
        axes.add_patch(Rectangle(corner, 0.82, 0.82, fill=False, edgecolor=GOLD_INK, linewidth=1.3, linestyle=dashes))


def draw_stair(axes: "Axes", alignment: Float[np.ndarray, "target source"]) -> None:
    """A line down the right edges of the furthest cells with a weight, up to each row."""
    places = np.where(alignment > 0, np.arange(1, alignment.shape[1] + 1), 0)
    furthest = np.maximum.accumulate(places.max(-1))
    rows = np.arange(len(furthest) + 1)
    axes.plot(
        np.repeat(furthest, 2), np.repeat(rows, 2)[1:-1], color=STAIR_INK, linewidth=1.6, clip_on=False, gid="stair"
    )


def arrange(
    figure: "Figure",
    axes: "Sequence[Axes]",
    *,
    columns: int,
    scale: Scale,
    title: str | None,
    right: float,
    bottom: float,
) -> None:
    """Make cells square and of one size, and the figure as large as its words need, with `right` and `bottom` inches
    kept free for what is added later."""
    sizes = [(panel.get_xlim()[1] * scale.cell, panel.get_ylim()[0] * scale.cell) for panel in axes]
    around = measure_label_margins(figure, axes, sizes)
    rows = [range(start, min(start + columns, len(axes))) for start in range(0, len(axes), columns)]
    left = max(margins[0] for margins in around)
    step = left + sizes[0][0] + MARGIN
    heights = [
        max(around[panel][1] for panel in row) + max(sizes[panel][1] + around[panel][3] for panel in row)
        for row in rows
    ]
    width = MARGIN + len(rows[0]) * step + max(right, *(margins[2] for margins in around))
    width = max(width, MIN_WIDTH)
    heading = [] if title is None else textwrap.wrap(make_legible(title, longest=400), width=int(width * 11))
    top = MARGIN + 0.2 * len(heading) + (0.08 if heading else 0.0)
    height = top + sum(heights) + MARGIN * len(rows) + bottom
    figure.set_size_inches(width, height)
    for line, text in enumerate(heading):
        style: dict[str, Any] = {"fontsize": 11, "color": TEXT_INK, "parse_math": False}
        place = MARGIN / width, 1 - (MARGIN + 0.2 * line) / height
        figure.text(*place, text, va="top", fontfamily=choose_families([text]), **style)
    down = top
    for row, tall in zip(rows, heights, strict=True):
        over = max(around[panel][1] for panel in row)
        for column, panel in enumerate(row):
            across, (wide, high) = MARGIN + column * step + left, sizes[panel]
            axes[panel].set_position((across / width, 1 - (down + over + high) / height, wide / width, high / height))
        down += tall + MARGIN


def measure_label_margins(
    figure: "Figure", axes: "Sequence[Axes]", sizes: Sequence[tuple[float, float]]
) -> list[tuple[float, float, float, float]]:
    """Inches that the words of each axes reach beyond its cells: left, above, right and below."""
    room = 6.0  # for words, on all sides
    width, height = max(size[0] for size in sizes) + 2 * room, max(size[1] for size in sizes) + 2 * room
    figure.set_size_inches(width, height)
    for panel, size in zip(axes, sizes, strict=True):
        panel.set_position((room / width, room / height, size[0] / width, size[1] / height))
    figure.draw_without_rendering()
    measured = []
    for panel in axes:
        cells = panel.get_window_extent()
        words = panel.get_tightbbox() or cells
        left, above = cells.x0 - words.x0, words.y1 - cells.y1
        right, below = words.x1 - cells.x1, cells.y0 - words.y0
        measured.append((left / figure.dpi, above / figure.dpi, right / figure.dpi, below / figure.dpi))
    return measured


def add_colour_bar(figure: "Figure", axes: "Axes") -> None:
    """A small scale of weights to the right of `axes`, at their foot."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    (width, height), place = figure.get_size_inches(), axes.get_position()
    tall = min(1.1, place.height * height)
    bar = figure.add_axes((place.x1 + MARGIN / width, place.y0, 0.09 / width, tall / height), label="weight")
    scale = figure.colorbar(ScalarMappable(Normalize(0.0, 1.0), make_colour_map()), cax=bar, ticks=[0.0, 0.5, 1.0])
    scale.outline.set(edgecolor=GRID_INK, linewidth=0.8)
    bar.tick_params(length=0, pad=3, labelsize=7, labelcolor=FAINT_INK)
    bar.set_yticks([0.0, 0.5, 1.0], ["0", ".5", "1"])


def add_gold_legend(figure: "Figure", axes: "Axes") -> None:
    """What the outlines mean, under `axes`."""
    from matplotlib.lines import Line2D

    solid = Line2D([], [], color=GOLD_INK, linewidth=1.3)
    dashed = Line2D([], [], color=GOLD_INK, linewidth=1.3, linestyle=DASHES)
    place = axes.get_position()
    figure.legend(
        [solid, dashed],
        ["sure", "possible"],
        loc="upper left",
        bbox_to_anchor=(place.x0, place.y0),
        borderaxespad=0.4,
        borderpad=0.2,
        ncols=2,
        frameon=False,
        fontsize=7.5,
        labelcolor=FAINT_INK,
    )
