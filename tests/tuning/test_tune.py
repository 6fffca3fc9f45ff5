"""nmt-tune: a search with an objective that a formula gives, killed and not, and with real runs."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt.cli import tune as command
from nmt.comparison import local, results
from nmt.comparison.compare import ComparisonInterrupt
from nmt.comparison.plan import Job
from nmt.composition.compose import compose_training
from nmt.errors import ConfigError, NmtError, TrainingError
from nmt.report.comparison import RunScores
from nmt.report.tuning import Tuning
from nmt.runs.run_files import find_changed_settings
from nmt.storage.files import write_atomically
from nmt.training.schedule import CosineAnnealing
from nmt.tuning import trials, tune
from nmt.tuning.objective import find_direction, read_score
from nmt.tuning.ranges import parse_space
from nmt.tuning.results import collect_tuning
from nmt.tuning.settings import Budget, TuneSettings
from nmt.tuning.study import STUDY_FILE, TuningStudy, repair_journal
from nmt.tuning.trials import TrialPlan, find_schedule_length
from tests import tiny_runs

pytest.importorskip("optuna")

WORDS = ["optimizer.learning_rate=log(1e-4,1e-1)", "attention=dot,additive"]
RUNGS = [4, 8, 16]


class KilledError(Exception):
    """In place of SIGKILL: nothing of the process goes on."""


class FormulaLauncher:
    """Trains nothing: the score of a run is a formula of its settings and its steps. Dies after so many runs."""

    cpus = None

    def __init__(self, dies_after: int | None = None) -> None:
        self.dies_after = dies_after
        self.runs: list[tuple[str, int]] = []

    def check(self) -> None:
        pass

    def work(self, jobs: Sequence[Job], *, at_once: int) -> int:
        for job in jobs:
            if self.dies_after is not None and len(self.runs) >= self.dies_after:
                raise KilledError
            rate, steps = job.settings["rate"], job.settings["steps"]
            score = 50 - 10 * abs(math.log10(rate) + 2) + 5 * job.settings["additive"] - 16 / steps
            job.folder.mkdir(parents=True, exist_ok=True)
            row = {"kind": "validation", "step": steps, "epoch": 1, "bleu": score, "loss": 1.0}
            with (job.folder / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
            self.runs.append((job.folder.name, steps))
        return 0


@pytest.fixture(autouse=True)
def formula(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Runs need no settings but those of the formula."""
    if "real" in request.node.name:
        return

    def plan_run(plan: TrialPlan, folder: Path, chosen: Sequence[str], rung: int, label: str) -> Job:
        values = dict(word.split("=") for word in chosen)
        rate, attention = float(values["optimizer.learning_rate"]), values["attention"]
        if rate > 0.05:
            raise ConfigError("the rate is absurd.")
        settings = {"rate": rate, "additive": attention == "additive", "steps": rung}
        return Job(label, 1, folder, settings, [*chosen])

    monkeypatch.setattr(trials, "plan_run", plan_run)
    monkeypatch.setattr(results, "read_result", lambda job: RunScores(job.seed, str(job.folder)))


def search(folder: Path, launcher: FormulaLauncher, trials: int = 9, jobs: int = 1, **about: Any) -> Tuning:
    """A whole search of WORDS, or what is left of one."""
    space = parse_space(WORDS)
    settings = TuneSettings(output=str(folder), jobs=jobs, tune=Budget(trials=trials, rungs=RUNGS))
    plan = TrialPlan([], folder, RUNGS, 4, "bleu", jobs, None, set())
    folder.mkdir(exist_ok=True)
    study = TuningStudy(folder, space.axes, "maximize", {"tune.rungs": RUNGS, **about})
    tune.TuningSearch(settings, space, plan, study, launcher).run()
    return collect_tuning(study, space, plan, "nmt-tune")


def describe(found: Tuning) -> list[tuple[int, dict[str, Any], dict[int, float], str]]:
    return [(trial.number, trial.values, trial.scores, trial.state) for trial in found.trials]


