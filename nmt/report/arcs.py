"""Attention as a graph: source words on the left, target words on the right, and a line for each weight."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from nmt.report.escaping import escape_html

ROW, MARGIN = 24, 6
"""Pixels: of a word, and above and below all."""

SIDE, BETWEEN = 112, 126
"""Pixels: of words, and between them. Together they fit on a telephone."""

MAX_CHARACTERS = 13
"""Of a word; what is longer is cut."""

MIN_LIT, MIN_WEIGHT = 0.02, 0.1
"""Less is not drawn: of the word that stands out, and of others."""

WIDEST = 7.0
"""Pixels of a line with weight 1."""


def draw_arcs(
    weights: Float[np.ndarray, "target source"], source: Sequence[str], target: Sequence[str], *, query: int
) -> str:
    """An SVG element. Lines are as wide as weights are large; those of one target word, `query`, stand out."""
    size = max(len(source), len(target))
    width, height = 2 * SIDE + BETWEEN, size * ROW + 2 * MARGIN
    lines = [
        draw_line(
            float(weights[t, s]), find_height(s, len(source), size), find_height(t, len(target), size), t == query
        )
        for t in sorted(range(len(target)), key=lambda t: t == query)  # the one that stands out lies above the others
        for s in range(len(source))
        if weights[t, s] >= (MIN_LIT if t == query else MIN_WEIGHT)
    ]
    looked = {s for s in range(len(source)) if weights[query, s] >= MIN_LIT}
    words = [draw_word(word, SIDE - 8, find_height(s, len(source), size), "end", s in looked)
             for s, word in enumerate(source)]  # fmt: skip
    words += [draw_word(word, SIDE + BETWEEN + 8, find_height(t, len(target), size), "start", t == query)
              for t, word in enumerate(target)]  # fmt: skip
    label = f"attention of {target[query]}: lines from target words to the source words that they look at"
    return (
        f'<svg class="arcs" role="img" aria-label="{escape_html(label)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{"".join([*lines, *words])}</svg>'
    )


def find_height(place: int, count: int, size: int) -> float:
    """The middle of a word, with the shorter side centred."""
    return MARGIN + ROW * (place + 0.5 + (size - count) / 2)


def draw_line(weight: float, left: float, right: float, is_lit: bool) -> str:
    """The line of one weight."""
    middle, end = SIDE + BETWEEN // 2, SIDE + BETWEEN
    path = f"M{SIDE} {left:.0f}C{middle} {left:.0f} {middle} {right:.0f} {end} {right:.0f}"
    share = min(max(weight, 0.0), 1.0)
    kind = ' class="lit"' if is_lit else ""
    return f'<path{kind} d="{path}" stroke-width="{WIDEST * share:.1f}"/>'


def draw_word(word: str, x: int, y: float, anchor: str, is_lit: bool) -> str:
    """A word beside its lines."""
    shown = word if len(word) <= MAX_CHARACTERS else word[: MAX_CHARACTERS - 1] + "…"
    title = "" if shown == word else f"<title>{escape_html(word)}</title>"
    kind = ' class="lit"' if is_lit else ""
    return f'<text{kind} x="{x}" y="{y:g}" dy="0.35em" text-anchor="{anchor}">{title}{escape_html(shown)}</text>'
