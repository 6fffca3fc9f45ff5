"""A search for settings from its words to its best: what nmt-tune and `nmt.tune` do.

All trials train to the first rung, a few at a time, each drawn in the light of those before. Then the best go on to the
next rung, from their own checkpoints, and the others are closed.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmt import config
from nmt.comparison.compare import ComparisonInterrupt
from nmt.errors import ConfigError, TrainingError
from nmt.runs.summary import check_own_folder
from nmt.tuning.ranges import SearchSpace, parse_space
from nmt.tuning.settings import TuneSettings, check_spelling

if TYPE_CHECKING:
    from nmt.comparison.launchers import Launcher
    from nmt.comparison.plan import Job
    from nmt.report.tuning import Tuning
    from nmt.tuning.study import Trial, TuningStudy
    from nmt.tuning.trials import TrialPlan

MAX_FAILURES = 5
"""Trials in a row that may fail before the search does."""

MAX_ILLEGAL = 100
"""Draws in a row that may be no legal combination of settings."""


def tune_settings(settings: TuneSettings, words: Sequence[str], command: str) -> "Tuning":
    """Checks what is searched, trains what is not trained, and writes the results. `command` is told in them.

    Raises ConfigError for settings that are wrong, before anything is trained; TrainingError where trial after trial
    fails; and ComparisonInterrupt.
    """
    space = parse_space(words)  # before what takes seconds to import

    from nmt.tuning.study import STUDY_FILE, TuningStudy, check_installed

    check_installed()
    check_spelling([*space.words, *(f"{axis.key}=" for axis in space.axes)])

    from nmt.comparison.launchers import LAUNCHER
    from nmt.storage.files import remove_unfinished
    from nmt.storage.run_lock import lock
    from nmt.tuning.objective import find_direction
    from nmt.tuning.results import OUTPUT_FILES, collect_tuning, write_tuning
    from nmt.tuning.trials import plan_trials

    output = Path(settings.output)
    if not os.path.lexists(output / STUDY_FILE):
        check_own_folder(output, "outputs/tune/mine")
        check_output_is_free(output)
    launcher = config.build_variant(
        LAUNCHER, config.check({"launcher": settings.launcher}, {"launcher": LAUNCHER})["launcher"]
    )
    launcher.check()
    plan = plan_trials(space, settings.tune, output, settings.jobs, launcher.cpus)
    about = {
        "settings": sorted([*plan.words, *map(repr, space.axes)]),
        "tune.rungs": plan.rungs,
        "tune.keep": settings.tune.keep,
        "tune.seed": settings.tune.seed,
    }
    with lock(output):
        remove_unfinished(output, OUTPUT_FILES)
        study = TuningStudy(output, space.axes, find_direction(plan.metric), about)
        TuningSearch(settings, space, plan, study, launcher).run()
        tuning = collect_tuning(study, space, plan, command)
        write_tuning(tuning, plan)
    return tuning


def check_output_is_free(output: Path) -> None:
    """Raises ConfigError where the search would overwrite what is not its own: a run, or somebody's files."""
    from nmt.runs import run_folder
    from nmt.tuning.results import OUTPUT_FILES
    from nmt.tuning.trials import TRIALS_FOLDER

    existing = [name for name in (*OUTPUT_FILES, TRIALS_FOLDER, run_folder.FIGURES) if os.path.lexists(output / name)]
    if run_folder.is_run_folder(output) or existing:
        contents = "a run of nmt-train" if run_folder.is_run_folder(output) else ", ".join(existing)
        raise ConfigError(
            f"{output} holds {contents}, which a search would overwrite. Choose another output=..., or move that away."
        )