def test_the_best_go_on_and_the_others_end(tmp_path: Path) -> None:
    launcher = FormulaLauncher()
    found = search(tmp_path / "a", launcher)
    scored = [trial for trial in found.trials if trial.scores]
    assert [sum(rung in trial.scores for trial in scored) for rung in RUNGS] == [9, 3, 1]
    assert sorted(launcher.runs) == sorted({(f"{t.number:03}", rung) for t in scored for rung in t.scores})
    for below, rung in ((4, 8), (8, 16)):
        went = [trial.scores[below] for trial in scored if rung in trial.scores]
        ended = [trial.scores[below] for trial in scored if below in trial.scores and rung not in trial.scores]
        assert min(went) >= max(ended)
    assert [trial.state for trial in found.trials[:2]] == ["complete", "closed"]
    assert found.best.scores[16] == max(trial.scores.get(16, -math.inf) for trial in found.trials)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_search_that_is_killed_again_and_again_ends_the_same(tmp_path: Path, jobs: int) -> None:
    whole = search(tmp_path / "whole", FormulaLauncher(), jobs=jobs)
    runs: list[tuple[str, int]] = []
    for _ in range(20):
        launcher = FormulaLauncher(dies_after=3)
        try:
            found = search(tmp_path / "killed", launcher, jobs=jobs)
            break
        except KilledError:
            with (tmp_path / "killed" / STUDY_FILE).open("ab") as file:
                file.write(b'{"op_code":')  # as a loss of power leaves it
            (tmp_path / "killed" / f"{STUDY_FILE}.lock").symlink_to("nothing")
        finally:
            runs += launcher.runs
    assert describe(found) == describe(whole)
    if jobs == 1:
        assert len(runs) == len(set(runs)) == 13


def test_a_search_that_has_ended_trains_nothing_and_more_trials_go_on(tmp_path: Path) -> None:
    first = search(tmp_path / "a", FormulaLauncher())
    launcher = FormulaLauncher()
    assert describe(search(tmp_path / "a", launcher)) == describe(first)
    assert launcher.runs == []
    more = search(tmp_path / "a", launcher, trials=18)
    assert sum(4 in trial.scores for trial in more.trials) == 18
    assert sum(8 in trial.scores for trial in more.trials) == 6
    assert sum(16 in trial.scores for trial in more.trials) == 2


def test_settings_that_do_not_go_together_are_drawn_again_and_are_no_trials(tmp_path: Path) -> None:
    found = search(tmp_path / "a", FormulaLauncher(), trials=12)
    illegal = [trial for trial in found.trials if not trial.scores]
    assert sum(bool(trial.scores) for trial in found.trials) == 12
    assert all(trial.values["optimizer.learning_rate"] > 0.05 for trial in illegal)  # type: ignore[operator]
    assert all(trial.failure == "illegal: the rate is absurd." for trial in illegal)


def test_trials_that_all_fail_end_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "read_result", lambda job: RunScores(1, "", failure="the disk is full"))
    with pytest.raises(TrainingError, match=r"last 5 trials failed.*disk is full"):
        search(tmp_path / "a", FormulaLauncher())


def test_another_search_in_the_folder_is_refused(tmp_path: Path) -> None:
    search(tmp_path / "a", FormulaLauncher(), trials=2, settings=["x"])
    with pytest.raises(ConfigError, match=r"other settings: was"):
        search(tmp_path / "a", FormulaLauncher(), settings=["y"])


def test_a_finite_space_is_searched_without_repetition(tmp_path: Path) -> None:
    space = parse_space(["a=x,y", "b=int(1,3)"])
    study = TuningStudy(tmp_path, space.axes, "minimize", {})
    for number in range(6):
        study.add(study.draw(1), number)
    assert len({tuple(trial.values.values()) for trial in study.list_trials()}) == 6


