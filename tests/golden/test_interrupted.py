"""A run that version 0.1 left when it was stopped goes on as with that version. interrupted/ holds golden files."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from nmt import build, config
from nmt.model.parameter_names import update_names
from nmt.runs import training_run
from tests.commands import compose_command
from tests.golden.record_interrupted import WORDS, losses, weights
from tests.synthetic_light import lighten

HOME = Path(__file__).with_name("interrupted")
RECORD: dict[str, Any] = json.loads((HOME / "resumed.json").read_text(encoding="utf-8"))

LOSS, WEIGHT = 1e-5, 1e-4
"""Of losses, relative, and of weights and the state of the optimizer, absolute, for other processors."""

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def resumed(place: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> Path:
    """The folder of the stopped run after it has gone on, without its page; WORDS have relative paths."""
    lighten(monkeypatch)
    monkeypatch.setattr("nmt.runs.results.write_run", lambda *given: None)
    monkeypatch.chdir(place)
    shutil.copytree(HOME / "run", place / "run", symlinks=True)
    training_run.run(config.check(compose_command("train", *WORDS, *more), build.TRAIN), Path("run"))
    return place / "run"


def until(step: int) -> dict[str, dict[str, float]]:
    """The recorded losses up to a step."""
    kinds = ("train", "validation")
    return {kind: {at: loss for at, loss in RECORD[kind].items() if int(at) <= step} for kind in kinds}


def assert_same_losses(folder: Path, step: int) -> None:
    now, then = losses(folder), until(step)
    assert now.keys() == then.keys()
    for kind in then:
        assert now[kind] == pytest.approx(then[kind], rel=LOSS)


def test_the_record_is_of_a_run_of_version_0_1_stopped_inside_an_epoch() -> None:
    assert RECORD["about"]["commit"].startswith("57e1f4f")
    state = json.loads((HOME / "run" / "checkpoints" / "last" / "state.json").read_text(encoding="utf-8"))
    assert state["progress"]["step"] == RECORD["about"]["stopped"]
    assert state["progress"]["batch"] > 0
    assert list(losses(HOME / "run")["train"]) == [str(step) for step in range(1, RECORD["about"]["stopped"] + 1)]


def test_a_stopped_run_of_version_0_1_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_same_losses(resumed(tmp_path, monkeypatch, "training.stop.steps=18"), 18)


@pytest.mark.slow
def test_a_stopped_run_of_version_0_1_ends_as_with_that_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = resumed(tmp_path, monkeypatch)
    assert_same_losses(folder, 40)
    now, then = weights(folder), load_file(HOME / "resumed.safetensors")
    for prefix in ("model: ", "state: optimizer.", "state: ema.weight.", "state: model."):
        then = update_names(then, prefix)
    assert now.keys() == then.keys()
    for name in then:
        np.testing.assert_allclose(now[name], then[name], atol=WEIGHT, rtol=0, err_msg=name)
