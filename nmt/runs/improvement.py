"""Was a run still improving when it ended?"""

import math
from pathlib import Path

from nmt.runs import run_folder
from nmt.storage.yaml_files import parse_yaml
from nmt.training.loop import rank
from nmt.training.metrics_logger import METRICS, read_rows

ADVICE = "the best checkpoint is the last one, so that training longer (training.stop) may give a better model"


def is_still_improving(folder: Path) -> bool:
    """Whether the last validation of a run was its best, which is never so where training.stop.patience ended it.

    False for a run that was never validated, and where its folder does not say by what the best is chosen.
    """
    found = [row for row in read_rows(folder / METRICS, warn=False) if row["kind"] == "validation"]
    metric = read_metric(folder / run_folder.CONFIG)
    if not found or metric is None or metric not in found[-1]:
        return False
    # Numbers that are not finite are absent; a validation without the metric was not the best.
    ranks = [rank({"loss": math.inf, **row}, metric) for row in found if metric in row]
    return all(earlier < ranks[-1] for earlier in ranks[:-1])  # of equals the earlier is the best


def read_metric(config: Path) -> str | None:
    """What the best checkpoint of a run is chosen by; None where its configuration does not say."""
    try:
        settings = parse_yaml(config.read_text(encoding="utf-8")).value
        metric = settings["training"]["validation"]["metric"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return metric if isinstance(metric, str) else None
