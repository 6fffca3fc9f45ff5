"""The weights of every layer and head, as one figure and as one page."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nmt.evaluation.probes import round_weights
from nmt.report.formats import Format, encode
from nmt.report.heatmap import Frame, draw_checkpoint_grid
from nmt.report.map_labels import TITLES, Weights, label_maps
from nmt.report.translation_page import Picture, render_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

MAX_GRID_CELLS, MAX_PANELS = 60_000, 64
"""Of a figure with all layers and heads."""


def render_maps(
    maps: Mapping[str, Weights],
    source: Sequence[str],
    target: Sequence[str],
    *,
    title: str,
    formats: Sequence[Format],
) -> Iterator[tuple[str, bytes]]:
    """What follows the number in the names of files, and their contents: numbers, a page, and a figure of each map in
    each format. A figure that is too large or cannot be drawn is missing, with a warning."""
    from nmt.report.about import format_now

    labels = label_maps(source, target, maps)
    numbers = {"source": [*source, "</s>"], "target": [*target, "</s>"], "maps": convert_maps(maps)}
    yield (
        "maps.json",
        json.dumps(numbers, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace"),
    )
    yield "maps.html", render_maps_page(maps, source, target, title=title, created=format_now()).encode()
    for name, weights in maps.items():
        if (reason := explain_grid_size(weights)) is None:
            try:
                figure = draw_map_grid(weights, *labels[name], title=f"{title}, {TITLES[name]}")
                pictures = {ending: encode(figure, ending, dpi=120) for ending in formats}
            except Exception as problem:  # of the library that draws
                reason = repr(problem)
        if reason is not None:
            logger.warning("%s, %s is not drawn: %s", title, TITLES[name], reason)
            continue
        yield from ((f"{name}.{ending}", picture) for ending, picture in pictures.items())


def explain_grid_size(weights: Weights) -> str | None:
    """Why a figure of all layers and heads would be too large to draw; None where it would not."""
    layers, heads, rows, columns = weights.shape
    if layers * heads <= MAX_PANELS and weights.size <= MAX_GRID_CELLS:
        return None
    return (
        f"{layers} layers of {heads} heads with {rows} x {columns} pieces are {weights.size} cells, and "
        f"{MAX_GRID_CELLS} cells and {MAX_PANELS} panels are drawn at most"
    )


def draw_map_grid(weights: Weights, rows: Sequence[str], columns: Sequence[str], *, title: str) -> "Figure":
    """A row of panels for each layer, a column for each head, in the colours of all heatmaps."""
    layers, heads = weights.shape[:2]
    frames = [
        Frame(f"layer {layer + 1}, head {head + 1}", weights[layer, head], rows)
        for layer in range(layers)
        for head in range(heads)
    ]
    return draw_checkpoint_grid(frames, columns, columns=heads, title=title)


def render_maps_page(
    maps: Mapping[str, Weights], source: Sequence[str], target: Sequence[str], *, title: str, created: str
) -> str:
    """A page with a picture for every layer and head of each map, to go through one by one."""
    labels = label_maps(source, target, maps)
    pictures = [
        Picture(layer + 1, labels[name][1], labels[name][0], weights[layer, head], label)
        for name, weights in maps.items()
        for layer in range(weights.shape[0])
        for head in range(weights.shape[1])
        for label in [f"{TITLES[name]}: layer {layer + 1}, head {head + 1}"]
    ]
    facts = [(TITLES[name], f"{weights.shape[0]} x {weights.shape[1]}") for name, weights in maps.items()]
    return render_page(pictures, title=title, created=created, entries=facts)


def convert_maps(maps: Mapping[str, Weights]) -> dict[str, Any]:
    """The maps as JSON, lists of layers of heads of rows, with six significant digits."""
    return {name: [[round_weights(head) for head in layer] for layer in weights] for name, weights in maps.items()}
