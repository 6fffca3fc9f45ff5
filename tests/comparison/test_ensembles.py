"""Ensembles in a comparison: rows beside those of the variants, from folders that are not made twice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from nmt.cli import compare, evaluate
from nmt.comparison import ensembles, plan, results
from nmt.comparison.ensembles import EnsembleKind, EnsembleRow
from nmt.errors import ConfigError
from nmt.evaluation.validation import compute_forced_attention
from nmt.inference.inference import InferenceSettings, build_translator, load
from nmt.report.comparison import Comparison, RunScores, VariantScores, format_text
from nmt.runs import training_run
from nmt.runs.comparison_report import build_comparison_report
from tests.cli.test_compare import make_overrides, snapshot_files
from tests.commands import compose_command, read_lines
from tests.synthetic_light import lighten


class FinishedComparison(NamedTuple):
    """Finished runs of two variants and two seeds, and what they came to."""

    output: Path
    jobs: list[plan.Job]
    runs: dict[str, list[RunScores]]

    @property
    def baseline(self) -> str:
        return next(iter(self.runs))

    def build_rows(self, kind: EnsembleKind) -> list[VariantScores]:
        """Those of the ensembles alone."""
        return self.build_comparison(kind).variants[len(self.runs) :]

    def build_comparison(self, kind: EnsembleKind) -> Comparison:
        together = self.plan_ensembles(kind)
        further = ensembles.collect_ensembles(together)
        pairing = ensembles.pair_by_seed(together, further)
        return results.compare_runs({**self.runs, **further}, baseline=self.baseline, command="", paired=pairing)

    def plan_ensembles(self, kind: EnsembleKind) -> list[EnsembleRow]:
        return ensembles.plan_ensembles(self.jobs, kind, self.output)


@pytest.fixture(scope="module")
def compared(unchecked_shapes: None, tmp_path_factory: pytest.TempPathFactory) -> FinishedComparison:
    """To be read, and to be given ensembles only."""
    folder = tmp_path_factory.mktemp("compared")
    learning = ("optimizer.learning_rate=0.02", "training.stop.steps=20", "training.validation.every_steps=20")
    light = ("probes.sentences=0", "data.validation=2")
    given = make_overrides(
        folder, "model/decoder=luong,bahdanau", "device=cpu", "tokenizer.vocab_size=120", *learning, *light
    )
    jobs = plan.plan_jobs(given, seeds=[1, 2], output=folder / "out", at_once=1)
    with pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        patch.setattr("nmt.runs.results.write_run", lambda *given: None)  # which takes longer than all the rest
        for job in jobs:
            training_run.run(job.settings, job.folder)
    return FinishedComparison(folder / "out", jobs, results.collect_runs(jobs))


def plan_unmade_ensembles(
    kind: EnsembleKind, variants: tuple[str, ...] = ("a", "b"), seeds: tuple[int, ...] = (1, 2)
) -> list[EnsembleRow]:
    """The ensembles of runs that nobody made."""
    jobs = [plan.Job(v, seed, Path(v) / f"seed-{seed}", {}, []) for v in variants for seed in seeds]
    return ensembles.plan_ensembles(jobs, kind, Path("out"))


def test_which_runs_are_put_together() -> None:
    found = {
        each.folder.as_posix(): [job.folder.as_posix() for job in each.jobs] for each in plan_unmade_ensembles("both")
    }
    assert found == {
        "out/ensemble-of-seeds,a/seed-1+2": ["a/seed-1", "a/seed-2"],
        "out/ensemble-of-seeds,b/seed-1+2": ["b/seed-1", "b/seed-2"],
        "out/ensemble-of-variants/seed-1": ["a/seed-1", "b/seed-1"],
        "out/ensemble-of-variants/seed-2": ["a/seed-2", "b/seed-2"],
    }
    assert plan_unmade_ensembles("both") == plan_unmade_ensembles("seeds") + plan_unmade_ensembles("variants")
    assert plan_unmade_ensembles("none") == []
    assert (
        len(plan_unmade_ensembles("seeds", variants=("a",))) == len(plan_unmade_ensembles("variants", seeds=(1,))) == 1
    )


@pytest.mark.parametrize("kind", ["seeds", "variants", "both"])
def test_an_ensemble_of_one_run_is_refused_before_anything_runs(kind: EnsembleKind, tmp_path: Path) -> None:
    shape = {"seeds": (1,)} if kind == "seeds" else {"variants": ("a",)}
    with pytest.raises(ConfigError, match=f"ensembles={kind} .* there is only one"):
        plan_unmade_ensembles(kind, **shape)  # type: ignore[arg-type]
    settings = {"output": str(tmp_path / "out"), "seeds": 1, "baseline": None, "jobs": 1, "ensembles": kind}
    with pytest.raises(ConfigError, match=f"ensembles={kind} .* there is only one"):
        compare.run_task(settings, make_overrides(tmp_path), "")
    assert list(tmp_path.iterdir()) == []


def test_rows_have_what_the_models_say_together(
    compared: FinishedComparison, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = compared.build_rows("both")
    labels = [variant.label for variant in rows]
    assert labels == [*(f"ensemble-of-seeds,{v}" for v in compared.runs), "ensemble-of-variants"]
    assert [[run.seed for run in variant.runs] for variant in rows] == [[1], [1], [1, 2]]
    for each, found in zip(compared.plan_ensembles("both"), [run for row in rows for run in row.runs], strict=True):
        assert found.failure is None
        alone = [results.read_run(job.folder) for job in each.jobs]
        for name in ("parameters", "minutes"):
            assert found.values[name] == pytest.approx(sum(one.values[name] for one in alone))
        assert found.signatures == alone[0].signatures
        assert results.read_text_lines(results.get_text_path(found, "references")) == results.read_text_lines(
            results.get_text_path(alone[0], "references")
        )
        # By another way: the command that the folder names.
        command = json.loads((each.folder / "run.json").read_text())["command"].split()[1:]
        capsys.readouterr()
        evaluate.run_task(compose_command("evaluate", *(word.strip("'") for word in command), "format=json"))
        scored = {score["name"]: score["value"] for score in json.loads(capsys.readouterr().out)["scores"]}
        assert {name: found.values[name] for name in scored} == scored
    comparison = compared.build_comparison("both")
    assert [variant.is_ensemble for variant in comparison.variants] == [False, False, True, True, True]
    assert "ensemble-of-...: the mean of several runs' distributions" in format_text(comparison)
    assert "ensemble-of-..." not in format_text(compared.build_comparison("none"))
    page = build_comparison_report(comparison, "")
    facts = dict(page["facts"])
    assert (facts["variants"], facts["ensembles"]) == ("2", "3")
    assert [variant["label"] for variant in page["variants"]] == list(compared.runs)  # in the tables only
    assert [row["label"] for row in page["scores"]["rows"]] == [*compared.runs, *labels]


def test_the_attention_of_an_ensemble_is_the_mean_of_its_models(compared: FinishedComparison) -> None:
    each = compared.plan_ensembles("variants")[0]
    work = InferenceSettings(device="cpu", threads=None, tokens=500)
    workers = [build_translator(load(str(job.folder), work), work, {}) for job in each.jobs]
    source, target = (read_lines(each.jobs[0].folder / f"test.{kind}.txt") for kind in ("source", "references"))
    first, second = (compute_forced_attention(worker, source, target) for worker in workers)
    for found, one, other in zip(
        ensembles.average_member_attention(workers, source, target), first, second, strict=True
    ):
        np.testing.assert_allclose(found.weights, (one.weights + other.weights) / 2, atol=1e-6)
        assert found.target_words == one.target_words == other.target_words
    assert 0 <= ensembles.compute_ensemble_run(each).values["AER"] <= 1


def test_the_seeds_together_are_tested_against_every_seed_of_the_baseline(compared: FinishedComparison) -> None:
    _, seeds, variants = compared.build_rows("both")
    alone = [results.read_run(job.folder) for job in compared.jobs[:2]]
    assert seeds.significance is not None
    assert set(seeds.significance.seeds) == {1, 2}
    mean = sum(run.values["BLEU"] for run in alone) / 2
    assert seeds.significance.difference == pytest.approx(seeds.runs[0].values["BLEU"] - mean)
    # As if the baseline's seeds had met two trainings that say the same.
    again = [replace(seeds.runs[0], seed=seed) for seed in (1, 2)]
    scored, _ = results.resample_runs([*alone, *seeds.runs])
    expected = results.compute_difference(alone, again, scored)
    assert expected is not None
    assert seeds.significance.p_values == expected.p_values
    assert variants.significance is not None
    assert set(variants.significance.seeds) == {1, 2}


def test_nothing_is_translated_twice_unless_a_model_changed(
    compared: FinishedComparison, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (each, _) = compared.plan_ensembles("variants")
    first = ensembles.compute_ensemble_run(each)
    before = snapshot_files(each.folder)
    capsys.readouterr()
    assert ensembles.compute_ensemble_run(each) == first
    assert snapshot_files(each.folder) == before
    assert "translated before" in capsys.readouterr().err
    searched = [job._replace(settings=job.settings | {"search": {"name": "beam", "size": 2}}) for job in each.jobs]
    monkeypatch.setattr(ensembles.run_folder, "is_finished", lambda folder, settings: True)
    assert not ensembles.is_current(each._replace(jobs=searched))
    monkeypatch.setattr(ensembles, "hash_model_folder", lambda folder: "another")
    assert not ensembles.is_current(each)


def test_runs_that_did_not_finish_are_a_row_without_scores(compared: FinishedComparison) -> None:
    (each, _) = compared.plan_ensembles("variants")
    lost = each.jobs[0]._replace(variant="lost", folder=compared.output / "lost")
    found = ensembles.collect_ensembles([each._replace(jobs=[lost, *each.jobs])])
    assert found[each.label][0].failure == "an ensemble needs all of its runs, and lost seed 1 did not finish"
    comparison = results.compare_runs({**compared.runs, **found}, baseline=compared.baseline, command="")
    assert comparison.variants[-1].significance is None
