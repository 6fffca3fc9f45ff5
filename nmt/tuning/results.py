"""What a search came to: read from its study and the folders of its trials, and written as tables, recipe and page."""

from pathlib import Path

from nmt.errors import NmtError, TrainingError
from nmt.report.about import format_now
from nmt.report.tuning import State, TrialRow, Tuning, format_json, format_text
from nmt.runs import run_folder
from nmt.runs.report import logger
from nmt.storage.files import explain_disk_errors, read_json, write_atomically
from nmt.tuning.best import format_recipe
from nmt.tuning.objective import convert_score, find_direction
from nmt.tuning.ranges import SearchSpace
from nmt.tuning.study import Trial, TuningStudy
from nmt.tuning.trials import TrialPlan, find_trial_folder, format_words, plan_run

BEST_FILE, JSON_FILE, TEXT_FILE = "best.yaml", "tune.json", "tune.txt"

OUTPUT_FILES = (BEST_FILE, JSON_FILE, TEXT_FILE, run_folder.REPORT)
"""What a search writes into its folder, beside the study, figures and runs."""


def collect_tuning(study: TuningStudy, space: SearchSpace, plan: TrialPlan, command: str) -> Tuning:
    """All trials, the best first. Raises TrainingError where none came to a score."""
    direction = find_direction(plan.metric)
    trials = sorted(study.list_trials(), key=rank_trial)
    rows = [build_row(trial, study, space, plan) for trial in trials]
    if not rows or not rows[0].scores:
        raise TrainingError(
            f"No trial in {plan.output} came to a score. The last problem: "
            f"{rows[-1].failure if rows else 'none began'}."
        )
    importances = study.compute_importances(plan.rungs[0])
    axes: dict[str, str] = {axis.key: axis.kind for axis in space.axes}
    return Tuning(
        command,
        str(plan.output),
        plan.metric,
        direction,
        list(plan.rungs),
        axes,
        rows,
        importances,
        created=format_now(),
    )


def rank_trial(trial: Trial) -> tuple[float, ...]:
    """Sorts trials: those of later rungs first, in a rung the larger score, of equals the earlier."""
    if not trial.scores:
        return (1.0, 0.0, float(trial.number))
    return (-float(max(trial.scores)), -trial.scores[max(trial.scores)], float(trial.number))


def build_row(trial: Trial, study: TuningStudy, space: SearchSpace, plan: TrialPlan) -> TrialRow:
    """A trial as tables and pictures have it."""
    folder = find_trial_folder(plan.output, trial.number)
    state: State = "failed" if trial.failure else "complete" if trial.is_complete else "closed"
    scores = {step: convert_score(score, study.direction) for step, score in sorted(trial.scores.items())}
    words = format_words(space, trial.values)
    return TrialRow(
        trial.number, dict(trial.values), words, scores, state, str(folder), trial.failure, read_test_scores(folder)
    )


def read_test_scores(folder: Path) -> dict[str, float]:
    """The scores of the test split, by name, of a run that has them."""
    try:
        return {str(score["name"]): float(score["value"]) for score in read_json(folder / run_folder.SCORES)["test"]}
    except (NmtError, KeyError, TypeError, ValueError):
        return {}


def build_recipe(tuning: Tuning, plan: TrialPlan) -> str:
    """The settings of the best trial, trained to the last rung, as a recipe for `experiment=`."""
    best = tuning.best
    job = plan_run(plan, Path(best.folder), best.words, plan.rungs[-1], "best")
    return format_recipe(job.settings, tuning)


def write_tuning(tuning: Tuning, plan: TrialPlan) -> None:
    """Writes best.yaml, the tables, the page and the figures; what cannot be drawn is missing, with a warning."""
    output = plan.output
    write_atomically(output / BEST_FILE, build_recipe(tuning, plan))
    write_atomically(output / JSON_FILE, format_json(tuning))
    write_atomically(output / TEXT_FILE, format_text(tuning).encode("utf-8", "backslashreplace"))
    try:
        from nmt.report.formats import encode
        from nmt.report.tuning_figures import build_figures
        from nmt.report.tuning_page import render_page

        page = render_page(tuning)
        pictures = {
            f"{name}.{ending}": encode(figure, ending)
            for name, figure in build_figures(tuning).items()
            for ending in ("png", "pdf")
        }
    except Exception as problem:
        logger.warning("the pictures of %s could not be drawn: %r", output, problem)
        return
    write_atomically(output / run_folder.REPORT, page)
    place = output / run_folder.FIGURES
    with explain_disk_errors("write", place):
        place.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        write_atomically(place / name, picture)
