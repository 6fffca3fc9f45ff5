"""What a run came to, and where a finished one says so: to be known before torch is imported."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from nmt.errors import CheckpointError
from nmt.runs import run_files
from nmt.storage import manifest
from nmt.storage.json_files import read_json


class RunResult(NamedTuple):
    """What a run came to. scores and alignment are those of the test set; `status` is the command's exit status;
    `divergence` says that training ended above the loss of guessing, and is empty where it did not; `faithfulness` has
    the measures of whether attention explains the translations, where that was asked for."""

    folder: Path
    reason: str
    scores: list[dict[str, Any]]
    alignment: dict[str, float]
    status: int = 0
    divergence: str = ""
    faithfulness: Mapping[str, float] = MappingProxyType({})


def read_run_result(folder: Path, settings: Mapping[str, Any]) -> RunResult | None:
    """What the finished run in `folder` came to, if these settings are its own and all that it hands on is there.

    None where there is something left to do, such as a report that was deleted, or a checkpoint that is damaged.
    """
    best, last = (folder / run_files.CHECKPOINTS / name for name in ("best", "last"))
    required_files = (folder / run_files.REPORT, best / "config.json", best / "model.safetensors")
    scores = folder / run_files.SCORES
    if settings.get("resume") == "never" or not (
        run_files.is_run_folder(folder) and all(map(Path.is_file, required_files))
    ):
        return None
    if not scores.is_file() or not run_files.is_finished(folder, settings):
        return None
    if manifest.find_problems(best) or (last.resolve() != best.resolve() and manifest.find_problems(last)):
        return None
    try:
        read = read_json(scores)
        found = [{key: score[key] for key in score} for score in read["test"]]
        alignment = {str(name): float(value) for name, value in read["alignment"].items()}
        faithfulness = {str(name): float(value) for name, value in read.get("faithfulness", {}).items()}
        is_complete = all({"name", "value", "signature"} <= score.keys() for score in found)
        divergence = str(read.get("divergence", ""))
        return (
            RunResult(folder, str(read["reason"]), found, alignment, 0, divergence, faithfulness)
            if found and is_complete
            else None
        )
    except (CheckpointError, ValueError, KeyError, TypeError, AttributeError):
        return None


def format_score(score: Mapping[str, Any]) -> str:
    """A score to two places; what is near 1, such as the ratio of two lengths, to four."""
    return f"{score['value']:.{4 if score['name'].endswith('ratio') else 2}f}"
