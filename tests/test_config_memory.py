"""Configs from memory are those that Hydra composes: for other paths, in other folders, and of files that change."""

import os
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import OmegaConf

from nmt.composition.compose import compose_training
from nmt.composition.paths import find_config_folder
from nmt.errors import ConfigError
from tests.commands import compose_command

CASES = [
    ("train", ["output=/{}/one", "cache=/{}/two", "seed=3"]),
    ("train", ["output=/{}", "cache=/{}", "attention=cosine"]),
    ("train", ["output='/{}/a b'", "cache=/stand-in-0/{}", "++filters.max_length=7"]),
    ("translate", ["model.folder=/{}/model", "input='/{}/text.txt,b'"]),
]


def compose_all(command: str, words: list[str]) -> Any:
    """The config with Hydra's own part, whose paths are not looked up."""
    with initialize_config_dir(find_config_folder(), version_base="1.3"):
        return OmegaConf.to_container(compose(command, words, return_hydra_config=True))


@pytest.mark.parametrize(("command", "words"), CASES, ids=lambda given: str(given)[:12])
def test_the_memory_says_what_hydra_says(
    command: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = ConfigLoaderImpl.load_configuration
    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        given = [word.format(name) for word in words]
        monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", remembered.__wrapped__)  # type: ignore[attr-defined]
        wanted = compose_all(command, given)
        monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", remembered)
        found = compose_all(command, given)
        assert found == wanted
        assert found["hydra"]["runtime"]["cwd"] == os.getcwd()


def test_equal_words_are_composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    composed = []
    real = ConfigLoaderImpl._load_configuration_impl

    def compose(loader: ConfigLoaderImpl, **given: Any) -> Any:
        composed.append(given["overrides"])
        return real(loader, **given)

    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", compose)
    for name in ("first", "second"):
        assert compose_command("train", "seed=11", f"output=/a/{name}")["output"] == f"/a/{name}"
    assert len(composed) == 1


def test_a_change_of_what_was_given_changes_nothing_remembered() -> None:
    first = compose_command("train", "seed=5")
    first["model"]["decoder"].clear()
    assert compose_command("train", "seed=5")["model"]["decoder"]


def test_a_recipe_is_read_whenever_it_is_named(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    for seed in (2, 3):
        recipe.write_text(f"seed: {seed}\n")
        assert compose_training([f"experiment={recipe}", "output=out"])["seed"] == seed
    with pytest.raises(ConfigError, match="Did you mean output"):
        compose_training(["otput=/a/b"])
