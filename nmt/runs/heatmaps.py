"""What a checkpoint shows: heatmaps of the probe sentences, and the numbers behind them."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nmt.evaluation.alignment import parse_pharaoh_line
from nmt.report.formats import encode
from nmt.report.heatmap import draw_heatmap, explain_size
from nmt.report.map_grid import render_maps
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
        if (reason := explain_size(np.array(probe["weights"]))) is not None:
            logger.warning("probe %d of step %d is not drawn: %s", number, step, reason)
            continue
        try:
            image = render_png(probe, step=step)
        except Exception as problem:  # of a library that draws; what goes wrong on the disk comes after
            logger.warning("probe %d of step %d could not be drawn: %r", number, step, problem)
        else:
            (folder / f"{number:03d}.png").write_bytes(image)
    for number, (probe, each) in enumerate(zip(probes, maps, strict=False), start=1):
        on_heatmap()
        source, target = (probe["pieces"][side][:-1] for side in ("source", "target"))
        for name, content in render_maps(
            each.get_present(), source, target, title=make_title(probe, step), formats=["png"]
        ):
            (folder / f"{number:03d}-{name}").write_bytes(content)


def render_png(probe: dict[str, Any], *, step: int) -> bytes:
    """The heatmap of one probe as the content of a file."""
    return encode(plot_translation(probe, step=step), "png", dpi=120)


def plot_translation(probe: dict[str, Any], *, step: int) -> "Figure":
    """The heatmap of a probe's translation; gold links are outlined where it is the reference."""
    same = probe["target"][:-1] == probe["reference"].split()
    gold = parse_pharaoh_line(probe["gold"], where="gold") if same and probe["gold"] is not None else None
    return draw_heatmap(
        np.array(probe["weights"]),
        probe["source"],
        probe["target"],
        title=make_title(probe, step),
        gold=gold,
        stair=probe.get("monotonic", False),
    )


def plot_reference(probe: dict[str, Any], *, step: int) -> "Figure":
    """The heatmap of a probe's reference, which the model was made to produce; gold links are outlined."""
    gold = None if probe["gold"] is None else parse_pharaoh_line(probe["gold"], where="gold")
    forced = probe["forced"]
    title = make_title(probe, step, ", reference")
    return draw_heatmap(
        np.array(forced["weights"]),
        probe["source"],
        forced["target"],
        title=title,
        gold=gold,
        stair=probe.get("monotonic", False),
    )


def make_title(probe: dict[str, Any], step: int, kind: str = "") -> str:
    """The step, what is drawn, and the sentence that is translated."""
    return f"step {step}{kind}: {' '.join(probe['source'][:-1])}"


def render_for_papers(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The names and contents of files with all heatmaps of a checkpoint, each as PDF and SVG: those of references with
    their gold links, and those of translations. Reads the numbers that `save_heatmaps` wrote, where there are any, and
    leaves out what is too large to be drawn."""
    for path in sorted((folder / "alignments").glob("*[0-9].json")):
        probe = json.loads(path.read_text(encoding="utf-8"))
        figures = {}
        if explain_size(np.array(probe["weights"])) is None:
            figures["translation"] = plot_translation(probe, step=probe["step"])
        if probe.get("forced") and explain_size(np.array(probe["forced"]["weights"])) is None:
            figures["reference"] = plot_reference(probe, step=probe["step"])
        for kind, figure in figures.items():
            yield f"alignment-{path.stem}-{kind}.pdf", encode(figure, "pdf")
            yield f"alignment-{path.stem}-{kind}.svg", encode(figure, "svg")
