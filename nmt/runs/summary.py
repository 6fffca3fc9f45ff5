"""What a run came to, for a person; and whether it came to it before. Known before torch is imported."""

import os
from pathlib import Path
from typing import Any

from nmt import config
from nmt.errors import ConfigError
from nmt.printable import escape_controls
from nmt.runs.outcome import RunResult, format_score, read_run_result
from nmt.runs.run_files import is_run_folder

SHOWN_MEASURES = ("flips", "flips_random", "permuted")
"""Measures of faithfulness that are told at once; the report has all."""


def find_finished_run(composed: dict[str, Any]) -> RunResult | None:
    """What the finished run of these settings came to, known before torch is imported; None where there is none.

    Raises CheckpointError where its text files have changed, and DataError where they cannot be read.
    """
    from nmt.data.corpus import Corpus, Files
    from nmt.runs.fingerprint import DATA, check_same_text

    data = composed.get("data")
    name = data.get("name") if isinstance(data, dict) else None
    if not isinstance(name, str) or name == "hub" or not isinstance(composed.get("output"), str):
        return None  # the hub's text takes time to look at; what is wrong is said later
    folder = get_output_folder(composed)
    if (outcome := read_run_result(folder, composed)) is None:
        return None
    last = folder / "checkpoints" / "last"
    if name == "files" and (last / DATA).exists():
        chosen = {key: value for key, value in composed["data"].items() if key != "name"}
        corpus: Corpus = config.build(Files, config.check(chosen, Files))
        corpus.check()
        check_same_text(last, corpus)
    return outcome


def get_output_folder(settings: dict[str, Any]) -> Path:
    """The run folder. Raises ConfigError where it has no name, or is no folder of its own."""
    if not settings["output"].strip():
        raise ConfigError("output= names no folder; write output=outputs/mine, or leave it out.")
    folder = Path(settings["output"])
    if not is_run_folder(folder):
        check_own_folder(folder, "outputs/mine")
    return folder


def check_own_folder(folder: Path, example: str) -> None:
    """Raises ConfigError for the current folder, those that it lies in, such as /, and the home folder: what is written
    there would lie among other files."""
    here, real = Path.cwd(), Path(os.path.realpath(folder))
    if real in (here, *here.parents, Path(os.path.realpath(os.path.expanduser("~")))):
        kind = "the current folder" if real == here else "a folder of many others"
        raise ConfigError(
            f"output={folder} is {kind}, {real}, and what is written needs one of its own. Write output={example}."
        )


def format_outcome(outcome: RunResult) -> str:
    """The result for a person, and where to look."""
    lines = [f"{score['name']:<16} {format_score(score):>6}   {score['signature']}" for score in outcome.scores]
    lines += [f"{name:<16} {value:6.3f}" for name, value in outcome.alignment.items()]
    lines += [
        f"{name:<16} {outcome.faithfulness[name]:6.3f}" for name in SHOWN_MEASURES if name in outcome.faithfulness
    ]
    setting = "" if outcome.status else f", as training.stop.{outcome.reason.split(' ')[0]} says"
    lines += [
        f"ended by         {outcome.reason}{setting}",
        f"run              {outcome.folder}",
    ]
    result_paths = {
        "model": outcome.folder / "checkpoints" / "best",
        "heatmaps": outcome.folder / "checkpoints" / "best" / "alignments",
        "report": outcome.folder / "report.html",
    }
    lines += [f"{name:<16} {path}" for name, path in result_paths.items() if path.exists()]
    if outcome.divergence:
        lines.append(f"{'diverged':<16} {outcome.divergence}")
    if outcome.status:
        lines.append("the same command goes on from here")
    return "\n".join(map(escape_controls, [*lines, *list_cautions(outcome)]))


def list_cautions(outcome: RunResult) -> list[str]:
    """What is wrong with a run that ended: it has not learnt to translate, or was still improving."""
    from nmt.evaluation.floor import explain_unlearnt
    from nmt.runs.improvement import ADVICE, is_still_improving

    if outcome.status:
        return []
    problem = explain_unlearnt({score["name"].split(" ", 1)[-1]: score["value"] for score in outcome.scores})
    lines = [] if problem is None else [f"not learnt       {problem}"]
    if is_still_improving(outcome.folder):
        lines.append(f"still improving  {ADVICE}")
    return lines
