"""Keys that are not settings: the option that has them, or what was meant."""

import difflib
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nmt.composition.groups import (
    GLOBAL_HEADER,
    find_group_choices,
    is_group,
    join_with_dots,
    join_with_slashes,
    list_dotted_keys,
)
from nmt.composition.levels import list_level
from nmt.composition.paths import find_config_folder
from nmt.renames import SETTINGS
from nmt.synonyms import ANSWERS, find_settings, normalize

SYNTAX_HINT = "A setting is written key=value, with no space around the =, such as seed=2 or search=greedy."

MAX_SUGGESTIONS = 2
"""Settings that a message names for one word."""

MIN_SIMILARITY = 0.8
"""How alike two words must be, from 0 to 1, for one to be taken for a misspelling of the other."""


class ComposedConfig(NamedTuple):
    """A command's config: its dotted keys, and which option each group has."""

    keys: list[str]
    options: dict[str, str | None]


def explain_unknown_key(key: str, name: str, words: Sequence[str]) -> str:
    """For a key that is not a setting: the option of a group which has it, or the nearest key that is one."""
    config = compose_config(name, find_group_choices(words))
    if key in config.keys:
        return explain_clash(key, words)
    owning_groups = dict(list_settings_of_other_options(config))
    if key in owning_groups:
        return f"{key} belongs to {owning_groups[key]}{_describe_chosen_option(config, owning_groups[key].group)}."
    known = {**dict.fromkeys(config.keys), **owning_groups, **dict.fromkeys(config.options)}
    if matching_settings := find_settings(key, known) or find_renamed_settings(key, known):
        meant = [describe(ours, name, known[ours], config.options) for ours in matching_settings]
        return f"{key} is not a setting. Here it is {join(meant)}."
    if name == "train" and (answer := ANSWERS.get(normalize(key.split(".")[-1]))):
        return f"{key} is not a setting. {answer}"
    similar_keys = find_similar(join_with_dots(key), [*config.keys, *owning_groups])
    similar_keys = [similar for similar in similar_keys if not key.startswith(f"{similar}.")]  # where it is, not what
    if not similar_keys:
        return f"{key} is not a setting{list_level(key, config.keys, config.options)}"
    options = [group if is_group(group := join_with_slashes(option)) else option for option in similar_keys]
    belongs = f" It belongs to {owning_groups[similar_keys[0]]}." if similar_keys[0] in owning_groups else ""
    return f"{key} is not a setting. Did you mean {join(options)}?{belongs}"


def find_renamed_settings(key: str, known: Container[str]) -> list[str]:
    """What settings are called now whose old name is, or nearly is, the key or its last part."""
    last = key.split(".")[-1]
    return [
        new
        for old, new in SETTINGS.items()
        if new in known and (old.split(".")[-1] == last or difflib.SequenceMatcher(None, old, key).ratio() > 0.9)
    ]


def explain_clash(key: str, words: Sequence[str]) -> str:
    """Why a key is refused that is a setting: another word sets or removes it, or a group that it is in."""
    for word in words:
        other = word.lstrip("+~").partition("=")[0]
        is_removed = word.startswith("~") and other == key
        if is_removed or (key.startswith(f"{other}.") and not find_group_choices([word])):
            return f"{key} clashes with {word}, which sets or removes it or its group. Leave one of the two away."
    return f"{key} is a setting, but cannot be given like this. {SYNTAX_HINT}"


def describe(setting: str, command: str, home: "OwningGroup | None", chosen: Mapping[str, str | None]) -> str:
    """A setting with the option that has it, or else with its comment in `configs/`, that of the option which is
    `chosen` in its group."""
    from nmt.composition import help

    if home is not None:
        return f"{setting} (of {home})"
    path = tuple(re.split("[./]", setting))
    comments = (
        each.comment
        for each in help.read_comments(Path(find_config_folder()), command)
        if each.path == path and each.name in (None, chosen.get("/".join(each.group)))
    )
    comment = next(comments, None)
    return setting if comment is None else f"{setting} ({comment})"


def join(parts: Sequence[str]) -> str:
    """Alternatives as a sentence has them: a, b or c."""
    return " or ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def find_similar(key: str, options: Sequence[str]) -> list[str]:
    """The options that a key may mean: those that end alike, as people leave out the groups, but at most the nearest of
    many; else the most similar one."""
    last = key.split(".")[-1]
    alike = [option for option in options if option.split(".")[-1] == last]
    if len(alike) > MAX_SUGGESTIONS:
        return difflib.get_close_matches(key, alike, n=1, cutoff=0.0)
    if alike:
        return alike
    ends = [
        option for option in options if difflib.get_close_matches(last, [option.split(".")[-1]], cutoff=MIN_SIMILARITY)
    ]
    return difflib.get_close_matches(key, ends or options, n=1, cutoff=0.0 if ends else MIN_SIMILARITY)


class OwningGroup(NamedTuple):
    """The options of a group that have a key."""

    group: str
    options: list[str]

    def __str__(self) -> str:
        return f"{self.group}={join(self.options)}"


def list_settings_of_other_options(config: ComposedConfig) -> Iterator[tuple[str, OwningGroup]]:
    """Every key that a command would have with other options of its groups, and where it belongs."""
    import yaml

    for group in config.options:
        homes: dict[str, list[str]] = {}
        for file in sorted((Path(find_config_folder()) / group).glob("*.yaml")):
            content = file.read_text(encoding="utf-8")
            if not content.startswith(GLOBAL_HEADER):
                for key in list_dotted_keys(yaml.safe_load(content), f"{join_with_dots(group)}."):
                    homes.setdefault(key, []).append(file.stem)
        yield from ((key, OwningGroup(group, options)) for key, options in homes.items() if key not in config.keys)


def compose_config(name: str, choices: Sequence[str]) -> ComposedConfig:
    """A command's config with these choices from its groups, or with none where they cannot be made."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()
    with initialize_config_dir(find_config_folder(), version_base="1.3"):
        try:
            whole = compose(name, list(choices), return_hydra_config=True)
        except (HydraException, ValueError):
            whole = compose(name, return_hydra_config=True)
    chosen = {str(group): option for group, option in whole.hydra.runtime.choices.items() if is_group(str(group))}
    plain = OmegaConf.to_container(whole)
    return ComposedConfig([key for key in list_dotted_keys(plain) if key.split(".")[0] != "hydra"], chosen)


def _describe_chosen_option(config: ComposedConfig, group: str) -> str:
    """What the option that is chosen has, where one is."""
    option = config.options[group]
    if option is None:
        return ""
    prefix = f"{join_with_dots(group)}."
    own = [key.removeprefix(prefix) for key in config.keys if key.startswith(prefix)]
    settings = [key for key in own if "." not in key and key != "name" and not is_group(f"{group}/{key}")]
    return f"; {group}={option}, which is chosen, has {', '.join(settings) or 'no settings'}"
