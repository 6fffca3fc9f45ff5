"""Every renamed setting and value of the table, as words, recipes and settings of version 0.1."""

import copy
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt import build, renames

GOLDEN = Path(__file__).parent / "golden"
MODEL = GOLDEN / "models" / "luong"
"""Version 0.1 made them."""

SAMPLES = {"filters.overfit": "7"}
"""A value of each renamed setting whose values have kept their names."""


def list_words() -> dict[str, str]:
    """A word of the command line for every entry of the table, in the old and in the new spelling."""
    old_keys = {new: old for old, new in renames.SETTINGS.items()}
    found = {f"{old}={SAMPLES[new]}": f"{new}={SAMPLES[new]}" for new, old in old_keys.items() if new in SAMPLES}
    for key, values in renames.VALUES.items():
        word = key.removesuffix(".name").replace(".", "/") if key.endswith(".name") else key
        found |= {f"{old_keys.get(key, word)}={old}": f"{word}={new}" for old, new in values.items()}
    return found


WORDS = list_words()
TRAIN_WORDS = {old: new for old, new in WORDS.items() if old.split("=")[0].split(".")[0] in build.TRAIN}
BY_KEY: dict[str, list[str]] = {}
for each in TRAIN_WORDS:
    BY_KEY.setdefault(each.split("=")[0], []).append(each)
LINES = [[word for word in line if word] for line in zip_longest(*BY_KEY.values())]
"""Command lines of nmt-train that have all of the old words together, as few as there can be."""


def translate_words(line: list[str]) -> list[str]:
    """The same words in the new spelling."""
    return [TRAIN_WORDS[word] for word in line]


def restore_old_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as version 0.1 wrote them."""
    found: dict[str, Any] = copy.deepcopy(dict(settings))
    for key, values in renames.VALUES.items():
        group, name = key.split(".")
        if group in found and found[group].get(name) in values.values():
            found[group][name] = next(old for old, new in values.items() if new == found[group][name])
    for old, new in renames.SETTINGS.items():
        group, name = new.split(".")
        found[group][old.split(".")[1]] = found[group].pop(name)
    return found


def write_recipe(line: list[str]) -> str:
    """A recipe with these words: groups in its defaults, settings below."""
    content: dict[str, Any] = {"defaults": []}
    for word in line:
        key, value = word.split("=")
        if "." in key:
            content.setdefault(key.split(".")[0], {})[key.split(".")[1]] = int(value) if value.isdigit() else value
        else:
            content["defaults"].append({f"override /{key}": value})
    return yaml.safe_dump(content)


def list_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "spelling" in record.getMessage()]
