"""The study: which trials there are, what they came to, and what is drawn next. Optuna keeps it in a file.

A trial is open (RUNNING) until it has reached the last rung (COMPLETE), or does not go on (PRUNED), or failed (FAIL).
What is drawn depends on `tune.seed`, the number of the trial, and what the trials before it came to: so a study that
was killed draws the same again.
"""

import importlib.util
import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt.errors import CheckpointError, ConfigError
from nmt.storage.files import explain_disk_errors
from nmt.tuning.objective import Direction, convert_score
from nmt.tuning.ranges import SearchAxis, SearchSpace, Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

STUDY_FILE = "study.journal"
"""Optuna's journal: one JSON object a line."""

STUDY_NAME = "nmt-tune"

MAX_DRAWS = 20
"""Draws after which a trial that is not there yet is chosen in order."""


class Trial(NamedTuple):
    """One choice of all that is searched. scores: by rung, more being better.

    batch: the trials that were drawn together have one number. failure: why it came to nothing.
    """

    number: int
    values: dict[str, Value]
    scores: dict[int, float]
    batch: int
    is_open: bool
    is_complete: bool
    failure: str | None


def check_installed() -> None:
    """Raises ConfigError where Optuna is missing."""
    if importlib.util.find_spec("optuna") is None:
        raise ConfigError("nmt-tune needs the package optuna. Install it: pip install 'optuna>=5.0'.")


