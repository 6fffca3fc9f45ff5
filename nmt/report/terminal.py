"""An alignment as text for a terminal: the heatmap where no picture can be shown."""

import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from nmt.printable import JOINERS, escape_controls

SHADES = ((0.005, " "), (0.05, "·"), (0.25, "░"), (0.5, "▒"), (0.75, "▓"))
"""Bounds of weights, and what is drawn below each."""
FULL_SHADE = "█"
LEGEND = "weights: blank < .005, · < .05, ░ < .25, ▒ < .5, ▓ < .75, █; sum: of a row"

CELL_COLUMNS = 3  # columns of the terminal for a source word: two of shade, and a gap
SUM_TEMPLATE = " 1.00 "
MIN_COLUMNS, MAX_WORD_COLUMNS = 40, 24  # columns of a grid, and of a word
ELLIPSIS = "…"
BASE = "\u25cc"  # a dotted circle, for a combining mark that has no letter to stand on
ISOLATE, RELEASE = "\u2068", "\u2069"
DIM, STRONG, PLAIN = "\x1b[2m", "\x1b[1;36m", "\x1b[0m"


def render_grid(
    alignment: Float[np.ndarray, "target source"],
    source: Sequence[str],
    target: Sequence[str],
    *,
    columns: int,
    colour: bool = False,
) -> list[str]:
    """Lines of one width, of at most `columns` columns, or 40 where that is fewer.

    Source words go down a stair along the top, each over its column; target words stand at the side, with the sum of
    their weights. What is too wide goes on below, as a further band of source words. In colour the largest weight of
    each row stands out. Words are cut to 24 columns at most; what would steer a terminal is escaped, and a word that
    runs from right to left is isolated, so that it turns nothing but itself.
    Raises ValueError unless there is a word for each row and column.
    """
    if alignment.shape != (len(target), len(source)):
        raise ValueError(
            f"{len(target)} target and {len(source)} source words need as many rows and columns of weights; got shape "
            f"{alignment.shape}."
        )
    columns = max(columns, MIN_COLUMNS)
    beside = [make_legible(word, longest=min(MAX_WORD_COLUMNS, columns // 3)) for word in target]
    widest = max(map(measure_width, beside), default=0)
    room = columns - widest - len(SUM_TEMPLATE)
    above = [make_legible(word, longest=min(MAX_WORD_COLUMNS, room)) for word in source]
    lines: list[tuple[str, int]] = []
    for band in split_bands([measure_width(word) for word in above], room):
        first = band.start == 0
        lines += render_stair([above[at] for at in band], widest, first, colour)
        for word, weights in zip(beside, alignment, strict=True):
            start = " " * (widest - measure_width(word)) + isolate(word)
            start += f" {weights.sum():.2f} ".rjust(len(SUM_TEMPLATE)) if first else " " * len(SUM_TEMPLATE)
            peak = int(weights.argmax()) if colour and weights.max() > 0 else None
            shades = "".join(render_cell(float(weights[at]), strong=at == peak) for at in band)
            lines.append((start + shades, widest + len(SUM_TEMPLATE) + CELL_COLUMNS * len(band)))
    most = max((size for _, size in lines), default=0)
    return [line + " " * (most - size) for line, size in lines]


def split_bands(widths: Sequence[int], room: int) -> list[range]:
    """The fewest runs of words whose stairs fit into so many columns, each with at least one word, and about alike."""
    found = list(split_runs(widths, room, len(widths)))
    even = list(split_runs(widths, room, -(-len(widths) // max(len(found), 1))))
    return even if len(even) == len(found) else found


def split_runs(widths: Sequence[int], room: int, most: int) -> Iterator[range]:
    """Runs as long as they can be, of at most so many words."""
    start = 0
    for at, size in enumerate(widths):
        place = CELL_COLUMNS * (at - start)
        if at > start and (at - start == most or place + max(size, CELL_COLUMNS) > room):
            yield range(start, at)
            start = at
    if widths:
        yield range(start, len(widths))


def render_stair(words: Sequence[str], widest: int, first: bool, colour: bool) -> Iterator[tuple[str, int]]:
    """A line for each word, over its column, with rails down from the words before; and how wide each line is."""
    rail = f"{DIM}│{PLAIN}  " if colour else "│  "
    for place, word in enumerate(words):
        label = "sum" if first and place == len(words) - 1 else ""
        start = " " * widest + label.rjust(len(SUM_TEMPLATE) - 1) + " "
        yield start + rail * place + isolate(word), len(start) + CELL_COLUMNS * place + measure_width(word)


def render_cell(weight: float, *, strong: bool) -> str:
    """The shade of a weight."""
    shade = 2 * next((shade for bound, shade in SHADES if weight < bound), FULL_SHADE)
    return f"{STRONG}{shade}{PLAIN} " if strong else f"{shade} "


# Words ------------------------------------------------------------------------------------------------------------


def make_legible(word: str, *, longest: int = MAX_WORD_COLUMNS) -> str:
    """A word that a terminal shows as it is, in at most `longest` columns; one that is cut ends in an ellipsis.

    What could steer the terminal becomes an escape such as \\x1b: see `escape_controls`.
    """
    shown = escape_controls(word)
    if shown and measure_width(shown[0]) == 0:
        shown = BASE + shown
    if measure_width(shown) <= longest:
        return shown
    kept, size = "", 0
    for character in shown:
        size += measure_width(character)
        if size > longest - 1:
            break
        kept += character
    return kept.rstrip(JOINERS) + ELLIPSIS


def measure_width(text: str) -> int:
    """The columns of a terminal that a text takes: none for what combines, two for what East Asia writes wide."""
    return sum(map(_count_columns, text))


def _count_columns(character: str) -> int:
    joins = unicodedata.category(character) in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff"
    return 0 if joins else 1 + (unicodedata.east_asian_width(character) in "WF")


def isolate(word: str) -> str:
    """The word, with its direction kept to itself where it has letters that run from right to left."""
    turns = any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in word)
    return f"{ISOLATE}{word}{RELEASE}" if turns else word
