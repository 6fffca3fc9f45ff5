"""Old names of settings in what people write: words of the command line, recipes, and variants of comparisons."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from nmt import renames
from nmt.errors import ConfigError

WORD = re.compile(r"([+~]*)([\w./]+)(?:=(.*))?", re.DOTALL)
"""A word of the command line: what is to be done, the key, and the value."""

GROUP_VALUE = re.compile(r"(?<!\$)\{")
"""Begins a value such as {a: 1}; ${...} is another setting."""


class NewSpelling(NamedTuple):
    """A word by its names of today; what was renamed in it; and the keys that it sets by their old names."""

    word: str
    notes: list[str]
    renamed_keys: list[str]


def use_new_names(words: Sequence[str]) -> list[str]:
    """The words with the names of today, with one warning of what was renamed. Raises ConfigError as `find_new_names`
    does."""
    new_words, notes = find_new_names(words)
    renames.warn(notes)
    return new_words


def find_new_names(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words with the names of today, and what was renamed.

    Raises ConfigError where a setting is given by both names, with different values.
    """
    found = [rename_word(word) for word in words]
    check_conflicts(words, found)
    notes = [note for each in found for note in each.notes]
    return (list(dict.fromkeys(each.word for each in found)) if notes else list(words)), notes


def check_conflicts(words: Sequence[str], found: Sequence[NewSpelling]) -> None:
    """Raises ConfigError where one word sets a setting by its old name, and another one otherwise by its new name."""
    for word, spelling in zip(words, found, strict=True):
        for key in spelling.renamed_keys:
            value = list_values(spelling.word).get(key)
            for other, other_spelling in zip(words, found, strict=True):
                if key not in other_spelling.renamed_keys and list_values(other_spelling.word).get(key, value) != value:
                    raise ConfigError(renames.explain_conflict(word, other, key))


def rename_word(word: str) -> NewSpelling:
    """A word of the command line, or of a variant, with the names of today."""
    if (parts := WORD.fullmatch(word)) is None:
        return NewSpelling(word, [], [])
    begin, old_key, value = parts.groups()
    if value is not None and GROUP_VALUE.search(value):
        return rename_group_word(word, old_key)
    key = renames.SETTINGS.get(old_key, old_key)
    names = list_value_names(key)
    old_name = re.compile(rf"(?<![\w.:$/-])({'|'.join(names)})(?![\w./(:-])")
    old_values = old_name.findall(value or "") if names else []
    if key == old_key and not old_values:
        return NewSpelling(word, [], [])
    old, new = ",".join(old_values), ",".join(names[each] for each in old_values)
    new_value = "" if value is None else "=" + (old_name.sub(lambda each: names[each[1]], value) if names else value)
    return NewSpelling(
        f"{begin}{key}{new_value}", [renames.describe(old_key, old, key, new)], [key] if key != old_key else []
    )


def list_value_names(key: str) -> dict[str, str]:
    """The values, old -> new, of a setting, or of a group, which is written with slashes."""
    return renames.VALUES.get(key) or renames.VALUES.get(f"{key.replace('/', '.')}.name") or {}


def rename_group_word(word: str, group: str) -> NewSpelling:
    """A word that sets several settings of a group, `training={compile: off}`, or several such sets in a sweep."""
    from hydra.core.override_parser.types import ChoiceSweep

    override = parse_word(word)
    value = override.value() if override is not None else None
    options = value.list if isinstance(value, ChoiceSweep) else [value]
    groups = [option for option in options if isinstance(option, Mapping)]
    if override is None or len(groups) < len(options):
        return NewSpelling(word, [], [])
    notes: list[str] = []
    new_options = [renames.rename_settings(option, f"{group}.", notes) for option in groups]
    if not notes:
        return NewSpelling(word, [], [])
    texts = [replace(override, _value=option).get_value_element_as_str() for option in new_options]
    keys = {key for option in groups for key in flatten(option, f"{group}.")}
    renamed = [renames.SETTINGS[key] for key in keys if key in renames.SETTINGS]
    return NewSpelling(f"{override.get_key_element()}={','.join(texts)}", notes, renamed)


def parse_word(word: str) -> Any:
    """A word as Hydra understands it; None where it does not."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(word)
    except (HydraException, ValueError):
        return None


def list_values(word: str) -> dict[str, str]:
    """The keys that a word sets, with the text of their values."""
    parts = WORD.fullmatch(word)
    if parts is None or (value := parts[3]) is None:
        return {}
    if "{" in value and (override := parse_word(word)) is not None and isinstance(override.value(), Mapping):
        return flatten(override.value(), f"{parts[2]}.")
    return {parts[2]: re.sub("['\"]", "", value)}


def flatten(values: Mapping[Any, Any], prefix: str) -> dict[str, str]:
    """Nested values as one level of dotted keys, as text."""
    found: dict[str, str] = {}
    for key, value in values.items():
        found |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": str(value)}
    return found


def rename_recipe(content: Mapping[str, Any], place: str) -> dict[str, Any] | None:
    """What a recipe holds, with the names of today and one warning; None where it has them already.

    Raises ConfigError where a setting is there by both names, with different values.
    """
    notes: list[str] = []
    try:
        found = renames.rename_settings(content, notes=notes)
    except ConfigError as problem:
        raise ConfigError(*(f"{place}: {line}" for line in problem.args)) from None
    if isinstance(entries := content.get("defaults"), list):
        found["defaults"] = [rename_choice(entry, notes) for entry in entries]
    renames.warn(notes, place)
    return found if notes else None


def rename_choice(entry: Any, notes: list[str]) -> Any:
    """An entry of a recipe's defaults, such as `override /data: files`, with the names of today."""
    if not isinstance(entry, Mapping):
        return entry
    found = {}
    for key, option in entry.items():
        group = str(key).removeprefix("override").strip().lstrip("/").replace("/", ".")
        found[key] = renames.rename_value(f"{group}.name", option)
        if found[key] != option:
            notes.append(renames.describe(group, option, group, found[key]))
    return found


def find_old_word(word: str) -> str:
    """A word by its names of version 0.1: as that version would have named a folder."""
    begin, key, value = parts.groups() if (parts := WORD.fullmatch(word)) else ("", word, None)
    names = list_value_names(key)
    old_key = next((old for old, new in renames.SETTINGS.items() if new == key), key)
    old_value = next((old for old, new in names.items() if new == value), value)
    return begin + old_key + ("" if old_value is None else f"={old_value}")


@contextmanager
def warn_once() -> Iterator[None]:
    """Inside, what is said of a recipe that is read again and again is said once."""
    seen: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return not (message in seen or seen.add(message))  # type: ignore[func-returns-value]

    renames.logger.addFilter(is_new)
    try:
        yield
    finally:
        renames.logger.removeFilter(is_new)
