"""What is wrong with a command line, and how it is written: Hydra's own messages are for those who know Hydra."""

import difflib
import os
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nmt.composition.levels import list_level
from nmt.composition.long_names import explain_long_name
from nmt.composition.options import explain_sweep, find_foreign_option
from nmt.composition.paths import find_config_folder
from nmt.printable import is_utf8
from nmt.renames import SETTINGS
from nmt.synonyms import ANSWERS, find_settings, normalize

SYNTAX_HINT = "A setting is written key=value, with no space around the =, such as seed=2 or search=greedy."

HYDRA_OPTIONS = (
    *("--help", "--hydra-help", "--version", "--cfg", "--resolve", "--package", "--run", "--multirun", "--info"),
    *("--shell-completion", "--config-path", "--config-name", "--config-dir", "--experimental-rerun"),
)
"""Words with dashes that Hydra knows; as with all commands, their beginnings will do."""

HYDRA_SHORT_OPTIONS = frozenset({"-h", "-c", "-p", "-r", "-cp", "-cn", "-cd", "-i", "-sc"})
"""The short forms of those."""

MULTIRUN_HINT = (
    "does several runs, which nmt-compare is for: nmt-compare attention=bahdanau,luong_general seeds=3 gives each a "
    "folder of its own, and compares them."
)
"""What is said of Hydra's own way to do several runs."""

INTERPOLATION_HINT = (
    "Inside ${...} stands another setting, such as ${seed}, or oc.env:NAME for an environment variable, or "
    "now:%Y-%m-%d for a date."
)

MAX_SUGGESTIONS = 2
"""Settings that a message names for one word."""

MIN_SIMILARITY = 0.8
"""How alike two words must be, from 0 to 1, for one to be taken for a misspelling of the other."""

GLOBAL_HEADER = "# @package _global_"
"""Begins a file of settings from several groups, which is no home of any."""


def find_syntax_problem(words: Sequence[str], command: str = "train") -> str | None:
    """What is wrong with the first word that Hydra would misunderstand; None if there is none."""
    if (problem := find_foreign_option(words, command)) is not None:
        return problem
    for word in words:
        if not is_utf8(word):
            return (
                f"{word} has bytes that are not UTF-8, which no config can hold. Rename the file, or make a link to it."
            )
        key, equals, value = word.lstrip("+").partition("=")
        if word == "-m" or (word.startswith("--m") and "--multirun".startswith(word)) or key == "hydra.mode":
            return f"{word} {MULTIRUN_HINT}"
        known = key in HYDRA_SHORT_OPTIONS or (
            word.startswith("--") and any(option.startswith(key) for option in HYDRA_OPTIONS)
        )
        if (problem := explain_long_name(key, value, chooses=is_group(key))) is not None:
            return problem
        if word.startswith("-") and not known:
            return f"{word} is not an option. Settings have no dashes: {word.lstrip('-')}{'' if equals else '=...'}"
        if equals and not key.strip("~ "):
            return f"{word} names no setting. {SYNTAX_HINT}"
        if "." in key and "/" in key:
            return f"{word}: a slash is for choosing from a group. A setting has dots: {_join_with_dots(key)}={value}"
        if "." in key and is_group(_join_with_slashes(key)) and not value.startswith("{"):
            return f"{key} is a group, from which one chooses with a slash: {_join_with_slashes(key)}={value}"
    return None


