"""What a checkpoint shows: heatmaps of the probe sentences, and the numbers behind them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nmt.evaluation.alignment import parse_line
from nmt.report.heatmap import heatmap


def draw(folder: Path, pictures: Sequence[dict[str, Any]], *, step: int) -> None:
    """Writes 001.json, 001.png and so on for the probes. Gold links are drawn where the hypothesis is the reference."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, shown in enumerate(pictures, start=1):
        (folder / f"{number:03d}.json").write_text(
            json.dumps({"step": step, **shown}, ensure_ascii=False), encoding="utf-8"
        )
        same = shown["gold"] is not None and shown["target"][:-1] == shown["reference"].split()
        figure = heatmap(
            np.array(shown["weights"]),
            shown["source"],
            shown["target"],
            title=f"step {step}",
            gold=parse_line(shown["gold"], where="gold") if same else None,
        )
        figure.savefig(folder / f"{number:03d}.png", dpi=120)