class TuningStudy:
    """The study in a folder, which one process at a time has open.

    about: what must be the same when a study goes on, by name. Raises ConfigError where it is not, and CheckpointError
    where the file cannot be read.
    """

    def __init__(
        self, folder: Path, axes: Sequence[SearchAxis], direction: Direction, about: Mapping[str, Any]
    ) -> None:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.axes, self.direction = list(axes), direction
        path = folder / STUDY_FILE
        repair_journal(path)
        try:
            storage = JournalStorage(JournalFileBackend(str(path)))
            self.study: Study = optuna.create_study(
                storage=storage, study_name=STUDY_NAME, direction=direction, load_if_exists=True
            )
            before = self.study.user_attrs
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise CheckpointError(
                f"{path} cannot be read: {str(problem).splitlines()[0]}. Put back a sound copy, or choose another "
                "output=..."
            ) from problem
        for key, value in about.items():
            if before.get(key, value) != value:
                raise ConfigError(
                    f"{folder} holds a search with other {key}: was {before[key]}, now {value}. Choose another "
                    "output=..., or give the settings that it began with."
                )
            if key not in before:
                self.study.set_user_attr(key, value)

    def list_trials(self) -> list[Trial]:
        """All trials in their order."""
        return [self.read(frozen) for frozen in self.study.get_trials(deepcopy=False)]

    def read(self, frozen: "FrozenTrial") -> Trial:
        """A trial as we see it."""
        attributes = frozen.user_attrs
        scores = {step: convert_score(value, self.direction) for step, value in frozen.intermediate_values.items()}
        return Trial(
            frozen.number,
            dict(frozen.params),
            scores,
            attributes["batch"],
            not frozen.state.is_finished(),
            frozen.state.name == "COMPLETE",
            attributes.get("failure"),
        )

    def draw(self, seed: int) -> dict[str, Value]:
        """The values of the next trial, no two of which are alike as long as there are others."""
        trials = self.list_trials()
        taken = {tuple(trial.values[axis.key] for axis in self.axes) for trial in trials}
        for attempt in range(MAX_DRAWS):
            found = self.sample(trials, (seed, len(trials), attempt))
            if tuple(found.values()) not in taken:
                return found
        if (size := SearchSpace(self.axes, []).size) > len(taken) and math.isfinite(size):
            for values in itertools.product(*map(list_values, self.axes)):
                if values not in taken:
                    return {axis.key: value for axis, value in zip(self.axes, values, strict=True)}
        return found

    def sample(self, trials: Sequence[Trial], entropy: tuple[int, ...]) -> dict[str, Value]:
        """Values by the tree-structured Parzen estimator   (Bergstra et al. 2011; Watanabe 2023)

        A trial counts by its score at the last rung that it has reached, those of later rungs before those of earlier
        ones, as the sampler has it for trials that are pruned; one that has no score yet counts as a bad one.
        """
        import numpy as np
        import optuna
        from optuna.samplers import TPESampler
        from optuna.trial import TrialState, create_trial

        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        space = {axis.key: build_distribution(axis) for axis in self.axes}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(direction=self.direction, sampler=TPESampler(seed=seed))
            for trial in trials:
                scored = {step: convert_score(score, self.direction) for step, score in trial.scores.items()}
                if trial.failure is None:
                    state = TrialState.PRUNED if scored else TrialState.RUNNING
                    last = scored[max(scored)] if scored else None
                    study.add_trial(
                        create_trial(
                            state=state,
                            value=last,
                            params=dict(trial.values),
                            distributions=dict(space),
                            intermediate_values=scored,
                        )
                    )
            drawn = study.ask(dict(space)).params
        return {axis.key: axis.round(drawn[axis.key]) for axis in self.axes}

    def add(self, values: Mapping[str, Value], batch: int, failure: str | None = None) -> None:
        """Writes down a new trial, open unless it has failed before it began."""
        from optuna.trial import TrialState, create_trial

        attributes: dict[str, Any] = {"batch": batch, **({} if failure is None else {"failure": failure})}
        self.study.add_trial(
            create_trial(
                state=TrialState.RUNNING if failure is None else TrialState.FAIL,
                params=dict(values),
                distributions={axis.key: build_distribution(axis) for axis in self.axes},
                user_attrs=attributes,
            )
        )

    def report(self, trial: Trial, rung: int, score: float) -> None:
        """Writes down what a trial came to at a rung; nothing where that is known."""
        import optuna

        if rung not in trial.scores:
            frozen = self.study.get_trials(deepcopy=False)[trial.number]
            optuna.trial.Trial(self.study, frozen._trial_id).report(convert_score(score, self.direction), rung)

    def close(self, trial: Trial, *, complete: bool = False) -> None:
        """Ends a trial that does not go on, or has come to the end."""
        from optuna.trial import TrialState

        last = convert_score(trial.scores[max(trial.scores)], self.direction)
        if complete:
            self.study.tell(trial.number, last)
        else:
            self.study.tell(trial.number, state=TrialState.PRUNED)

    def fail(self, trial: Trial, reason: str) -> None:
        """Ends a trial that came to nothing."""
        import optuna
        from optuna.trial import TrialState

        frozen = self.study.get_trials(deepcopy=False)[trial.number]
        optuna.trial.Trial(self.study, frozen._trial_id).set_user_attr("failure", reason)
        self.study.tell(trial.number, state=TrialState.FAIL)

    def compute_importances(self, rung: int) -> dict[str, float]:
        """By setting, its share of what made trials differ at a rung, largest first   (PED-ANOVA, Watanabe et al. 2023)

        Nothing where there are too few trials to tell.
        """
        import optuna
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
        from optuna.trial import create_trial

        space = {axis.key: build_distribution(axis) for axis in self.axes}
        trials = [trial for trial in self.list_trials() if rung in trial.scores]
        if len(trials) < 4 or len({trial.scores[rung] for trial in trials}) < 2 or len(self.axes) < 2:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = optuna.create_study(direction=self.direction)
            for trial in trials:
                value = convert_score(trial.scores[rung], self.direction)
                study.add_trial(create_trial(value=value, params=dict(trial.values), distributions=dict(space)))
            try:
                found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
            except (ValueError, RuntimeError):  # such as a setting that has one value in all trials
                return {}
        return {key: float(value) for key, value in found.items() if math.isfinite(value)}


def build_distribution(axis: SearchAxis) -> "BaseDistribution":
    """An axis as Optuna has it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if axis.kind == "choice":
        return CategoricalDistribution(axis.choices)
    if axis.kind in ("int", "log_int"):
        return IntDistribution(int(axis.low), int(axis.high), log=axis.kind == "log_int", step=axis.step)
    return FloatDistribution(axis.low, axis.high, log=axis.kind == "log")


def list_values(axis: SearchAxis) -> list[Value]:
    """All values of an axis that has a countable number of them."""
    if axis.kind == "choice":
        return list(axis.choices)
    return list(range(int(axis.low), int(axis.high) + 1, axis.step))


def repair_journal(path: Path) -> None:
    """Takes away a last line that a full disk or a loss of power cut, and a lock that a killed process left: what the
    line said is found in the folders of the runs. The caller holds the lock of the folder."""
    with explain_disk_errors("write", path):
        lock = Path(f"{path}.lock")
        if lock.is_symlink() or lock.exists():
            lock.unlink()
        if not path.exists():
            return
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            with path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
