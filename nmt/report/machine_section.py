"""Where a memory machine read and wrote, as a section of a report: drawings in the page itself, without a script."""

from collections.abc import Mapping, Sequence
from typing import Any

from nmt.report.escaping import escape_html
from nmt.report.map_labels import TITLES, label_machine
from nmt.report.passages import render_section

CELL, LEFT, TOP = 13, 70, 14
"""Pixels: the side of a cell, and the room of labels."""

MAX_SHOWN_CELLS = 5000
"""Of a drawing; larger ones are left out."""

MAX_LABEL = 10
"""Characters of a label."""

NOTE = (
    "Steps of the probe sentences down the side, slots of the memory along the top, at the last checkpoint that drew "
    "them; darker is more. Steps that read the source come first where it was read step by step."
)


def render_machine_section(memories: Sequence[Mapping[str, Any]]) -> str:
    """For each probe its drawings, one for each head; nothing where there are none.

    memories: the contents of maps.json of a checkpoint, with `source`, `target`, and `maps` that may have `read` and
    `written`, lists of layers of heads of rows.
    """
    parts = [part for memory in memories if (part := render_memory(memory))]
    if not parts:
        return ""
    return render_section(
        "machine", "Where the memory was read and written", f'<p class="hint">{NOTE}</p>' + "".join(parts)
    )


def render_memory(memory: Mapping[str, Any]) -> str:
    """The drawings of one sentence."""
    source, target, found = memory["source"], memory["target"], []
    for name in ("read", "written"):
        for heads in memory["maps"].get(name, ()):
            for number, weights in enumerate(heads, start=1):
                if len(weights) * len(weights[0]) > MAX_SHOWN_CELLS:
                    continue
                rows, columns = label_machine(source, target, len(weights), len(weights[0]))
                title = f"{TITLES[name]}, head {number}"
                found.append(f"<h4>{escape_html(title)}</h4>\n{draw_weights(weights, rows, columns, title)}")
    line = " ".join(source[:-1])
    return f"<h3><bdi>{escape_html(shorten(line, 80))}</bdi></h3>\n" + "\n".join(found) if found else ""


def draw_weights(weights: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str], title: str) -> str:
    """Weights as the opacity of cells; the name of a cell is its row, its column and its weight."""
    width, height = LEFT + CELL * len(columns) + CELL, TOP + CELL * len(rows) + 2
    parts = [
        f'<svg role="img" aria-label="{escape_html(title)}" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-size="10" fill="currentColor">'
    ]
    for place in range(0, len(columns), max(1, len(columns) // 8)):
        x = LEFT + CELL * place + CELL / 2
        parts.append(f'<text x="{x:g}" y="10" text-anchor="middle">{label(columns[place], 4)}</text>')
    for t, row in enumerate(rows):
        y = TOP + CELL * t
        parts.append(f'<text x="{LEFT - 6}" y="{y + 10}" text-anchor="end">{label(row, MAX_LABEL)}</text>')
        parts.append(
            f'<rect x="{LEFT}" y="{y}" width="{CELL * len(columns)}" height="{CELL - 1}" fill-opacity="0.04"/>'
        )
        for slot, weight in enumerate(weights[t]):
            if weight >= 0.005:
                name = f"{label(row, MAX_LABEL)}, {label(columns[slot], MAX_LABEL)}: {weight:.2f}"
                parts.append(
                    f'<rect x="{LEFT + CELL * slot}" y="{y}" width="{CELL - 1}" height="{CELL - 1}" '
                    f'fill-opacity="{weight:.2f}"><title>{name}</title></rect>'
                )
    return "".join([*parts, "</svg>"])


def label(text: str, most: int) -> str:
    """A short name, escaped."""
    return escape_html(shorten(text, most))


def shorten(text: str, most: int) -> str:
    """The text, or its beginning."""
    return text if len(text) <= most else text[: most - 1] + "…"
