"""Which tags stand in front of source lines: those of the language that is asked for, and of others."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nmt.errors import ConfigError

if TYPE_CHECKING:
    from nmt.model_folder import LoadedModel


def choose_tags(
    settings: Mapping[str, Any], *, target: str | None, tag: str | None = None, key: str = "target"
) -> list[str]:
    """The tags in front of the source lines of a model with these settings.

    target: the language to translate to, which a model for one alone does not need. tag: another one that the model
    knows. key: what the setting of the language is called. Raises ConfigError where the model has no such tag, and
    where it translates to several languages and none is chosen.
    """
    targets: Mapping[str, str] = settings["tags"].get("targets", {})
    others = settings["tags"].get("others", [])
    if target is None and len(targets) > 1:
        raise ConfigError(
            f"This model translates to {', '.join(sorted(targets))}. Choose one of them: {key}={min(targets)}."
        )
    known = targets or {settings["target_language"]: ""}
    if target is not None and target not in known:
        raise ConfigError(f"{key}={target}: this model translates to {', '.join(sorted(known))}.")
    if tag is not None and tag not in others:
        there = f"its tags are {', '.join(others)}" if others else "it has none"
        raise ConfigError(f"tag={tag} is no tag of this model: {there}.")
    chosen = known[target] if target is not None else next(iter(known.values()))
    return [each for each in (chosen, tag) if each]


def name_target(loaded: "LoadedModel", target: str | None) -> str:
    """The language that a model translates to, where `target` may choose one."""
    targets = loaded.settings["tags"].get("targets", {})
    language: str = target or next(iter(targets), loaded.settings["target_language"])
    return language
