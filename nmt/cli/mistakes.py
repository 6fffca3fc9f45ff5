"""What is wrong with a command line, and how it is written: Hydra's own messages are for those who know Hydra."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nmt.cli.paths import configs
from nmt.config import nearest

SYNTAX = "A setting is written key=value, with no space around the =, such as seed=2 or search=greedy."

OPTIONS = (
    *("--help", "--hydra-help", "--version", "--cfg", "--resolve", "--package", "--run", "--multirun", "--info"),
    *("--shell-completion", "--config-path", "--config-name", "--config-dir", "--experimental-rerun"),
)
"""Words with dashes that Hydra knows; as with all commands, their beginnings will do."""

GLOBAL = "# @package _global_"
"""Begins a file of settings from several groups, which is no home of any."""


def miswritten(words: Sequence[str]) -> str | None:
    """What is wrong with the first word that Hydra would misunderstand; None if there is none."""
    for word in words:
        key, equals, value = word.lstrip("+").partition("=")
        if word.startswith("--") and not any(option.startswith(key) for option in OPTIONS):
            return f"{word} is not an option. Settings have no dashes: {word.lstrip('-')}{'' if equals else '=...'}"
        if equals and not key.strip("~ "):
            return f"{word} names no setting. {SYNTAX}"
        if "." in key and "/" in key:
            return f"{word}: a slash is for choosing from a group. A setting has dots: {_dotted(key)}={value}"
        if "." in key and is_group(_slashed(key)) and not value.startswith("{"):
            return f"{key} is a group, from which one chooses with a slash: {_slashed(key)}={value}"
    return None


def explained(problem: Exception, name: str, words: Sequence[str] = ()) -> str:
    """What Hydra found wrong with the `words` of a command, whose config is `name`."""
    from hydra.errors import MissingConfigException, OverrideParseException
    from omegaconf.errors import InterpolationKeyError

    text = str(problem)
    if isinstance(problem, InterpolationKeyError):
        return f"{problem.full_key} refers to a setting that is not there: {text.splitlines()[0]}."
    if isinstance(problem, OverrideParseException):
        return unreadable(problem.override)
    if isinstance(problem, MissingConfigException) and (options := _options(problem)):
        group, _, option = str(problem.missing_cfg_file).rpartition("/")
        close = difflib.get_close_matches(option, options, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        return f"{group} has no option {option!r}. {meant}Its options are {', '.join(options)}."
    merged = re.match(r"Error merging override \+*([^=]+)=", text)
    if merged and "Cannot merge DictConfig" in str(problem.__cause__):
        return f"{merged[1]} is a group of settings, each of which is set by itself: {merged[1]}.<setting>=..."
    if several := re.match(r"Ambiguous value for argument '(.+)'", text):
        where = "A setting of the comparison itself has one" if name == "compare" else "nmt-compare sweeps over them"
        return f"{several[1]} has several values. {where}; a list has brackets: [a,b]."
    if text.startswith("Config group override must be"):
        return f"{' '.join(choices(words))}: a group is given the name of one of its options."
    if unknown := re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", text):
        return hint(unknown[1] or unknown[2], name, words)
    return text


def unreadable(word: str) -> str:
    """Why Hydra's grammar cannot read a word."""
    if "=" not in word:
        return f"{word} has no value. {SYNTAX}"
    return (
        f"{word} cannot be read. {SYNTAX} In a value, quotes and brackets come in pairs: 'key=[a,b]', 'key={{a: 1}}'."
    )


# Keys that are not settings ---------------------------------------------------------------------------------------


class Composed(NamedTuple):
    """A command's config: its dotted keys, and which option each group has."""

    keys: list[str]
    chosen: dict[str, str | None]


