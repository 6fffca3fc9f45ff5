"""What a checkpoint shows: heatmaps of the probe sentences, and the numbers behind them."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nmt.evaluation.alignment import parse_line
from nmt.report.formats import encode
from nmt.report.heatmap import heatmap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)


def draw(
    folder: Path,
    pictures: Sequence[dict[str, Any]],
    *,
    step: int,
    heed: Callable[[], object],
) -> None:
    """Writes 001.json, 001.png and so on for the probes. Gold links are drawn where the hypothesis is the reference.

    `heed` is called before each. A picture that cannot be drawn is missing, with a warning: days of training must not
    end for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, shown in enumerate(pictures, start=1):
        heed()
        numbers = json.dumps({"step": step, **shown}, ensure_ascii=False, separators=(",", ":"))
        (folder / f"{number:03d}.json").write_bytes(numbers.encode("utf-8", "backslashreplace"))
        try:
            drawn = png(shown, step=step)
        except Exception as problem:  # of a library that draws; what goes wrong on the disk comes after
            logger.warning("probe %d of step %d could not be drawn: %r", number, step, problem)
        else:
            (folder / f"{number:03d}.png").write_bytes(drawn)


def png(shown: dict[str, Any], *, step: int) -> bytes:
    """The heatmap of one probe as the content of a file."""
    return encode(translation(shown, step=step), "png", dpi=120)


def translation(shown: dict[str, Any], *, step: int) -> "Figure":
    """The heatmap of a probe's translation; gold links are outlined where it is the reference."""
    same = shown["target"][:-1] == shown["reference"].split()
    gold = parse_line(shown["gold"], where="gold") if same and shown["gold"] is not None else None
    return heatmap(np.array(shown["weights"]), shown["source"], shown["target"], title=f"step {step}", gold=gold)


def reference(shown: dict[str, Any], *, step: int) -> "Figure":
    """The heatmap of a probe's reference, which the model was made to produce; gold links are outlined."""
    gold = None if shown["gold"] is None else parse_line(shown["gold"], where="gold")
    forced = shown["forced"]
    title = f"step {step}, reference"
    return heatmap(np.array(forced["weights"]), shown["source"], forced["target"], title=title, gold=gold)


def for_papers(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The names and contents of files with all heatmaps of a checkpoint, each as PDF and SVG: those of references with
    their gold links, and those of translations. Reads the numbers that `draw` wrote; nothing where there are none."""
    for path in sorted((folder / "alignments").glob("*.json")):
        shown = json.loads(path.read_text(encoding="utf-8"))
        figures = {"translation": translation(shown, step=shown["step"])}
        if shown.get("forced"):
            figures["reference"] = reference(shown, step=shown["step"])
        for kind, figure in figures.items():
            yield f"alignment-{path.stem}-{kind}.pdf", encode(figure, "pdf")
            yield f"alignment-{path.stem}-{kind}.svg", encode(figure, "svg")
