"""What `--help` says: Hydra's list of settings, each with its comment in `configs/`, which Hydra leaves out."""

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SETTING = re.compile(r"( *)(?:- )?(\w+):(?: (.*))?")
"""A line of YAML that sets something: its indentation, its key and the rest, a comment included."""

LISTING_HEADER = re.compile(r"unless you say otherwise.*:$")
"""The line of a help text after which the settings are listed."""

GROUPS = re.compile(r"([a-z/]+): [\w, ]+")
"""A line of Hydra's list of groups."""

GLOBAL_GROUPS = frozenset({"experiment", "debug"})
"""Groups of nmt-train that set what lies elsewhere."""

COMMENT_COLUMN = 40
"""Where comments begin, unless what is set is longer."""


class SettingComment(NamedTuple):
    """The comment of the setting at `path`, which holds for the option of a group that goes by `name`, or for all."""

    group: tuple[str, ...]
    name: str | None
    path: tuple[str, ...]
    comment: str


def annotate_help(text: str, command: str, folder: Path) -> str:
    """A help text with the comments, and without the groups that the command has no use for."""
    before, end, listing = split_help(text)
    settings = yaml.safe_load(listing) or {}
    known = {key for key in settings if isinstance(settings, dict)} | (GLOBAL_GROUPS if command == "train" else set())
    header_lines = [line for line in before if not (group := GROUPS.fullmatch(line)) or group[1].split("/")[0] in known]
    comments = {
        meaning.path: meaning.comment
        for meaning in read_comments(folder, command)
        if meaning.name in (None, get_chosen_option(settings, meaning.group))
    }
    return "\n".join([*header_lines, *annotate_lines(listing.splitlines(), comments), *end])


def split_help(text: str) -> tuple[list[str], list[str], str]:
    """The lines before the settings, those after them, and the settings."""
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines, 1) if LISTING_HEADER.search(line)), len(lines))
    while first < len(lines) and not lines[first]:
        first += 1
    last = next((number for number in range(first, len(lines)) if not lines[number]), len(lines))
    return lines[:first], lines[last:], "\n".join(lines[first:last])


def read_comments(folder: Path, command: str) -> Iterator[SettingComment]:
    """Every comment beside a setting, with what goes on below it: the groups', then those of the command itself."""
    for file in [*sorted(folder.glob("*/**/*.yaml")), folder / f"{command}.yaml"]:
        lines = file.read_text(encoding="utf-8").splitlines()
        if lines[0].startswith("# @package"):
            continue
        group = file.relative_to(folder).parent.parts
        named = next((line.removeprefix("name: ") for line in lines if line.startswith("name: ")), None)
        name = None if named is None else named.split(" ")[0]
        for path, _, comment in walk_settings(lines):
            if comment:
                yield SettingComment(group, name, (*group, *(path[1:] if path[0] == "defaults" else path)), comment)


def walk_settings(lines: list[str]) -> Iterator[tuple[tuple[str, ...], int, str]]:
    """Each setting in lines of YAML: its path, the number of its line, and its comment."""
    above: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        if (setting := SETTING.fullmatch(line)) is None:
            continue
        indent, key, rest = len(setting[1]), setting[2], setting[3] or ""
        above = [*((deeper, parent) for deeper, parent in above if deeper < indent), (indent, key)]
        comment = f" {rest}".partition(" # ")[2]
        further = takewhile(lambda below: below.startswith(" ") and below.strip().startswith("# "), lines[number + 1 :])
        if comment:
            comment = " ".join([comment, *(below.strip()[2:] for below in further)])
        yield tuple(parent for _, parent in above), number, comment


def annotate_lines(lines: list[str], meanings: dict[tuple[str, ...], str]) -> list[str]:
    """The lines of a listing, with the comments of those that have one."""
    comments = {number: meanings[path] for path, number, _ in walk_settings(lines) if path in meanings}
    return [
        f"{line:{COMMENT_COLUMN}} # {comments[number]}" if number in comments else line
        for number, line in enumerate(lines)
    ]


def get_chosen_option(settings: Any, group: tuple[str, ...]) -> str | None:
    """The name of the option that is chosen in a group; None where nothing is."""
    for key in group:
        settings = settings.get(key) if isinstance(settings, dict) else None
    return settings.get("name") if isinstance(settings, dict) else None
