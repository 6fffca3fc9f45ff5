"""A run on disk: whose it is, what it was made with, and what its checkpoints show."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
import yaml

from nmt.errors import CheckpointError
from nmt.evaluation.bleu import CorpusScore
from nmt.evaluation.validation import ValidationResult
from nmt.runs import run_folder, run_log
from nmt.runs.heatmaps import plot_reference, plot_translation, save_heatmaps
from nmt.runs.run_files import COSMETIC_SETTINGS, RESUMABLE_SETTINGS
from nmt.runs.run_folder import find_changed_settings, flatten, is_finished, read_probes

SETTINGS: dict[str, Any] = {
    "data": {"name": "synthetic", "train": 60},
    "optimizer": {"name": "adam", "eps": 1e-8},
    "training": {"stop": {"steps": 8, "epochs": None}, "keep": {"last": 1}, "log_every": 5, "accumulate": 1},
    "search": {"name": "beam", "size": 5},
    "seed": 1,
    "resume": "auto",
    "output": "here",
    "cache": "there",
    "device": "cpu",
    "threads": None,
}


def changed(path: str, value: Any, settings: dict[str, Any] = SETTINGS) -> dict[str, Any]:
    """The settings with one value set, by its dotted path."""
    key, _, rest = path.partition(".")
    return {**settings, key: changed(rest, value, settings.get(key, {})) if rest else value}


def begun(folder: Path, settings: dict[str, Any] = SETTINGS) -> Path:
    run_folder.initialize(folder, settings, "nmt-train")
    (folder / "checkpoints").mkdir()
    return folder


def test_drift_names_what_differs_and_both_values() -> None:
    now = changed("training.accumulate", 2, changed("optimizer.eps", 1e-6, changed("data.extra", "x")))
    now["seed"] = None
    assert find_changed_settings(SETTINGS, now) == [
        "data.extra: was absent, now x",
        "optimizer.eps: was 1e-08, now 1e-06",
        "seed: was 1, now null",
        "training.accumulate: was 1, now 2",
    ]
    assert find_changed_settings(SETTINGS, SETTINGS) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("training.stop.steps", 99),
        ("training.stop.minutes", 3),
        ("training.keep.last", 4),
        ("training.log_every", 1),
        ("output", "elsewhere"),
        ("cache", "elsewhere"),
        ("resume", "never"),
        ("device", "cuda"),
        ("threads", 2),
        ("kernels", "reference"),
        ("search.size", 1),
    ],
)
def test_what_shapes_no_weights_may_change(path: str, value: Any) -> None:
    assert find_changed_settings(SETTINGS, changed(path, value)) == []
    shapes_scores = path.startswith(("training.stop", "search"))
    assert bool(find_changed_settings(SETTINGS, changed(path, value), free=COSMETIC_SETTINGS)) == shapes_scores


def test_a_setting_whose_name_only_begins_like_a_free_one_is_not_free() -> None:
    assert "search" in RESUMABLE_SETTINGS
    assert find_changed_settings(SETTINGS, changed("searching", 1)) == ["searching: was absent, now 1"]


def test_null_is_what_an_earlier_version_wrote_for_the_same() -> None:
    before = changed("training.validation.every_epochs", 1)
    now = changed("training.validation.every_epochs", None)
    assert find_changed_settings(before, now) == find_changed_settings(now, before) == []
    assert find_changed_settings(changed("training.validation.every_epochs", 2), now)


def test_flat_keeps_every_value() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": None}, "e": [1, 2]}) == {"a.b.c": 1, "a.d": None, "e": [1, 2]}


def test_a_folder_belongs_to_the_settings_that_it_began_with(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    assert yaml.safe_load((folder / "config.yaml").read_text()) == SETTINGS
    run_folder.initialize(folder, changed("training.stop.steps", 20), "nmt-train")
    assert yaml.safe_load((folder / "config.yaml").read_text())["training"]["stop"]["steps"] == 20
    with pytest.raises(CheckpointError, match=r"seed: was 1, now 2\n.*Choose another output"):
        run_folder.initialize(folder, changed("seed", 2), "nmt-train")
    assert yaml.safe_load((folder / "config.yaml").read_text())["seed"] == 1


def test_a_folder_without_checkpoints_is_free_for_other_settings(tmp_path: Path) -> None:
    run_folder.initialize(tmp_path / "run", SETTINGS, "nmt-train")
    run_folder.initialize(tmp_path / "run", changed("seed", 2), "nmt-train")
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["seed"] == 2


def test_never_resume_refuses_a_run_and_nothing_else(tmp_path: Path) -> None:
    never = changed("resume", "never")
    run_folder.initialize(tmp_path / "run", never, "nmt-train")
    (tmp_path / "run" / "checkpoints").mkdir()
    with pytest.raises(CheckpointError, match="resume=never"):
        run_folder.initialize(tmp_path / "run", never, "nmt-train")


@pytest.mark.parametrize("inside", ["", "run", "deep/run"])
def test_a_file_is_no_run_folder_and_holds_none(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(CheckpointError, match=rf"cannot be a run folder: {file} is a file\. Choose another output="):
        run_folder.initialize(file / inside, SETTINGS, "nmt-train")
    assert (list(tmp_path.iterdir()), file.read_text(encoding="utf-8")) == ([file], "mine")


@pytest.mark.parametrize(
    "name", ["run.json", "config.yaml", "train.log", "metrics.jsonl", "scores.json", "checkpoints"]
)
def test_a_pipe_in_place_of_a_file_is_refused_and_not_opened(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(CheckpointError, match=f"{name} is no|is no run folder, yet holds {name}"):
        run_folder.check(tmp_path, SETTINGS)
    with pytest.raises(CheckpointError, match=f"{name} is no"):
        run_folder.is_finished(tmp_path, SETTINGS)


def test_a_run_is_finished_once_it_has_scores_and_not_while_it_goes_on(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    assert not is_finished(folder, SETTINGS)
    (folder / "scores.json").write_text("{}")
    assert is_finished(folder, changed("cache", "elsewhere"))
    assert not is_finished(folder, changed("search.size", 1))
    assert not is_finished(tmp_path / "nothing", SETTINGS)
    run_folder.initialize(folder, SETTINGS, "nmt-train")
    assert not is_finished(folder, SETTINGS)


def test_the_run_is_described(tmp_path: Path) -> None:
    run_folder.write_run_json(tmp_path, SETTINGS, "nmt-train seed=1", {"parameters": 17, "device": "cpu"})
    told = json.loads((tmp_path / "run.json").read_text())
    assert told["command"] == "nmt-train seed=1"
    assert told["parameters"] == 17
    assert told["seed"] == 1
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"nmt", "torch", "sentencepiece", "sacrebleu"} <= told["versions"].keys()
    assert {"device", "commit", "threads", "started", "machine"} <= told.keys()


def test_costs_are_those_of_all_processes(tmp_path: Path) -> None:
    run_folder.write_run_json(tmp_path, SETTINGS, "nmt-train seed=1", {})
    assert run_folder.read_costs(tmp_path) == {}
    run_folder.record_costs(tmp_path, memory_mib=300.0)
    run_folder.write_run_json(tmp_path, SETTINGS, "nmt-train seed=1", {"parameters": 17})  # the next process begins
    run_folder.record_costs(tmp_path, memory_mib=200.0, sentences_per_second=5.0)
    told = json.loads((tmp_path / "run.json").read_text())
    assert told["costs"] == run_folder.read_costs(tmp_path) == {"memory_mib": 300.0, "sentences_per_second": 5.0}
    assert (told["parameters"], told["command"]) == (17, "nmt-train seed=1")
    run_folder.record_costs(tmp_path, memory_mib=400.0)
    assert run_folder.read_costs(tmp_path)["memory_mib"] == 400.0


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert run_folder.find_version("no-such-package-anywhere") is None
    assert run_folder.find_version("torch")


def test_the_log_goes_to_file_and_stderr_and_closes_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = logging.getLogger("nmt")
    before = list(ours.handlers)
    handlers = run_log.open_log(tmp_path)
    logging.getLogger("nmt.somewhere").info("told %d", 7)
    run_log.close_log(handlers)
    logging.getLogger("nmt.somewhere").info("too late")
    assert capsys.readouterr() == ("", "told 7\n")
    line = (tmp_path / "train.log").read_text()
    assert line.endswith("INFO nmt.somewhere: told 7\n")
    assert line[:4].isdigit()
    assert ours.handlers == before
    assert ours.propagate


def shown(source: list[str], target: list[str], reference: str, gold: str | None = None) -> dict[str, Any]:
    weights = [[1.0 / (len(source) + 1)] * (len(source) + 1)] * (len(target) + 1)
    return {
        "source": [*source, "</s>"],
        "target": [*target, "</s>"],
        "weights": weights,
        "pieces": {"source": ["▁x", "</s>"], "target": ["</s>"], "weights": [[0.5, 0.5]]},
        "reference": reference,
        "forced": {"target": [*reference.split(), "</s>"], "weights": [[1.0] * (len(source) + 1)] * 2},
        "gold": gold,
    }


def test_a_report_becomes_scores_hypotheses_and_pictures(tmp_path: Path) -> None:
    found = ValidationResult(
        values={"loss": float("inf"), "bleu": 12.5},
        scores={"bleu": CorpusScore("BLEU", 12.5, "nrefs:1|case:mixed")},
        hypotheses=["eins", "", "größer"],
        probe_records=[shown(["a", "b"], ["x"], "x", "0-0 1p0"), shown(["c"], ["y", "z"], "other words")],
        measures={"attention.forced.entropy": 0.5},
    )
    run_folder.write_validation(tmp_path, found, 40, on_heatmap=list)
    validation = json.loads((tmp_path / "validation.json").read_text())
    assert validation == {
        "step": 40,
        "values": {"loss": None, "bleu": 12.5, "attention.forced.entropy": 0.5},
        "scores": {"BLEU": {"value": 12.5, "signature": "nrefs:1|case:mixed"}},
    }
    assert (tmp_path / "hypotheses.txt").read_text(encoding="utf-8") == "eins\n\ngrößer\n"
    assert {path.name for path in (tmp_path / "alignments").iterdir()} == {
        f"{number:03d}.{kind}" for number in (1, 2) for kind in ("json", "png")
    }


def test_pictures_come_with_their_numbers(tmp_path: Path) -> None:
    picture = shown(["ein", "Haus"], ["a", "house"], "a house")
    save_heatmaps(tmp_path / "alignments", [picture], step=7, on_heatmap=list)
    assert json.loads((tmp_path / "alignments" / "001.json").read_text()) == {"step": 7, **picture}
    pixels = matplotlib.image.imread(tmp_path / "alignments" / "001.png")
    assert pixels.ndim == 3
    assert min(pixels.shape[:2]) > 50
    for plot, title in ((plot_translation, "step 7: ein Haus"), (plot_reference, "step 7, reference: ein Haus")):
        assert title in [text.get_text() for text in plot({**picture, "forced": picture}, step=7).texts]


def test_probes_are_films_of_all_checkpoints_in_order(tmp_path: Path) -> None:
    for step in (1000000, 200, 30):
        folder = tmp_path / "checkpoints" / f"step-{step:06d}" / "alignments"
        folder.mkdir(parents=True)
        for number in (0, 1):
            told = {"step": step, **shown([f"source{number}"], [f"at{step}"], f"reference{number}")}
            (folder / f"{number:03d}.json").write_text(json.dumps(told))
    films = read_probes(tmp_path)
    assert [film["source"][0] for film in films] == ["source0", "source1"]
    assert [film["reference"] for film in films] == ["reference0", "reference1"]
    for film in films:
        assert [frame["step"] for frame in film["frames"]] == [30, 200, 1000000]
        assert [frame["target"][0] for frame in film["frames"]] == ["at30", "at200", "at1000000"]
        assert all(len(frame["weights"]) == len(frame["target"]) for frame in film["frames"])
    assert read_probes(tmp_path / "nothing") == []


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 1\ntraining:\n  clip_norm: 1\n  clip_norm: 2\n")
    with pytest.raises(CheckpointError, match=r"config\.yaml: training\.clip_norm is there twice, on lines 3 and 4\."):
        run_folder.read_settings(tmp_path / "config.yaml")
