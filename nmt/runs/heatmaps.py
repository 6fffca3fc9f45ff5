"""What a checkpoint shows: heatmaps of the probe sentences, and the numbers behind them."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nmt.data.pictures.boxes import parse_boxes
from nmt.data.pictures.records import read_picture_record
from nmt.evaluation.alignment import parse_pharaoh_line
from nmt.report.formats import encode
from nmt.report.heatmap import draw_heatmap, explain_size
from nmt.report.map_grid import render_maps
from nmt.report.picture_maps import draw_picture_maps
from nmt.report.polygons import draw_polygon
from nmt.translation.attention_maps import AttentionMaps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)


def save_heatmaps(
    folder: Path,
    probes: Sequence[dict[str, Any]],
    maps: Sequence[AttentionMaps] = (),
    *,
    step: int,
    on_heatmap: Callable[[], object],
) -> None:
    """Writes 001.json, 001.png and so on for the probes. Gold links are drawn where the hypothesis is the reference.
    maps: all weights of each probe, which are written beside it; none where they are not wanted.

    `on_heatmap` is called before each. A picture that cannot be drawn is missing, with a warning: days of training must
    not end for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, probe in enumerate(probes, start=1):
        on_heatmap()
        numbers = json.dumps({"step": step, **probe}, ensure_ascii=False, separators=(",", ":"))
        (folder / f"{number:03d}.json").write_bytes(numbers.encode("utf-8", "backslashreplace"))
        if (reason := explain_probe_size(probe, probe["weights"])) is not None:
            logger.warning("probe %d of step %d is not drawn: %s", number, step, reason)
            continue
        try:
            image = render_png(probe, step=step)
        except Exception as problem:  # of a library that draws; what goes wrong on the disk comes after
            logger.warning("probe %d of step %d could not be drawn: %r", number, step, problem)
        else:
            (folder / f"{number:03d}.png").write_bytes(image)
        if probe.get("polygon"):
            save_polygon(folder / f"{number:03d}-polygon.png", probe["polygon"], step=step)
    for number, (probe, each) in enumerate(zip(probes, maps, strict=False), start=1):
        on_heatmap()
        source, target = (probe["pieces"][side][:-1] for side in ("source", "target"))
        for name, content in render_maps(
            each.get_present(), source, target, title=make_title(probe, step), formats=["png"]
        ):
            (folder / f"{number:03d}-{name}").write_bytes(content)


def save_polygon(path: Path, polygon: dict[str, Any], *, step: int) -> None:
    """Writes the picture of a way through points; a warning where it cannot be drawn."""
    try:
        image = encode(draw_polygon(polygon, title=f"step {step}"), "png", dpi=120)
    except Exception as problem:  # of a library that draws
        logger.warning("%s of step %d could not be drawn: %r", path.name, step, problem)
    else:
        path.write_bytes(image)


def render_png(probe: dict[str, Any], *, step: int) -> bytes:
    """The heatmap of one probe as the content of a file."""
    return encode(plot_translation(probe, step=step), "png", dpi=120)


def plot_translation(probe: dict[str, Any], *, step: int) -> "Figure":
    """The heatmap of a probe's translation; gold links, or boxes, are outlined where it is the reference."""
    same = probe["target"][:-1] == probe["reference"].split()
    return plot_probe(probe, probe["weights"], probe["target"], make_title(probe, step), mark=same)


def plot_reference(probe: dict[str, Any], *, step: int) -> "Figure":
    """The heatmap of a probe's reference, which the model was made to produce; gold links, or boxes, are outlined."""
    forced = probe["forced"]
    return plot_probe(probe, forced["weights"], forced["target"], make_title(probe, step, ", reference"), mark=True)


def plot_probe(
    probe: dict[str, Any], weights: Sequence[Sequence[float]], target: Sequence[str], title: str, *, mark: bool
) -> "Figure":
    """A heatmap between words; that of a picture as one picture for each word. mark: outline what is known."""
    picture = read_picture_record(probe["picture"]) if probe.get("picture") else None
    if picture is not None and not picture.is_strip:
        boxes = parse_boxes(probe["boxes"], where="boxes") if mark and probe.get("boxes") else None
        return draw_picture_maps(picture, np.array(weights)[:-1, :-1], target[:-1], title=title, boxes=boxes)
    gold = parse_pharaoh_line(probe["gold"], where="gold") if mark and probe["gold"] is not None else None
    stair = probe.get("monotonic", False)
    return draw_heatmap(np.array(weights), probe["source"], target, title=title, gold=gold, stair=stair, strip=picture)


def explain_probe_size(probe: dict[str, Any], weights: Sequence[Sequence[float]]) -> str | None:
    """Why a probe would be too large to draw; None where it would not. Of pictures the first words are drawn."""
    if probe.get("picture") and not read_picture_record(probe["picture"]).is_strip:
        return None
    return explain_size(np.array(weights))


def make_title(probe: dict[str, Any], step: int, kind: str = "") -> str:
    """The step, what is drawn, and the sentence that is translated."""
    named = probe["picture"]["line"] if probe.get("picture") else " ".join(probe["source"][:-1])
    return f"step {step}{kind}: {named}"


def render_for_papers(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The names and contents of files with all heatmaps of a checkpoint, each as PDF and SVG: those of references with
    their gold links, and those of translations. Reads the numbers that `save_heatmaps` wrote, where there are any, and
    leaves out what is too large to be drawn."""
    for path in sorted((folder / "alignments").glob("*[0-9].json")):
        probe = json.loads(path.read_text(encoding="utf-8"))
        figures = {}
        if explain_probe_size(probe, probe["weights"]) is None:
            figures["translation"] = plot_translation(probe, step=probe["step"])
        if probe.get("forced") and explain_probe_size(probe, probe["forced"]["weights"]) is None:
            figures["reference"] = plot_reference(probe, step=probe["step"])
        for kind, figure in figures.items():
            yield f"alignment-{path.stem}-{kind}.pdf", encode(figure, "pdf")
            yield f"alignment-{path.stem}-{kind}.svg", encode(figure, "svg")
