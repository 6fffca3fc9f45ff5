"""Settings and values whose names have changed: the old ones still work, wherever settings are written."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from nmt.errors import ConfigError

logger = logging.getLogger(__name__)

SETTINGS = {
    "training.recurrence": "training.compile",
    "filters.by_heart": "filters.overfit",
}
"""The dotted key of a setting until version 0.1 -> its key now, in the same group."""

VALUES = {
    "training.compile": {"eager": "off", "compiled": "inductor", "captured": "cuda_graphs"},
    "data.name": {"grammar": "synthetic"},
    "shortlist.name": {"whole": "none"},
}
"""The key of a setting now -> its values, old -> new. The option of a group is its setting `name`."""


def rename_settings(settings: Mapping[str, Any], prefix: str = "", notes: list[str] | None = None) -> dict[str, Any]:
    """The settings below `prefix`, such as "training.", with the names of today; notes: takes what was renamed.

    Raises ConfigError where a setting is there by both names, with different values.
    """
    found: dict[str, Any] = {}
    for name, value in settings.items():
        key = SETTINGS.get(f"{prefix}{name}", f"{prefix}{name}")
        new_name = name if key == f"{prefix}{name}" else key.rpartition(".")[2]
        if isinstance(value, Mapping):
            is_named = any(other.startswith(f"{key}.") for other in (*SETTINGS, *VALUES))
            new_value = rename_settings(value, f"{key}.", notes) if is_named else value
        else:
            new_value = rename_value(key, value)
        if new_name in found and found[new_name] != new_value:
            old_key = next(old for old, new in SETTINGS.items() if new == key)
            raise ConfigError(explain_conflict(old_key, key, key))
        if notes is not None and (new_name != name or (new_value != value and not isinstance(value, Mapping))):
            notes.append(describe(f"{prefix}{name}", value, key, new_value))
        found[new_name] = new_value
    return found


def rename_value(key: str, value: Any) -> Any:
    """A value of the setting `key` by its name of today."""
    return VALUES.get(key, {}).get(value, value) if isinstance(value, str) else value


def describe(old_key: str, old_value: object, key: str, value: object) -> str:
    """That a setting or its value is called something else now; values that have kept their names are left out."""
    old, new = old_key.removesuffix(".name"), key.removesuffix(".name")  # as one chooses from a group
    if value != old_value:
        old, new = f"{old}={old_value}", f"{new}={value}"
    return f"{old} is called {new} now"


def explain_conflict(old: str, new: str, key: str) -> str:
    """That two words or keys are one setting and differ."""
    return f"{old} and {new} are two spellings of one setting, {key}, with different values. Leave one of them away."


def warn(notes: Iterable[str], place: str = "") -> None:
    """One warning of all that was renamed; place: the file in which it stands."""
    if found := list(dict.fromkeys(notes)):
        spellings = "the old spelling still works" if len(found) == 1 else "the old spellings still work"
        logger.warning("%s%s; %s", f"{place}: " if place else "", ", ".join(found), spellings)
