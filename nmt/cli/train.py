"""nmt-train: from raw parallel text to a run folder with a model, its scores, and pictures of its attention."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.cli.door import asked, open_door
from nmt.cli.processes import end_with_parent
from nmt.errors import ConfigError
from nmt.printable import print_text

if TYPE_CHECKING:
    from nmt.cli.training_run import Outcome


def main() -> None:
    """The command line: see `nmt-train --help`."""
    end_with_parent()
    asked("train", "nmt-train experiment=quickstart")
    open_door("train", task)


def task(composed: dict[str, Any]) -> None:
    """Checks everything, trains, and prints the scores."""
    from nmt import build, config
    from nmt.cli.training_run import run

    settings = config.check(composed, build.TRAIN)
    outcome = run(settings, output(settings))
    print_text(table(outcome))
    if outcome.status:
        raise SystemExit(outcome.status)


def output(settings: dict[str, Any]) -> Path:
    """The run folder; in a sweep, a folder for each job below it. Raises ConfigError where it has no name."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        return Path(HydraConfig.get().runtime.output_dir)
    if not settings["output"].strip():
        raise ConfigError("output= names no folder; write output=outputs/mine, or leave it out.")
    return Path(settings["output"])


def table(outcome: "Outcome") -> str:
    """The result for a person, and where to look."""
    lines = [f"{score['name']:<16} {score['value']:6.2f}   {score['signature']}" for score in outcome.scores]
    lines += [f"{name:<16} {value:6.3f}" for name, value in outcome.alignment.items()]
    setting = "" if outcome.status else f", as training.stop.{outcome.reason.split(' ')[0]} says"
    lines += [
        f"ended by         {outcome.reason}{setting}",
        f"run              {outcome.folder}",
    ]
    places = {
        "model": outcome.folder / "checkpoints" / "best",
        "heatmaps": outcome.folder / "checkpoints" / "best" / "alignments",
        "report": outcome.folder / "report.html",
    }
    lines += [f"{name:<16} {path}" for name, path in places.items() if path.exists()]
    if outcome.status:
        lines.append("the same command goes on from here")
    return "\n".join([*lines, *cautions(outcome)])


def cautions(outcome: "Outcome") -> list[str]:
    """What is wrong with a run that ended: it has not learnt to translate, or was still improving."""
    from nmt.evaluation.floor import explain_unlearnt
    from nmt.training.improvement import ADVICE, is_still_improving

    if outcome.status:
        return []
    problem = explain_unlearnt({score["name"].split(" ", 1)[-1]: score["value"] for score in outcome.scores})
    lines = [] if problem is None else [f"not learnt       {problem}"]
    if is_still_improving(outcome.folder):
        lines.append(f"still improving  {ADVICE}")
    return lines


if __name__ == "__main__":
    main()
