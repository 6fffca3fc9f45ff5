"""From a choice of values to a run of nmt-train that is checked before it starts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from nmt import build, config
from nmt.comparison.plan import Job, assign_threads, check_job
from nmt.composition.compose import compose_settings, isolate_hydra
from nmt.composition.diagnostics import explain
from nmt.composition.overrides import quote
from nmt.composition.paths import find_config_folder
from nmt.composition.recipes import name_recipe_in_errors
from nmt.composition.spelling import warn_once
from nmt.errors import ConfigError, NmtError
from nmt.tuning.halving import plan_rungs
from nmt.tuning.ranges import SearchSpace, Value
from nmt.tuning.settings import Budget

TRIALS_FOLDER = "trials"

LENGTH_SETTINGS = (
    *("training.stop.steps", "training.stop.epochs"),
    *("training.validation.every_steps", "training.validation.every_epochs"),
)
"""Settings that the search sets itself: how long trials train, and when they are validated."""


class TrialPlan(NamedTuple):
    """What all trials share. words: of the command line. rungs: optimizer steps. every: steps from one validation to
    the next. metric: what decides. at_once, cpus: runs at once, and processors of one on another machine."""

    words: list[str]
    output: Path
    rungs: list[int]
    every: int
    metric: str
    at_once: int
    cpus: int | None
    checked_data: set[str]


def plan_trials(space: SearchSpace, budget: Budget, output: Path, at_once: int, cpus: int | None) -> TrialPlan:
    """What all trials share, once it is checked that each value of each setting can be trained with.

    With each value the other settings have their first. Raises ConfigError with the problems of all of them.
    """
    first = {axis.key: axis.probes[0] for axis in space.axes}
    training = compose_words([*space.words, *format_words(space, first)])["training"]
    stop, validation = training.get("stop") or {}, training.get("validation") or {}
    given = {word.partition("=")[0] for word in space.words}
    lengths = [key for key in ("training.stop.steps", "training.stop.epochs") if key in given]
    if lengths and (budget.rungs is not None or "training.stop.epochs" in lengths):
        raise ConfigError(
            f"{' and '.join(lengths)} cannot be given: tune.rungs says after how many optimizer steps the best trials "
            "go on and when the last end. Leave it out."
        )
    rungs, every = plan_rungs(budget.rungs, budget.keep, stop.get("steps"), validation.get("every_steps"))
    plan = TrialPlan(
        [word for word in space.words if word.partition("=")[0] not in LENGTH_SETTINGS],
        *(output, rungs, every, str(validation.get("metric", "bleu")), at_once, cpus, set()),
    )
    problems: dict[tuple[str, ...], list[str]] = {}
    for axis in space.axes:
        for value in axis.probes:
            try:
                plan_run(plan, output / "none", format_words(space, {**first, axis.key: value}), rungs[0], "trial")
            except NmtError as problem:
                problems.setdefault(tuple(map(str, problem.args)), []).append(axis.format_word(value))
    if problems:
        total = sum(len(axis.probes) for axis in space.axes)
        raise ConfigError(
            *(
                line
                for lines, words in problems.items()
                for line in ([] if len(words) == total else [f"{', '.join(words)}:"]) + [*lines]
            )
        )
    return plan


def find_trial_folder(output: Path, number: int) -> Path:
    """The run folder of a trial."""
    return output / TRIALS_FOLDER / f"{number:03}"


def format_words(space: SearchSpace, values: Mapping[str, Value]) -> list[str]:
    """The overrides that set what is searched."""
    return [axis.format_word(values[axis.key]) for axis in space.axes]


def compose_words(words: Sequence[str]) -> dict[str, Any]:
    """What nmt-train would be given, unchecked. Raises ConfigError with the command's message."""
    with isolate_hydra(), warn_once(), initialize_config_dir(find_config_folder(), version_base="1.3"):
        try:
            return compose_settings(words)
        except (HydraException, OmegaConfBaseException) as problem:
            raise ConfigError(*explain(problem, "train", words).split("\n")) from None


def plan_run(plan: TrialPlan, folder: Path, chosen: Sequence[str], rung: int, label: str) -> Job:
    """A trial's run to a rung, checked as nmt-train would check it. Raises ConfigError.

    A schedule that ends with training ends with the last rung from the start, so that a trial that goes on is the same
    as one that was never stopped.
    """
    words = [*plan.words, *chosen, *pin_length(plan, rung)]
    settings = {**compose_words(words), "output": str(folder)}
    if (steps := find_schedule_length(settings, plan.rungs[-1])) is not None:
        settings["schedule"] = {**settings["schedule"], "steps": steps}
        words.append(f"schedule.steps={steps}")
    with name_recipe_in_errors(words):
        checked = config.check(settings, build.TRAIN)
    job = Job(label, checked["seed"], folder, checked, [*words, f"output={quote(str(folder))}"])
    check_job(job, plan.checked_data, on_this_machine=plan.cpus is None)
    return assign_threads(job, plan.at_once, plan.cpus)


def pin_length(plan: TrialPlan, rung: int) -> list[str]:
    """The overrides that end a run at a rung and validate all trials at the same steps."""
    values = (rung, "null", plan.every, "null")
    return [f"{key}={value}" for key, value in zip(LENGTH_SETTINGS, values, strict=True)]


def find_schedule_length(settings: Mapping[str, Any], last: int) -> int | None:
    """The length, in a run to the last rung, of a schedule that has none of its own; None for others.

    It is what `CosineAnnealing.set_length` takes for such a run: its steps after those of the warm-up.
    """
    schedule = settings.get("schedule") or {}
    if "steps" not in schedule or schedule["steps"] is not None:
        return None
    return max(1, last - max(1, int(schedule.get("warmup_steps") or 0)))
