"""What a checkpoint shows: heatmaps of the probe sentences, and the numbers behind them."""

import io
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nmt.evaluation.alignment import parse_line
from nmt.report.heatmap import heatmap

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
    same = shown["gold"] is not None and shown["target"][:-1] == shown["reference"].split()
    figure = heatmap(
        np.array(shown["weights"]),
        shown["source"],
        shown["target"],
        title=f"step {step}",
        gold=parse_line(shown["gold"], where="gold") if same else None,
    )
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()
