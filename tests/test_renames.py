"""Runs, models and comparisons of version 0.1 have old names, and go on."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt import build, config, model_folder, renames
from nmt.comparison import catalog, plan, variants
from nmt.comparison.compare import split_arguments
from nmt.composition.compose import compose_training
from nmt.errors import CheckpointError, ConfigError
from nmt.runs import run_files, run_folder
from nmt.runs.report_texts import read_settings
from tests.old_words import GOLDEN, LINES, MODEL, list_warnings, restore_old_names, translate_words
from tests.tiny_runs import BASE_OVERRIDES, compose_config

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


# Runs and models of version 0.1 ------------------------------------------------------------------------------------


@pytest.fixture
def old_run(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A run whose config.yaml has old names, and its settings."""
    settings = config.check({**compose_config(*BASE_OVERRIDES), "output": "run"}, build.TRAIN)
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "run.json").write_text('{"format": 1}')
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(restore_old_names(settings)))
    return tmp_path / "run", settings


def test_a_run_of_version_0_1_goes_on_and_messages_have_the_new_names(
    old_run: tuple[Path, dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    folder, settings = old_run
    assert run_files.read_settings(folder / "config.yaml") == read_settings(folder) == settings
    run_folder.check(folder, settings)
    (folder / "scores.json").write_text("{}")
    assert run_files.is_finished(folder, settings)
    for key in {*renames.SETTINGS.values(), *(key for key in renames.VALUES if key.split(".")[0] in build.TRAIN)}:
        changed = copy.deepcopy(settings)
        changed[key.split(".")[0]][key.split(".")[1]] = "other"
        with pytest.raises(CheckpointError, match=f"{key}: was .*, now other") as caught:
            run_folder.check(folder, changed)
        assert not [old for old in renames.SETTINGS if old in str(caught.value)]
    assert list_warnings(caplog) == []  # of files that nobody has written by hand


def test_a_run_with_both_names_is_refused(old_run: tuple[Path, dict[str, Any]]) -> None:
    config_file = old_run[0] / "config.yaml"
    config_file.write_text("filters: {by_heart: 3, overfit: 4}")
    with pytest.raises(CheckpointError, match=r"config.yaml: filters.by_heart and filters.overfit are two spellings"):
        run_files.read_settings(config_file)


def test_a_run_of_version_0_1_gives_its_settings(old_run: tuple[Path, dict[str, Any]]) -> None:
    folder, settings = old_run
    content = yaml.safe_load((folder / "config.yaml").read_text())
    content["filters"]["by_heart"], content["training"]["recurrence"] = 5, "compiled"
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    found = config.check(compose_training([f"from={folder}", "output=new", "filters.by_heart=6"]), build.TRAIN)
    assert found["filters"]["overfit"] == 6
    assert found["training"]["compile"] == "inductor"
    assert found["data"] == settings["data"]


def test_the_recorded_settings_of_version_0_1_are_settings() -> None:
    found = config.check(compose_training([f"from={GOLDEN / 'interrupted' / 'run'}", "output=new"]), build.TRAIN)
    assert found["data"]["name"] == "synthetic"
    assert found["training"]["compile"] == "off"


def test_a_model_folder_may_have_old_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None of the table is in one; so a name is added."""
    monkeypatch.setitem(renames.SETTINGS, "search.beam", "search.size")
    monkeypatch.setitem(renames.VALUES, "search.length_penalty", {"wu": "gnmt"})
    content = json.loads((MODEL / "config.json").read_text())
    now = model_folder.add_new_settings(content)
    old = copy.deepcopy(content)
    old["search"]["beam"], old["search"]["length_penalty"] = old["search"].pop("size"), "wu"
    assert model_folder.add_new_settings(old) == now
    with pytest.raises(ConfigError, match=r"search.beam and search.size are two spellings"):
        model_folder.add_new_settings({"search": {"beam": 1, "size": 2}})


# Comparisons -------------------------------------------------------------------------------------------------------


def test_a_comparison_sweeps_over_the_old_spelling(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("filters: {by_heart: 9}")
    words = ["training.recurrence=eager,compiled", f"experiment={recipe}", *BASE_OVERRIDES]
    _, overrides = split_arguments(words)
    old_folder = tmp_path / "training.recurrence=eager"
    old_folder.mkdir()
    jobs = plan.plan_jobs(overrides, seeds=[1], output=tmp_path, at_once=1)
    assert [job.variant for job in jobs] == ["training.compile=off", "training.compile=inductor"]
    assert [job.settings["training"]["compile"] for job in jobs] == ["off", "inductor"]
    assert {job.settings["filters"]["overfit"] for job in jobs} == {9}
    assert [job.folder.parent for job in jobs] == [old_folder, tmp_path / "training.compile=inductor"]
    labels = [job.variant for job in jobs]
    assert variants.choose_baseline(labels, "training.recurrence=compiled") == "training.compile=inductor"
    assert [message.partition(" is called")[0] for message in list_warnings(caplog)] == [
        *("training.recurrence=eager,compiled", f"{recipe}: filters.by_heart")
    ]


def test_variants_of_a_file_may_have_old_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"variants": {f"v{place}": line for place, line in enumerate(LINES)}}))
    found = catalog.read_comparison(str(file), frozenset())
    assert list(found.variants.values()) == [translate_words(line) for line in LINES]
    (warning,) = list_warnings(caplog)
    assert warning.startswith(f"{file}: ")
    file.write_text("variants: {a: [filters.by_heart=1, filters.overfit=2]}")
    with pytest.raises(ConfigError, match=r"mine.yaml: variants.a: filters.by_heart=1 and filters.overfit=2 are two"):
        catalog.read_comparison(str(file), frozenset())
