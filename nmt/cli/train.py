"""nmt-train: from raw parallel text to a run folder with a model, its scores, and pictures of its attention."""

import sys
from typing import Any

from nmt import config
from nmt.cli.application import (
    USAGE_STATUS,
    exit_with_usage,
    explain_output_problem,
    require_arguments,
    run_command,
)
from nmt.comparison.processes import end_with_parent
from nmt.composition.base import choose_groups, find_base, merge_base, read_base
from nmt.composition.overrides import TRAINING_ALIASES
from nmt.composition.recipes import name_recipe_in_errors, prepare_recipe
from nmt.composition.spelling import use_new_names
from nmt.errors import NmtError, RankError
from nmt.exhaustion import explain_exhaustion
from nmt.launch import Launch, read_launch
from nmt.printable import escape_controls, print_text
from nmt.runs.outcome import RunResult
from nmt.runs.summary import find_finished_run, format_outcome, get_output_folder


def main() -> None:
    """The command line: see `nmt-train --help`."""
    end_with_parent()
    require_arguments("train", "nmt-train experiment=quickstart")
    command = sys.argv[1:]
    try:
        words = use_new_names(command)
        with prepare_recipe(words) as composable:
            folder = find_base(words)
            base = None if folder is None else read_base(folder)
            sys.argv[1:] = composable if base is None else choose_groups(composable, base)

            def begin_task(composed: dict[str, Any]) -> None:
                sys.argv[1:] = command  # which run.json repeats
                with name_recipe_in_errors(words):
                    run_task(composed if base is None else merge_base(composed, base, composable))

            run_command("train", begin_task, aliases=TRAINING_ALIASES)
    except NmtError as problem:
        exit_with_usage("train", *map(str, problem.args))
    except OSError as problem:
        exit_with_usage("train", *explain_output_problem(problem))


def run_task(composed: dict[str, Any]) -> None:
    """Checks everything, trains, and prints the scores. Of several processes, the first prints them."""
    launch = read_launch()
    if (outcome := find_finished_run(composed)) is not None:
        if launch.rank:
            return
        finished = f"{outcome.folder} is finished; higher limits (training.stop) go on with it."
        print_text(escape_controls(finished), "stderr")
        print_text(format_outcome(outcome))
        return

    outcome = train_as_other(composed, launch) if launch.rank else train(composed)
    if not launch.rank:
        print_text(format_outcome(outcome))
    if outcome.status:
        raise SystemExit(outcome.status)


def train(composed: dict[str, Any]) -> RunResult:
    """Trains with these settings, once they are checked."""
    from nmt import build
    from nmt.runs.training_run import run

    settings = config.check(composed, build.TRAIN)
    return run(settings, get_output_folder(settings))


def train_as_other(composed: dict[str, Any], launch: Launch) -> RunResult:
    """`train`, in a process that is not the first of several: it says only what is wrong with itself, and its rank."""
    try:
        return train(composed)
    except RankError:
        raise SystemExit(USAGE_STATUS) from None
    except NmtError as problem:
        lines = [*map(str, problem.args)]
    except Exception as problem:
        if (text := explain_exhaustion(problem)) is None:
            raise
        lines = [text]
    print_text(f"nmt-train: process {launch.rank}: " + "\n".join(map(escape_controls, lines)), "stderr")
    raise SystemExit(USAGE_STATUS)


if __name__ == "__main__":
    main()
