"""Closed ways through points, such as tours and hulls: the one that a model found, and the right one, dashed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nmt.report.escaping import escape_html
from nmt.report.figures import FAINT_INK, GRID_INK, INKS, TEXT_INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE, MARGIN = 240, 22
"""Of a drawing in the page, in pixels."""

Point = Sequence[float]


def list_corners(points: Sequence[Point], places: Sequence[int] | None) -> list[Point]:
    """The corners of a closed way, the first of them once more at the end; what names no point is left out."""
    corners = [points[place] for place in places or () if place < len(points)]
    return [*corners, *corners[:1]]


def draw_polygon(polygon: Mapping[str, Any], *, title: str) -> "Figure":
    """The points with their positions, the way that was found, and the right one, dashed.

    polygon: "points": [[x, y]], "found" and "right": positions.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2, 3.3))
    axes = figure.add_axes((0.06, 0.04, 0.88, 0.86))
    points = polygon["points"]
    for places, ink, width, style in (
        (polygon["found"], INKS[0], 1.8, "-"),
        (polygon["right"], INKS[1], 1.4, (0.0, (3.0, 2.0))),
    ):
        corners = list_corners(points, places)
        axes.plot([x for x, _ in corners], [y for _, y in corners], color=ink, linewidth=width, linestyle=style)
    axes.plot([x for x, _ in points], [y for _, y in points], "o", color=TEXT_INK, markersize=4)
    for place, (x, y) in enumerate(points):
        axes.annotate(str(place), (x, y), (3, 3), textcoords="offset points", fontsize=8, color=FAINT_INK)
    axes.set(xlim=(-0.05, 1.08), ylim=(-0.05, 1.08), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set(color=GRID_INK)
    axes.set_title(title, fontsize=9, color=TEXT_INK, loc="left", parse_math=False)
    return figure


def render_polygons(polygons: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """A section of the page with a drawing for each; nothing where there is none. The first of a pair is its title."""
    if not polygons:
        return ""
    drawn = "".join(
        f'<figure class="polygon"><figcaption>{escape_html(title)}</figcaption>{render_svg(polygon)}</figure>'
        for title, polygon in polygons
    )
    return (
        '<section aria-labelledby="head-polygons">\n<h2 id="head-polygons">Ways through the points</h2>\n'
        '<p class="hint">What the last checkpoint found of the probe lines, and, dashed, what is right. Numbers are '
        f"positions in the source line.</p>\n{drawn}\n</section>"
    )


def render_svg(polygon: Mapping[str, Any]) -> str:
    """The drawing as SVG, without styles or scripts."""
    size = SIDE - 2 * MARGIN
    points = [(MARGIN + size * float(x), SIDE - MARGIN - size * float(y)) for x, y in polygon["points"]]
    parts = []
    for key, ink, dashes in (("found", INKS[0], ""), ("right", INKS[1], ' stroke-dasharray="5 4"')):
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in list_corners(points, polygon[key]))
        parts.append(f'<polyline points="{corners}" fill="none" stroke="{ink}" stroke-width="2"{dashes}/>')
    for place, (x, y) in enumerate(points):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{TEXT_INK}"/>')
        parts.append(f'<text x="{x + 6:.1f}" y="{y - 5:.1f}" font-size="12" fill="{FAINT_INK}">{place}</text>')
    label = f"{len(points)} points, the way that was found and the right one"
    return f'<svg width="{SIDE}" height="{SIDE}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