def hint(key: str, name: str, words: Sequence[str]) -> str:
    """For a key that is not a setting: the option of a group which has it, or the nearest key that is one."""
    found = composed(name, choices(words))
    homes = dict(elsewhere(found))
    if key in homes:
        return f"{key} belongs to {homes[key]}{_instead(found, homes[key].group)}."
    alike = similar(_dotted(key), [*found.keys, *homes])
    best = alike[:1] if len(alike) == 1 else difflib.get_close_matches(_dotted(key), alike, n=1)
    if not best:
        return f"{key} is not a setting. {nearest(key, alike)}"
    group = _slashed(best[0])
    belongs = f" It belongs to {homes[best[0]]}." if best[0] in homes else ""
    return f"{key} is not a setting. Did you mean {group if is_group(group) else best[0]}?{belongs}"


def similar(key: str, options: Sequence[str]) -> list[str]:
    """The options that end alike, as people leave out the groups; else the nearest; else all at the top."""
    last = key.split(".")[-1]
    alike = [option for option in options if option.split(".")[-1] == last]
    return alike or difflib.get_close_matches(key, options, n=1) or [o for o in options if "." not in o]


class Home(NamedTuple):
    """The options of a group that have a key."""

    group: str
    options: list[str]

    def __str__(self) -> str:
        return f"{self.group}={' or '.join(', '.join(self.options).rsplit(', ', 1))}"


def elsewhere(found: Composed) -> Iterator[tuple[str, Home]]:
    """Every key that a command would have with other options of its groups, and where it belongs."""
    import yaml

    for group in found.chosen:
        homes: dict[str, list[str]] = {}
        for file in sorted((Path(configs()) / group).glob("*.yaml")):
            content = file.read_text(encoding="utf-8")
            if not content.startswith(GLOBAL):
                for key in walk(yaml.safe_load(content), f"{_dotted(group)}."):
                    homes.setdefault(key, []).append(file.stem)
        yield from ((key, Home(group, options)) for key, options in homes.items() if key not in found.keys)


def composed(name: str, choices: Sequence[str]) -> Composed:
    """A command's config with these choices from its groups, or with none where they cannot be made."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()
    with initialize_config_dir(configs(), version_base="1.3"):
        try:
            whole = compose(name, list(choices), return_hydra_config=True)
        except (HydraException, ValueError):
            whole = compose(name, return_hydra_config=True)
    chosen = {str(group): option for group, option in whole.hydra.runtime.choices.items() if is_group(str(group))}
    plain = OmegaConf.to_container(whole)
    return Composed([key for key in walk(plain) if key.split(".")[0] != "hydra"], chosen)


def walk(node: Any, prefix: str = "") -> Iterator[str]:
    """Every dotted key below a node; `defaults` are no settings."""
    for key, below in node.items() if isinstance(node, Mapping) else ():
        if key != "defaults":
            yield f"{prefix}{key}"
            yield from walk(below, f"{prefix}{key}.")


def choices(words: Sequence[str]) -> list[str]:
    """The words that choose from groups."""
    return [word for word in words if is_group(word.lstrip("+").partition("=")[0])]


def is_group(key: str) -> bool:
    """Whether options can be chosen for this key, in Hydra's spelling with slashes."""
    return bool(re.fullmatch(r"\w+(/\w+)*", key)) and (Path(configs()) / key).is_dir()


def _options(problem: Any) -> list[str]:
    """The options of the group in which one is missing, which Hydra leaves out for a list; none outside of groups."""
    if problem.options is not None:
        return list(problem.options)
    group = str(problem.missing_cfg_file).rpartition("/")[0]
    return sorted(file.stem for file in (Path(configs()) / group).glob("*.yaml")) if is_group(group) else []


def _instead(found: Composed, group: str) -> str:
    """What the option that is chosen has, where one is."""
    option = found.chosen[group]
    if option is None:
        return ""
    prefix = f"{_dotted(group)}."
    own = [key.removeprefix(prefix) for key in found.keys if key.startswith(prefix)]
    settings = [key for key in own if "." not in key and key != "name" and not is_group(f"{group}/{key}")]
    return f"; {group}={option}, which is chosen, has {', '.join(settings) or 'no settings'}"


def _dotted(key: str) -> str:
    return key.replace("/", ".")


def _slashed(key: str) -> str:
    return key.replace(".", "/")
