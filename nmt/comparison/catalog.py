"""Comparisons that have a name: a file of variants, each a list of what nmt-train would be given."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nmt import config, renames
from nmt.composition.diagnostics import find_syntax_problem
from nmt.composition.groups import check_choices
from nmt.composition.paths import find_config_folder
from nmt.composition.spelling import find_new_names
from nmt.errors import ConfigError
from nmt.storage.yaml_files import find_repeated_keys, parse_yaml

GROUP = "comparison"
"""The folder of those that come with the program, in that of all configs."""

VARIANT_NAME = re.compile(r"[A-Za-z0-9][\w.=+-]{0,59}")
"""What a variant may be called: its runs are in a folder of that name, and a comma begins what is swept besides."""

VARIANT_NAME_RULE = "letters, digits and . = + - _, begin with a letter or digit, and have at most 60 characters"


class NamedComparison(NamedTuple):
    """variants: name -> overrides for nmt-train. baseline: the name of the one that the others are tested against."""

    path: Path
    variants: dict[str, list[str]]
    baseline: str | None


@dataclass(frozen=True, kw_only=True)
class ComparisonFile:
    """What a comparison's file may hold."""

    variants: dict[str, list[str]]
    baseline: str | None = None


def read_comparison(name_or_path: str, own: frozenset[str]) -> NamedComparison:
    """The comparison of a name in `configs/comparison`, or in a file. `own` are settings that no variant can have.

    Raises ConfigError with all that is wrong with the file.
    """
    path = resolve_path(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
        node, content = parse_yaml(text)
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{path} cannot be read: {problem}") from problem
    problems = list(find_repeated_keys(node))
    try:
        file = config.build(ComparisonFile, config.check(content, ComparisonFile))
    except ConfigError as problem:
        problems += map(str, problem.args)
    else:
        problems += find_problems(file, own)
        variants, conflicts = use_new_names(path, file.variants)
        problems += conflicts
    if problems:
        raise ConfigError(*(f"{path}: {problem}" for problem in problems))
    return NamedComparison(path, variants, file.baseline)


def use_new_names(path: Path, variants: Mapping[str, list[str]]) -> tuple[dict[str, list[str]], list[str]]:
    """The variants with the names that settings have today, with one warning of what was renamed; and the problems of
    those that give one setting by two names."""
    found: dict[str, list[str]] = {}
    notes, problems = [], []
    for name, words in variants.items():
        try:
            found[name], renamed = find_new_names(words)
            notes += renamed
        except ConfigError as problem:
            problems += [f"variants.{name}: {line}" for line in problem.args]
    renames.warn(notes, str(path))
    return found, problems


def resolve_path(name_or_path: str) -> Path:
    """The file that is asked for by name, or by its own path, which has a slash in it or ends in .yaml."""
    if "/" in name_or_path or name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path).expanduser()
        if path.exists() and not path.is_file():
            raise ConfigError(f"comparison={name_or_path} is no regular file. Write the variants into one.")
        if not path.is_file():
            raise ConfigError(f"comparison={name_or_path}: there is no such file.")
        return path
    names = sorted(path.stem for path in (Path(find_config_folder()) / GROUP).glob("*.yaml"))
    if name_or_path not in names:
        close = difflib.get_close_matches(name_or_path, names, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        raise ConfigError(
            f"comparison={name_or_path} is not there. {meant}What is there: {', '.join(names)}. A file of "
            "your own is named by its path: comparison=./mine.yaml."
        )
    return Path(find_config_folder()) / GROUP / f"{name_or_path}.yaml"


def find_problems(file: ComparisonFile, own: frozenset[str]) -> Iterator[str]:
    """What is wrong with the names and the overrides of variants, as far as a file alone can tell."""
    if not file.variants:
        yield "variants has none. Give each a name and a list, such as heads-4: [attention.heads=4]."
    folded = [name.casefold() for name in file.variants]
    for name, overrides in file.variants.items():
        if not VARIANT_NAME.fullmatch(name):
            yield f"variants.{name} cannot be the name of a folder. Names have {VARIANT_NAME_RULE}."
        if folded.index(name.casefold()) < list(file.variants).index(name):
            yield f"variants.{name} would share the folder of another, which differs in case only."
        try:
            check_choices(overrides)
        except ConfigError as problem:
            yield f"variants.{name}: {problem}"
        for text in overrides:
            key = re.split(r"[.=]", text.lstrip("+~"))[0]
            if key in own:
                yield f"variants.{name}: {text} is for the comparison as a whole; write it on the command line."
            elif (problem_text := find_syntax_problem([text])) is not None or (
                "=" not in text and not text.startswith("~")
            ):
                yield f"variants.{name}: {problem_text or f'{text} has no value. It is written key=value.'}"
    if file.baseline is not None and file.baseline not in file.variants:
        yield f"baseline={file.baseline} is not one of the variants. {config.suggest(file.baseline, file.variants)}"