def test_a_journal_that_is_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / STUDY_FILE).write_text("no journal\nat all\n")
    with pytest.raises(NmtError, match="cannot be read"):
        TuningStudy(tmp_path, [], "minimize", {})
    write_atomically(tmp_path / "b", b"one\ntwo")
    repair_journal(tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"one\n"


# The objective -----------------------------------------------------------------------------------------------------


def test_the_score_is_the_best_validation_so_far(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"kind": "validation", "step": 4, "epoch": 1, "bleu": 1.0, "loss": 3.0},
        {"kind": "train", "step": 5, "epoch": 1, "loss": 0.1},
        {"kind": "validation", "step": 8, "epoch": 1, "bleu": 0.5, "loss": 2.0},
        {"kind": "validation", "step": 12, "epoch": 1, "bleu": 9.0, "loss": 1.0},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_score(tmp_path, "bleu", 8) == pytest.approx(1.0)
    assert read_score(tmp_path, "bleu", 12) == pytest.approx(9.0)
    assert read_score(tmp_path, "loss", 8) == -2.0
    assert read_score(tmp_path, "bleu", 3) is None


@pytest.mark.parametrize(("metric", "direction"), [("bleu", "maximize"), ("loss", "minimize"), ("ratio", "minimize")])
def test_the_direction_is_that_of_checkpoints(metric: str, direction: str) -> None:
    assert find_direction(metric) == direction


@pytest.mark.parametrize("warmup", [0, 1, 7])
def test_a_schedule_that_ends_with_training_has_the_length_of_a_whole_run(warmup: int) -> None:
    whole = CosineAnnealing(warmup_steps=warmup)
    whole.set_length(40)
    settings = {"schedule": {"name": "cosine", "steps": None, "warmup_steps": warmup}}
    assert find_schedule_length(settings, 40) == whole.steps
    assert find_schedule_length({"schedule": {"name": "constant", "warmup_steps": 3}}, 40) is None
    assert find_schedule_length({"schedule": {"name": "cosine", "steps": 9}}, 40) is None


# Real runs ---------------------------------------------------------------------------------------------------------


def list_words(folder: Path, *more: str) -> list[str]:
    skipped = ("training.stop", "training.validation.every")
    words = [word for word in tiny_runs.BASE_OVERRIDES if not word.startswith(skipped)]
    return [*words, f"cache={folder / 'cache'}", *more]


def make_settings(folder: Path, **budget: Any) -> dict[str, Any]:
    return {"output": str(folder / "out"), "jobs": 1, "tune": {"trials": 3, "rungs": [2, 4], "keep": 2, **budget}}


@pytest.mark.usefixtures("unchecked_shapes")
def test_mistakes_are_told_before_real_runs_begin(tmp_path: Path) -> None:
    for words, message in (
        (["optimizer.learning_rat=log(1e-4,1e-2)"], "not a setting. Did you mean optimizer.learning_rate"),
        (["attention=bahdanau,bahdnau"], "attention=bahdnau:\n.*Did you mean bahdanau"),
        (["attention.heads=int(1,5)"], "attention.heads=5"),
        (["trials=3", "attention=bahdanau,luong_dot"], "write tune.trials=3"),
        (["training.stop.epochs=3", "attention=bahdanau,luong_general"], "training.stop.epochs cannot be given"),
    ):
        with pytest.raises(ConfigError, match=message):
            command.run_task(make_settings(tmp_path), list_words(tmp_path, *words), "nmt-tune")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").touch()
    with pytest.raises(ConfigError, match="would overwrite"):
        command.run_task(make_settings(tmp_path), list_words(tmp_path, "attention=bahdanau,none"), "nmt-tune")


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_shapes")
def test_real_runs_go_on_from_their_checkpoints_and_the_best_is_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process; a promoted trial is the same as a run that was never stopped."""
    import nmt

    def work(self: object, jobs: Sequence[Job], *, at_once: int) -> int:
        for job in jobs:
            nmt.train(*job.overrides)
        return 0

    monkeypatch.setattr(local.LocalLauncher, "work", work)
    words = list_words(
        tmp_path, "schedule=cosine", "schedule.warmup_steps=1", "optimizer.learning_rate=log(1e-3,1e-1)",
        "attention=luong_general,bahdanau", "training.validation.metric=loss",
    )  # fmt: skip
    command.run_task(make_settings(tmp_path), words, "nmt-tune all")
    told = capsys.readouterr().out
    assert told == (tmp_path / "out" / "tune.txt").read_text()
    found = json.loads((tmp_path / "out" / "tune.json").read_text())
    best = found["trials"][0]
    assert (found["best"], list(best["loss"])) == (best["number"], ["2", "4"])
    assert (tmp_path / "out" / "report.html").read_text().count("<circle") == 4
    assert (tmp_path / "out" / "figures" / "parallel.png").stat().st_size > 1000
    recipe = f"experiment={tmp_path / 'out' / 'best.yaml'}"
    trained = yaml.safe_load((Path(best["folder"]) / "config.yaml").read_text())
    composed = compose_training([recipe])
    assert find_changed_settings(trained, composed, ("output", "cache", "device", "threads", "resume")) == []
    whole = nmt.train(recipe, f"cache={tmp_path / 'cache'}", "threads=1", "device=cpu", output=tmp_path / "whole")
    weights = [folder / "checkpoints" / "best" / "model.safetensors" for folder in (whole.folder, Path(best["folder"]))]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_signal_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def interrupt(*_: object) -> Tuning:
        raise ComparisonInterrupt(15)

    monkeypatch.setattr(command, "tune_settings", interrupt)
    with pytest.raises(SystemExit) as left:
        command.run_task(make_settings(tmp_path), [], "nmt-tune")
    assert left.value.code == 143
    assert "the same command goes on from here" in capsys.readouterr().err
