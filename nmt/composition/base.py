"""`from=RUN`: the settings of a run in place of the defaults; words of the command line go first."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from nmt.composition.groups import GLOBAL_HEADER, is_group
from nmt.composition.paths import find_config_folder
from nmt.errors import ConfigError
from nmt.runs import run_files

RUN_SETTINGS = ("output", "from", "resume", "init")
"""Settings that a run does not hand on."""


SEARCH_PATH_PREFIX = "hydra.searchpath=[file://"
"""Begins the word that tells Hydra of a folder with a recipe: see `nmt.composition.recipes`."""


def find_base(words: Sequence[str]) -> Path | None:
    """The run that `from=` names; None without it."""
    values = [word.partition("=")[2] for word in words if word.partition("=")[0].lstrip("+") == "from"]
    value = values[-1].strip("'\"") if values else ""
    return Path(value).expanduser() if value and value != "null" else None


def read_base(folder: Path) -> dict[str, Any]:
    """The settings of a run. Raises ConfigError where the folder is none, CheckpointError where they cannot be read."""
    config = folder / run_files.CONFIG
    if not config.is_file():
        found = "no such folder" if not folder.is_dir() else f"a folder without {run_files.CONFIG}"
        raise ConfigError(f"from={folder} must be the folder of a run (outputs/<run>); found {found}.")
    return {key: value for key, value in run_files.read_settings(config).items() if key not in RUN_SETTINGS}


def choose_groups(words: Sequence[str], base: Mapping[str, Any]) -> list[str]:
    """The words, after those that choose the options of groups that the base has and that the words leave open."""
    chosen = [group for group, _ in list_chosen_groups(words)]
    found = []
    for group in sorted(
        path.relative_to(find_config_folder()).as_posix()
        for path in Path(find_config_folder()).rglob("*")
        if path.is_dir()
    ):
        node: Any = base
        for part in group.split("/"):
            node = node.get(part) if isinstance(node, Mapping) else None
        name = node.get("name") if isinstance(node, Mapping) else None
        is_free = not any(group == other or group.startswith(f"{other}/") for other in chosen)
        if isinstance(name, str) and is_free and (Path(find_config_folder()) / group / f"{name}.yaml").is_file():
            found.append(f"{group}={name}")
    return [*found, *words]


def list_chosen_groups(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each group from which words choose, and the option; those that a chosen recipe chooses from, too."""
    for word in words:
        group, _, option = word.lstrip("+").partition("=")
        if is_group(group):
            yield group, option
            recipe = read_recipe(group, option, words)
            for entry in (recipe or {}).get("defaults", []):
                for key, value in entry.items() if isinstance(entry, Mapping) else ():
                    yield key.removeprefix("override").strip().lstrip("/"), str(value)


def read_recipe(group: str, option: str, words: Sequence[str]) -> dict[str, Any] | None:
    """What a file of settings from several groups holds; None where the option is one of a single group."""
    own = [
        word.removeprefix(SEARCH_PATH_PREFIX).removesuffix("]") for word in words if word.startswith(SEARCH_PATH_PREFIX)
    ]
    places = [Path(folder) / group / f"{option}.yaml" for folder in (find_config_folder(), *own)]
    path = next((place for place in places if place.is_file()), None)
    if path is None or not (text := path.read_text(encoding="utf-8")).startswith(GLOBAL_HEADER):
        return None
    found = yaml.safe_load(text)
    return found if isinstance(found, dict) else None


def find_override_keys(words: Sequence[str]) -> set[str]:
    """The dotted keys that words set, each with all below it."""
    found = {group.replace("/", ".") for group, _ in list_chosen_groups(words)}
    for word in words:
        key, _, option = word.lstrip("+~").partition("=")
        found.add(re.sub("/", ".", key))
        recipe = read_recipe(key, option, words) if is_group(key) else None
        found |= {name for name in run_files.flatten(recipe or {}) if not name.startswith("defaults")}
    return found


def merge_base(composed: Mapping[str, Any], base: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """The composed settings, with the base's value wherever the words set none."""
    override_keys = find_override_keys(words)
    merged: dict[str, Any] = _copy(composed)
    for key, value in run_files.flatten(base).items():
        parts = key.split(".")
        if not any(".".join(parts[:size]) in override_keys for size in range(1, len(parts) + 1)):
            node = merged
            for part in parts[:-1]:
                node = node.setdefault(part, {}) if isinstance(node.get(part, {}), dict) else {}
            node[parts[-1]] = value
    return merged


def _copy(node: Any) -> Any:
    return {key: _copy(below) for key, below in node.items()} if isinstance(node, Mapping) else node
