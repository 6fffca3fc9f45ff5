"""Whole runs: what they leave, that they go on where they stopped, and which weights they hand on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from nmt import build, config, model_folder
from nmt.errors import CheckpointError, ConfigError, DataError
from nmt.runs.outcome import read_run_result
from nmt.runs.process import measure_peak_memory
from nmt.runs.training_run import RunResult, run
from nmt.storage import manifest
from nmt.storage.files import read_json
from nmt.training.loop import Loop
from nmt.training.metrics_logger import read_rows
from nmt.translation.translator import BatchTranslator
from tests import tiny_runs
from tests.synthetic_light import lighten

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

ROOT = Path(__file__).resolve().parents[2]
PROBES = ("probes.sentences=2", "probes.shortest=1", "probes.longest=99")
STATE = ("model.safetensors", "state.safetensors")


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    lighten(monkeypatch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], RunResult]:
    """A run from start to end, and its settings. To be read only."""
    folder = tmp_path_factory.mktemp("outputs") / "run"
    settings = tiny_runs.build_settings(folder, *tiny_runs.RANDOM_OVERRIDES, *PROBES)
    with pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        patch.setattr(sys, "argv", ["anything", "seed=1", "output=a folder"])
        return settings, run(settings, folder)


def test_a_run_leaves_all_that_it_should(whole: tuple[dict[str, Any], RunResult]) -> None:
    settings, outcome = whole
    folder = outcome.folder
    assert (outcome.reason, outcome.status) == ("steps (8)", 0)
    assert {path.name for path in folder.iterdir()} >= {
        *("config.yaml", "run.json", "train.log", "metrics.jsonl", "checkpoints", "report.html", "scores.json"),
        *(f"test.{kind}.txt" for kind in ("source", "hypotheses", "references")),
    }
    checkpoint = folder / "checkpoints" / "step-000008"
    assert {path.name for path in checkpoint.iterdir()} == {
        *(
            "model.safetensors",
            "config.json",
            "spm.model",
            "data.json",
            "state.safetensors",
            "state.json",
            "MANIFEST.json",
        ),
        *("validation.json", "hypotheses.txt", "alignments"),
    }
    assert {path.name for path in (checkpoint / "alignments").iterdir()} == {
        f"{number:03d}.{kind}" for number in (1, 2) for kind in ("png", "json")
    }
    assert manifest.find_problems(checkpoint) == []
    assert os.readlink(folder / "checkpoints" / "last") == "step-000008"
    assert (folder / "checkpoints" / "best" / "model.safetensors").exists()
    assert yaml.safe_load((folder / "config.yaml").read_text()) == settings


def test_the_tokens_of_bleu_are_those_of_the_settings(tmp_path: Path) -> None:
    short = ("bleu.tokenize=char", "training.stop.steps=2", "training.validation.every_steps=1")
    outcome = run(tiny_runs.build_settings(tmp_path / "run", *short), tmp_path / "run")
    validation = read_json(outcome.folder / "checkpoints" / "best" / "validation.json")
    assert "|tok:char|" in outcome.scores[0]["signature"]
    assert "|tok:char|" in validation["scores"]["BLEU"]["signature"]


def test_what_a_run_says_of_itself(whole: tuple[dict[str, Any], RunResult]) -> None:
    settings, outcome = whole
    told = read_json(outcome.folder / "run.json")
    assert told["seed"] == settings["seed"]
    assert told["device"] == "cpu"
    assert told["data"]["pairs"]["kept"] == 60
    assert told["command"] == "nmt-train seed=1 'output=a folder'"
    model = model_folder.load(outcome.folder, device=torch.device("cpu")).model
    assert told["parameters"] == build.count_parameters(model)
    scores = read_json(outcome.folder / "scores.json")
    assert (scores["test"], scores["alignment"], scores["reason"]) == (outcome.scores, outcome.alignment, "steps (8)")
    assert {score["name"] for score in outcome.scores} >= {"test BLEU"}
    assert all(score["signature"] for score in outcome.scores)
    assert outcome.alignment.keys() == {"AER", "precision", "recall"}
    assert all(0 <= value <= 1 for value in outcome.alignment.values())
    assert told["costs"].keys() == {"memory_mib", "sentences_per_second"}
    assert 0 < told["costs"]["memory_mib"] <= measure_peak_memory()  # of this process, which has trained it
    assert told["costs"]["sentences_per_second"] > 0
    page = (outcome.folder / "report.html").read_text(encoding="utf-8")
    assert outcome.folder.name in page
    assert "training" in (outcome.folder / "train.log").read_text()


def test_hypotheses_are_those_of_the_best_model_line_by_line(whole: tuple[dict[str, Any], RunResult]) -> None:
    settings, outcome = whole
    loaded = model_folder.load(outcome.folder, device=torch.device("cpu"))
    text = build.build_corpus(settings).load("test")
    assert text is not None
    translator = BatchTranslator(loaded.model, loaded.tokenizers, build.build_search(settings))
    expected = [translation.text for translation in translator.translate(text.source)]
    assert (outcome.folder / "test.hypotheses.txt").read_text().split("\n")[:-1] == expected
    assert (outcome.folder / "test.source.txt").read_text().split("\n")[:-1] == list(text.source)
    assert (outcome.folder / "test.references.txt").read_text().split("\n")[:-1] == list(text.target)


def test_a_finished_run_is_not_trained_again(
    whole: tuple[dict[str, Any], RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, outcome = whole
    before = tiny_runs.snapshot(outcome.folder)
    monkeypatch.setattr(Loop, "_step", lambda *arguments: pytest.fail("nothing is left to train"))
    assert run(settings, outcome.folder) == outcome
    assert tiny_runs.snapshot(outcome.folder) == before


def test_what_a_finished_run_lacks_is_made_again(
    whole: tuple[dict[str, Any], RunResult], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings, outcome = whole
    assert read_run_result(outcome.folder, settings) == outcome
    assert read_run_result(outcome.folder, {**settings, "resume": "never"}) is None
    assert read_run_result(outcome.folder, {**settings, "seed": 2}) is None
    for name in ("report.html", "scores.json", "run.json", "checkpoints/best/config.json"):
        copy = tmp_path / name.replace("/", "-")
        shutil.copytree(outcome.folder, copy, symlinks=True)
        (copy / name).write_text("{}")
        assert (read_run_result(copy, settings) is None) == (name != "report.html")
        (copy / name).unlink()
        assert read_run_result(copy, settings) is None


def test_another_run_does_not_fit_into_its_folder(whole: tuple[dict[str, Any], RunResult]) -> None:
    settings, outcome = whole
    with pytest.raises(CheckpointError, match="resume=never"):
        run({**settings, "resume": "never"}, outcome.folder)
    with pytest.raises(CheckpointError, match="seed: was 1, now 2"):
        run({**settings, "seed": 2}, outcome.folder)


@pytest.mark.parametrize(("setting", "value"), [("compile", "cuda_graphs"), ("precision", "bfloat16")])
def test_what_the_device_cannot_do_is_told_before_data_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    monkeypatch.setattr("nmt.kernels.precision.supports_bfloat16", lambda kind: kind != "cpu")
    monkeypatch.setattr("nmt.runs.training_run.lock", lambda folder: pytest.fail("this is too late"))
    settings = tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES, "device=cpu", f"training.{setting}={value}")
    with pytest.raises(ConfigError, match=f"training.{setting}={value}"):
        run(settings, tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_without_a_test_split_the_validation_split_is_scored_and_named(tmp_path: Path) -> None:
    grammar = build.build_corpus(tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES))
    files = []
    for split in ("train", "validation"):
        text = grammar.load(split)
        assert text is not None
        for side in ("source", "target"):
            path = tmp_path / f"{split}.{side}"
            path.write_text("".join(f"{line}\n" for line in getattr(text, side)), encoding="utf-8")
            files.append(f"data.{split}.{side}={path}")
    small = [word for word in tiny_runs.BASE_OVERRIDES if not word.startswith("data.")]
    chosen = tiny_runs.compose_config(
        *small, "data=files", "data.source_language=en", "data.target_language=de", *files
    )
    settings = config.check({**chosen, "output": str(tmp_path / "run"), "cache": str(tmp_path / "cache")}, build.TRAIN)
    outcome = run(settings, tmp_path / "run")
    assert {score["name"].split()[0] for score in outcome.scores} == {"validation"}
    assert outcome.alignment == {}
    assert (tmp_path / "run" / "validation.hypotheses.txt").exists()
    with pytest.raises(DataError, match=r"none\.txt"):
        run(
            config.check(
                {
                    **settings,
                    "data": {**settings["data"], "train": {"source": "none.txt", "target": "none.txt", "links": None}},
                },
                build.TRAIN,
            ),
            tmp_path / "other",
        )
    assert not (tmp_path / "other").exists()


def test_a_terminated_run_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    endless = [word for word in tiny_runs.BASE_OVERRIDES if "stop.steps" not in word and "every_steps" not in word]
    overrides = [*endless, *tiny_runs.RANDOM_OVERRIDES, "training.validation.every_steps=100000", "threads=1"]
    words = [f"output={tmp_path / 'killed'}", f"cache={tmp_path / 'cache'}", "training.stop.steps=100000"]
    command = [sys.executable, "-m", "nmt.cli.train", *overrides, *words, "training.log_every=1"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    metrics = tmp_path / "killed" / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") > 2):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 143, said
    assert "SIGTERM: the same command goes on from here" in said
    step = read_rows(metrics)[-1]["step"]
    assert os.readlink(tmp_path / "killed" / "checkpoints" / "last") == f"step-{step:06d}"

    for name in ("killed", "whole"):
        stop = (f"training.stop.steps={step + 2}", "training.log_every=1")
        chosen = tiny_runs.build_settings(tmp_path / name, *overrides, *stop)
        assert run(chosen, tmp_path / name).reason == f"steps ({step + 2})"
    last = [tmp_path / name / "checkpoints" / "last" for name in ("killed", "whole")]
    for file in STATE:
        assert (last[0] / file).read_bytes() == (last[1] / file).read_bytes()
    losses = [[row["loss"] for row in read_rows(tmp_path / name / "metrics.jsonl")] for name in ("killed", "whole")]
    assert losses[0] == losses[1]


def test_an_interrupted_run_has_the_exit_status_of_its_signal(tmp_path: Path) -> None:
    settings = tiny_runs.build_settings(tmp_path / "run")
    outcome = tiny_runs.build_run(settings, tmp_path / "run", tiny_runs.DelayedInterruption(2)).execute()
    assert outcome == RunResult(tmp_path / "run", "interrupted", [], {}, 143)
    assert not (tmp_path / "run" / "scores.json").exists()


def test_a_checkpoint_has_every_layer_and_head_of_its_probes_on_request(tmp_path: Path) -> None:
    words = (*tiny_runs.TRANSFORMER, *PROBES[1:], "probes.sentences=1", "probes.maps=true", "search.max_ratio=0.1")
    folder = tmp_path / "run"
    settings = tiny_runs.build_settings(folder, *words, "training.stop.steps=1", "training.validation.every_steps=1")
    made = tiny_runs.build_run(settings, folder)
    made.train()
    shown = folder / "checkpoints" / "step-000001" / "alignments"
    endings = {"-encoder.png", "-decoder.png", "-source.png", "-maps.json", "-maps.html", ".json", ".png"}
    assert {path.name for path in shown.iterdir()} == {f"001{ending}" for ending in endings}
    found, probe = read_json(shown / "001-maps.json"), read_json(shown / "001.json")
    assert (found["source"], found["target"]) == (probe["pieces"]["source"], probe["pieces"]["target"])
    source, target = len(found["source"]), len(found["target"])
    maps = {name: np.array(weights) for name, weights in found["maps"].items()}
    assert {name: weights.shape[2:] for name, weights in maps.items()} == {
        "encoder": (source, source),
        "decoder": (target, target),
        "source": (target, source),
    }
    layer = made.model.decoder.aligned_layer
    np.testing.assert_allclose(maps["source"][layer].mean(0), probe["pieces"]["weights"], atol=1e-3)
