"""What is wrong with a command line, and how it is written: Hydra's own messages are for those who know Hydra."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nmt.composition.groups import find_group_choices, is_group, join_with_dots, join_with_slashes
from nmt.composition.long_names import explain_long_name
from nmt.composition.options import explain_sweep, find_foreign_option
from nmt.composition.paths import find_config_folder
from nmt.composition.unknown_keys import SYNTAX_HINT, explain_unknown_key
from nmt.printable import is_utf8

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
            return f"{word}: a slash is for choosing from a group. A setting has dots: {join_with_dots(key)}={value}"
        if "." in key and is_group(join_with_slashes(key)) and not value.startswith("{"):
            return f"{key} is a group, from which one chooses with a slash: {join_with_slashes(key)}={value}"
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


def _list_options(problem: Any) -> list[str]:
    """The options of the group in which one is missing, which Hydra leaves out for a list; none outside of groups."""
    if problem.options is not None:
        return list(problem.options)
    group = str(problem.missing_cfg_file).rpartition("/")[0]
    return sorted(file.stem for file in (Path(find_config_folder()) / group).glob("*.yaml")) if is_group(group) else []
