"""Which weights a run hands on: those of a step, or an average that is better, which training never goes on from."""

import itertools
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt import model_folder
from nmt.runs import final_weights, training_run
from nmt.runs.final_weights import AVERAGE
from nmt.runs.training_run import run
from nmt.storage.files import load_tensors, read_json
from nmt.training.average import average
from nmt.training.metrics_logger import read_rows
from nmt.training.state import get_weights
from tests import tiny_runs
from tests.synthetic_light import lighten

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

STATE = ("model.safetensors", "state.safetensors")
WORTHS = itertools.count(start=1)
"""Of all validations here, so that a run that goes on gets better still."""


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    lighten(monkeypatch)


def always_better(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every validation is better than all before, so that an average is what is handed on."""

    def worth(report: Any, metric: str) -> float:
        known = vars(report).setdefault("worth", None) or next(WORTHS)
        vars(report)["worth"] = known
        return float(known)

    monkeypatch.setattr(training_run, "compute_selection_score", worth)


def averaging(folder: Path, kind: str, *overrides: str) -> dict[str, Any]:
    rhythm = ("training.validation.every_steps=2", f"average={kind}", "average.count=3")
    return tiny_runs.build_settings(folder, *tiny_runs.RANDOM_OVERRIDES, *rhythm, *overrides)


@pytest.fixture(scope="module")
def whole(unchecked_shapes: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupts, which hands on the average of its last three checkpoints. To be read only."""
    folder = tmp_path_factory.mktemp("outputs") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        always_better(patch)
        run(averaging(folder, "last"), folder)
    return folder


@pytest.mark.parametrize("kind", ["last", pytest.param("best", marks=pytest.mark.slow)])
def test_an_average_that_is_better_is_handed_on(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    always_better(monkeypatch)
    made: list[tuple[list[str], dict[str, torch.Tensor]]] = []

    def noted(folders: list[Path]) -> dict[str, torch.Tensor]:
        made.append((sorted(path.name for path in folders), average(folders)))
        return made[-1][1]

    monkeypatch.setattr(final_weights, "average", noted)
    folder = tmp_path / "run"
    settings = averaging(folder, kind)
    outcome = run(settings, folder)
    ((names, mean),) = made
    assert names == ["step-000004", "step-000006", "step-000008"]
    best = folder / "checkpoints" / "best"
    assert os.readlink(best) == "step-000009"
    assert sorted(read_json(best / AVERAGE)["steps"]) == [4, 6, 8]
    handed = load_tensors(best / "model.safetensors")
    assert handed.keys() == mean.keys()
    assert all(torch.equal(handed[name], mean[name]) for name in mean)
    model = model_folder.load(folder, device=torch.device("cpu")).model
    assert all(torch.equal(weight, mean[name]) for name, weight in get_weights(model).items())
    before = tiny_runs.snapshot(folder / "checkpoints")
    assert run(settings, folder).scores == outcome.scores
    assert tiny_runs.snapshot(folder / "checkpoints") == before, "a second call makes no average of an average"


def test_training_goes_on_from_its_own_weights_and_not_from_an_average(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    always_better(monkeypatch)
    shutil.copytree(whole, tmp_path / "averaged", symlinks=True)
    run(averaging(tmp_path / "averaged", "last", "training.stop.steps=12"), tmp_path / "averaged")
    run(averaging(tmp_path / "plain", "last", "training.stop.steps=12"), tmp_path / "plain")
    ours, plain = (tmp_path / name / "checkpoints" / "step-000012" for name in ("averaged", "plain"))
    assert all((ours / name).read_bytes() == (plain / name).read_bytes() for name in STATE)
    best = [tmp_path / name / "checkpoints" / "best" for name in ("averaged", "plain")]
    assert read_json(best[0] / AVERAGE) == read_json(best[1] / AVERAGE) == {"steps": [8, 10, 12]}
    assert (best[0] / STATE[0]).read_bytes() == (best[1] / STATE[0]).read_bytes()


def test_an_interruption_is_not_felt_in_an_average(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    always_better(monkeypatch)
    settings = averaging(tmp_path / "parts", "last")
    assert tiny_runs.build_run(settings, tmp_path / "parts", tiny_runs.DelayedInterruption(7)).train() == "interrupted"
    run(settings, tmp_path / "parts")
    ours, wanted = (folder / "checkpoints" / "best" for folder in (tmp_path / "parts", whole))
    assert read_json(ours / AVERAGE) == read_json(wanted / AVERAGE) == {"steps": [4, 6, 8]}
    assert (ours / "model.safetensors").read_bytes() == (wanted / "model.safetensors").read_bytes()


def test_an_average_that_is_no_better_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_run, "compute_selection_score", lambda report, metric: 0.0)
    folder = tmp_path / "run"
    run(averaging(folder, "last"), folder)
    assert not list(folder.glob(f"checkpoints/*/{AVERAGE}"))
    assert os.readlink(folder / "checkpoints" / "best") == "step-000002"


def test_a_moving_average_is_what_is_validated_and_handed_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    settings = tiny_runs.build_settings(folder, "average=ema", "average.decay=0.5")
    found = tiny_runs.build_run(settings, folder)
    found.train()
    own = {name: tensor.clone() for name, tensor in get_weights(found.model).items()}
    saved = load_tensors(folder / "checkpoints" / "last" / "model.safetensors")
    assert not torch.equal(saved["head.output.bias"], own["head.output.bias"])
    assert found.state.ema is not None
    with found.state.ema.swap_in(found.model):
        assert all(torch.equal(tensor, saved[name]) for name, tensor in get_weights(found.model).items())
        expected = found.validator().values["loss"]
    told = [row for row in read_rows(folder / "metrics.jsonl") if row["kind"] == "validation"]
    assert told[-1]["loss"] == expected
