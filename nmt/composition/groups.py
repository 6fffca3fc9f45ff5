"""Groups of options and the keys in them, as `configs/` has them."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nmt.composition.paths import find_config_folder
from nmt.errors import ConfigError

GLOBAL_HEADER = "# @package _global_"
"""Begins a file of settings from several groups, which is no home of any."""


def list_dotted_keys(node: Any, prefix: str = "") -> Iterator[str]:
    """Every dotted key below a node; `defaults` are no settings."""
    for key, below in node.items() if isinstance(node, Mapping) else ():
        if key != "defaults":
            yield f"{prefix}{key}"
            yield from list_dotted_keys(below, f"{prefix}{key}.")


def find_group_choices(words: Sequence[str]) -> list[str]:
    """The words that choose from groups."""
    return [word for word in words if is_group(word.lstrip("+").partition("=")[0])]


def check_choices(words: Sequence[str]) -> None:
    """Raises ConfigError where two words choose from one group, of which one would have no effect."""
    earlier: dict[str, str] = {}
    for word in find_group_choices(words):
        group = word.lstrip("+").partition("=")[0]
        if earlier.setdefault(group, word) != word:
            raise ConfigError(f"{earlier[group]} and {word} choose from one group. Leave one of the two out.")


def is_group(key: str) -> bool:
    """Whether options can be chosen for this key, in Hydra's spelling with slashes."""
    return bool(re.fullmatch(r"\w+(/\w+)*", key)) and os.path.isdir(Path(find_config_folder()) / key)


def join_with_dots(key: str) -> str:
    """A group as the settings in it begin."""
    return key.replace("/", ".")


def join_with_slashes(key: str) -> str:
    """A group as one chooses from it."""
    return key.replace(".", "/")