def explain(problem: Exception, name: str, words: Sequence[str] = ()) -> str:
    """What Hydra found wrong with the `words` of a command, whose config is `name`."""
    from hydra.errors import MissingConfigException, OverrideParseException
    from omegaconf.errors import InterpolationKeyError, InterpolationResolutionError, OmegaConfBaseException

    text = str(problem)
    if (sweep := explain_sweep(text)) is not None:
        return sweep
    if isinstance(problem, OmegaConfBaseException) and text.startswith("Recursive interpolation"):
        return f"{problem.full_key} refers to itself. Write its value out, or leave it away for the default."
    if isinstance(problem, InterpolationKeyError):
        return f"{problem.full_key} refers to a setting that is not there: {text.splitlines()[0]}."
    if isinstance(problem, InterpolationResolutionError):
        reason = re.sub(r"^\w+ raised while resolving interpolation: ", "", text.splitlines()[0])
        return f"{problem.full_key} cannot be resolved: {reason}. {INTERPOLATION_HINT}"
    if (merged := re.match(r"Error merging override (.*)", text)) and "${" in merged[1]:
        return f"{merged[1]} cannot be read. {INTERPOLATION_HINT}"
    if isinstance(problem, OverrideParseException):
        return explain_unreadable(problem.override)
    if isinstance(problem, MissingConfigException) and (options := _list_options(problem)):
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
        return f"{' '.join(find_group_choices(words))}: a group is given the name of one of its options."
    if unknown := re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", text):
        key = unknown[1] or unknown[2]
        inside = re.search(r"full_key: (\S+)", str(problem.__cause__))  # of a value such as {a: 1}
        return explain_unknown_key(inside[1] if inside and inside[1].startswith(f"{key}.") else key, name, words)
    return text


def explain_unreadable(word: str) -> str:
    """Why Hydra's grammar cannot read a word."""
    if "=" not in word:
        return f"{word} has no value. {SYNTAX_HINT}"
    return (
        f"{word} cannot be read. {SYNTAX_HINT} In a value, quotes and brackets come in pairs: 'key=[a,b]', "
        f"'key={{a: 1}}'."
    )


# Keys that are not settings ---------------------------------------------------------------------------------------


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
    similar_keys = find_similar(_join_with_dots(key), [*config.keys, *owning_groups])
    similar_keys = [similar for similar in similar_keys if not key.startswith(f"{similar}.")]  # where it is, not what
    if not similar_keys:
        return f"{key} is not a setting{list_level(key, config.keys, config.options)}"
    options = [group if is_group(group := _join_with_slashes(option)) else option for option in similar_keys]
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
                for key in list_dotted_keys(yaml.safe_load(content), f"{_join_with_dots(group)}."):
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


def list_dotted_keys(node: Any, prefix: str = "") -> Iterator[str]:
    """Every dotted key below a node; `defaults` are no settings."""
    for key, below in node.items() if isinstance(node, Mapping) else ():
        if key != "defaults":
            yield f"{prefix}{key}"
            yield from list_dotted_keys(below, f"{prefix}{key}.")


def find_group_choices(words: Sequence[str]) -> list[str]:
    """The words that choose from groups."""
    return [word for word in words if is_group(word.lstrip("+").partition("=")[0])]


def is_group(key: str) -> bool:
    """Whether options can be chosen for this key, in Hydra's spelling with slashes."""
    return bool(re.fullmatch(r"\w+(/\w+)*", key)) and os.path.isdir(Path(find_config_folder()) / key)


def _list_options(problem: Any) -> list[str]:
    """The options of the group in which one is missing, which Hydra leaves out for a list; none outside of groups."""
    if problem.options is not None:
        return list(problem.options)
    group = str(problem.missing_cfg_file).rpartition("/")[0]
    return sorted(file.stem for file in (Path(find_config_folder()) / group).glob("*.yaml")) if is_group(group) else []


def _describe_chosen_option(config: ComposedConfig, group: str) -> str:
    """What the option that is chosen has, where one is."""
    option = config.options[group]
    if option is None:
        return ""
    prefix = f"{_join_with_dots(group)}."
    own = [key.removeprefix(prefix) for key in config.keys if key.startswith(prefix)]
    settings = [key for key in own if "." not in key and key != "name" and not is_group(f"{group}/{key}")]
    return f"; {group}={option}, which is chosen, has {', '.join(settings) or 'no settings'}"


def _join_with_dots(key: str) -> str:
    return key.replace("/", ".")


def _join_with_slashes(key: str) -> str:
    return key.replace(".", "/")