class TuningSearch:
    """The search at work. Whatever it has done is in the study and in the folders of the runs, so that one that was
    killed goes on where it was."""

    def __init__(
        self,
        settings: TuneSettings,
        space: SearchSpace,
        plan: "TrialPlan",
        study: "TuningStudy",
        launcher: "Launcher",
    ) -> None:
        self.budget, self.at_once = settings.tune, settings.jobs
        self.space, self.plan, self.study, self.launcher = space, plan, study, launcher
        self.failures = 0

    def run(self) -> None:
        """All rungs. Raises TrainingError where nothing can be trained, and ComparisonInterrupt."""
        first, *others = self.plan.rungs
        while batch := self.draw_batch():
            self.train(batch, first)
        for below, rung in zip([first, *others], others, strict=False):
            self.train(self.promote(below, rung), rung)
        for trial in self.study.list_trials():
            if trial.is_open:
                self.study.close(trial, complete=self.plan.rungs[-1] in trial.scores)

    def draw_batch(self) -> "list[Trial]":
        """The trials that train to the first rung next, `jobs` at most: new ones, or those that were interrupted."""
        trials = self.study.list_trials()
        last = max((trial.batch for trial in trials), default=-1)
        members = [trial for trial in trials if trial.batch == last and trial.failure is None]
        waiting = [trial for trial in trials if trial.is_open and not trial.scores]
        begun = [trial for trial in members if trial.scores]
        if waiting and (begun or any(trial.batch != last for trial in waiting)):
            return waiting
        batch = last if waiting else last + 1
        wanted = min(self.budget.trials, self.space.size)
        while len(waiting) < self.at_once and count_trained(self.study.list_trials()) < wanted:
            if not self.draw(batch):
                break
            waiting = [trial for trial in self.study.list_trials() if trial.is_open and not trial.scores]
        return waiting

    def draw(self, batch: int) -> bool:
        """Adds a trial whose settings can be trained with; False where all that is left cannot.

        Raises ConfigError where draw after draw cannot.
        """
        from nmt.errors import NmtError
        from nmt.tuning.trials import format_words, plan_run

        reason = ""
        for _ in range(MAX_ILLEGAL):
            if len(self.study.list_trials()) >= self.space.size:
                return False
            values = self.study.draw(self.budget.seed)
            try:
                plan_run(
                    self.plan, self.plan.output / "none", format_words(self.space, values), self.plan.rungs[0], "trial"
                )
            except NmtError as problem:
                reason = str(problem.args[0]) if problem.args else ""
                self.study.add(values, batch, failure=f"illegal: {reason}")
                continue
            self.study.add(values, batch)
            return True
        raise ConfigError(
            f"The last {MAX_ILLEGAL} combinations that were drawn cannot be trained. The last problem: {reason} Give "
            "ranges whose values fit together."
        )

    def promote(self, below: int, rung: int) -> "list[Trial]":
        """Closes the trials that do not go on from a rung; returns those that do and are not there yet."""
        from nmt.tuning.halving import choose_survivors

        trials = [trial for trial in self.study.list_trials() if below in trial.scores and trial.failure is None]
        survivors = choose_survivors(
            {trial.number: trial.scores[below] for trial in trials},
            self.budget.keep,
            promoted=frozenset(trial.number for trial in trials if max(trial.scores) > below),
            closed=frozenset(trial.number for trial in trials if not trial.is_open),
        )
        for trial in trials:
            if trial.is_open and trial.number not in survivors:
                self.study.close(trial)
        return [trial for trial in trials if trial.is_open and trial.number in survivors and rung not in trial.scores]

    def train(self, trials: "Sequence[Trial]", rung: int) -> None:
        """Trains trials to a rung and writes down what they came to. Raises ComparisonInterrupt and TrainingError."""
        if not trials:
            return
        jobs = [self.plan_job(trial, rung) for trial in trials]
        signal_number = self.launcher.work(jobs, at_once=self.at_once)
        if signal_number:
            raise ComparisonInterrupt(signal_number)
        for trial, job in zip(trials, jobs, strict=True):
            self.record(trial, job, rung)

    def plan_job(self, trial: "Trial", rung: int) -> "Job":
        """A trial's run to a rung."""
        from nmt.tuning.trials import find_trial_folder, format_words, plan_run

        folder = find_trial_folder(self.plan.output, trial.number)
        return plan_run(
            self.plan, folder, format_words(self.space, trial.values), rung, f"trial {trial.number} to step {rung}"
        )

    def record(self, trial: "Trial", job: "Job", rung: int) -> None:
        """Writes down a trial's score at a rung, or why it has none. Raises TrainingError where too many have none."""
        from nmt.comparison.results import read_result
        from nmt.tuning.objective import read_score

        failure = read_result(job).failure
        score = None if failure else read_score(job.folder, self.plan.metric, rung)
        if score is not None:
            self.failures = 0
            self.study.report(trial, rung, score)
            return
        reason = failure or f"no validation has a finite {self.plan.metric}"
        self.study.fail(trial, reason)
        self.failures += 1
        if self.failures >= MAX_FAILURES:
            raise TrainingError(
                f"The last {MAX_FAILURES} trials failed, the last in {job.folder}: {reason}. Look at its log, mend the "
                "reason, and search in another output=..."
            )


def count_trained(trials: "Sequence[Trial]") -> int:
    """How many trials count for `tune.trials`: all but those whose settings cannot be built."""
    return sum(trial.failure is None or not trial.failure.startswith("illegal: ") for trial in trials)
