"""Configs are parsed and composed once in a process: Hydra does all of that anew, twice a command."""

import copy
import functools
import os
import re
from pathlib import Path
from typing import Any

import yaml
from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra.core.utils import JobRuntime
from omegaconf import Container, DictConfig

CONFIGS = str(Path(__file__).resolve().parents[1] / "configs")

PATH = re.compile(r"([\w.]+)=(/[\w./-]+)")
"""A word that gives a setting a path, which Hydra copies and does not look at."""

Key = tuple[object, ...]


def remember_configs() -> None:
    """From now on, what Hydra has composed of the same words is copied; errors come as they do without this."""
    _remember_yaml()
    _remember_compositions()
    _leave_out_mode()
    _leave_out_interpolations()


def _remember_yaml() -> None:
    load, parsed = yaml.load, dict[str, Any]()

    def load_once(stream: Any, Loader: Any) -> Any:  # noqa: N803 (PyYAML's name)
        if Loader.__name__ != "OmegaConfLoader" or not hasattr(stream, "read"):
            return load(stream, Loader)
        text = stream.read()
        if text not in parsed:
            parsed[text] = load(text, Loader)
        return copy.deepcopy(parsed[text])

    yaml.load = load_once


def _remember_compositions() -> None:
    load, composed = ConfigLoaderImpl.load_configuration, dict[Key, DictConfig]()

    @functools.wraps(load)
    def load_once(loader: ConfigLoaderImpl, config_name: str, overrides: list[str], *rest: Any, **more: Any) -> Any:
        sources = [each.path.removeprefix("file://") for each in loader.config_search_path.get_path()]
        if CONFIGS not in sources or any(word.startswith("hydra.searchpath") for word in overrides):
            return load(loader, config_name, overrides, *rest, **more)  # reads files of others, or may do so
        words, paths = _replace_paths(overrides)
        key = (*sources, JobRuntime().get("name"), config_name, *words, str(rest), str(more))
        if key not in composed:
            try:
                composed[key] = load(loader, config_name, words, *rest, **more)
            except Exception:
                return load(loader, config_name, overrides, *rest, **more)
        found = copy.deepcopy(composed[key])
        found.hydra.runtime.cwd = os.getcwd()
        _put_paths(found, paths)
        return found

    ConfigLoaderImpl.load_configuration = load_once  # type: ignore[method-assign]


def _replace_paths(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """The words with something that stands for each path in them, and the path that each stands for."""
    replaced, paths = [], dict[str, str]()
    for place, word in enumerate(words):
        if found := PATH.fullmatch(word):
            key, path = found.groups()
            stand = f"/stand-in-{place}/"
            paths[stand] = path
            word = f"{key}={stand}"
        replaced.append(word)
    return replaced, paths


def _put_paths(node: Any, paths: dict[str, str]) -> None:
    """Puts the paths in the place of what stands for them, in a config and all below."""
    if isinstance(node, Container):
        content = node._content
        if isinstance(content, dict | list):
            for below in content.values() if isinstance(content, dict) else content:
                _put_paths(below, paths)
    elif isinstance(node._val, str) and "/stand-in-" in node._val:
        node._val = re.sub(r"/stand-in-\d+/", lambda stand: paths[stand[0]], node._val)


def _leave_out_mode() -> None:
    """Hydra composes a config to see whether it asks for several runs, which none of this program's does."""
    get = Hydra.get_mode

    def get_mode(hydra: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        return get(hydra, config_name, overrides) if any("hydra." in word for word in overrides) else None

    Hydra.get_mode = get_mode  # type: ignore[method-assign]


def _leave_out_interpolations() -> None:
    """Hydra writes all choices down for every file, in case that one names another by them: ${...}, which none does."""
    collect = defaults_list._create_interpolation_map

    def collect_if_asked(overrides: Any, defaults: list[Any], self_added: bool) -> DictConfig | None:
        if "${" in repr([overrides.override_choices, *map(vars, defaults)]):
            return collect(overrides, defaults, self_added)
        return None

    defaults_list._create_interpolation_map = collect_if_asked  # type: ignore[assignment]
