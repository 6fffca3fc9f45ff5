"""Writes docs/reference/settings.md: every setting of every command and group option, from the comments in configs/.

python scripts/make_settings_reference.py            write the page
python scripts/make_settings_reference.py --check    exit with status 1 if the page is not what the configs say
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # this folder's file names would hide modules of the same name

from nmt.composition.help import read_comments, walk_settings  # noqa: E402

CONFIGS = ROOT / "configs"
PAGE = ROOT / "docs" / "reference" / "settings.md"

COMMANDS = ("train", "translate", "evaluate", "align", "score", "compare", "tune", "shortlist", "explain")
"""In the order in which a newcomer meets them."""

SECTION = object()
"""In place of the default of what holds other settings."""

UNLISTED = frozenset({"quiet", "_self_"})
"""Entries of a defaults list that are no choice of a user's."""

HEAD = """\
# Settings

<!-- Written by scripts/make_settings_reference.py from the comments in configs/. Change those, then run it again. -->

Every setting is written `key=value` on the command line, as in `seed=2`. A group is a choice between options, and is
written with a slash where it lies inside another: `attention/score=additive`. The settings of an option are written
with dots: `attention.score.hidden_size=256`. A list has brackets, `[a,b]`, and needs quotes where it holds spaces.

`nmt-train --help` prints the settings of a command, and those of the chosen options: `nmt-train data=files --help`.

In the column *default*, *required* marks a setting that must be given, and `null` means that there is none.
"""


class Setting(NamedTuple):
    """One setting of a file: its path below the file, its default as YAML, and its comment."""

    path: tuple[str, ...]
    default: Any
    meaning: str


class Config(NamedTuple):
    """A file of settings. choices: the entries of its defaults list, (group, option)."""

    description: str
    choices: list[tuple[str, str]]
    settings: list[Setting]
    is_recipe: bool


def read_config(path: Path) -> Config:
    """The settings of one YAML file. Where one has no comment, that of the same variant in another file counts."""
    lines = path.read_text(encoding="utf-8").splitlines()
    content = yaml.safe_load("\n".join(lines)) or {}
    is_recipe = lines[0].startswith("# @package")
    comments = []
    for line in lines[is_recipe:]:
        if not line.startswith("#"):
            break
        comments.append(line.removeprefix("#").removeprefix(" "))
    meanings = {setting: comment for setting, _, comment in walk_settings(lines) if comment}
    own = {key: value for key, value in content.items() if key not in ("defaults", "hydra")}
    group = path.relative_to(CONFIGS).parent.parts
    alike = {
        meaning.path[len(group) :]: meaning.comment
        for meaning in read_comments(CONFIGS, "train")
        if group and meaning.group == group and meaning.name == own.get("name")
    }
    meanings = {**alike, **meanings}
    found = [Setting(place, value, meanings.get(place, "")) for place, value in flatten(own)]
    found = [setting for setting in found if setting.default is not SECTION or setting.meaning]
    return Config(join_comment(comments), list(read_choices(content.get("defaults", []))), found, is_recipe)


def join_comment(lines: list[str]) -> str:
    """Comment lines as a paragraph; lines that begin with a dash become a list."""
    text = "\n".join(lines)
    return re.sub(r"\n(?! *-)\s*", " ", text).replace("\n-", "\n\n-", 1) if "\n-" in text else " ".join(lines)


def read_choices(defaults: list[Any]) -> Iterator[tuple[str, str]]:
    """(group, option) for each entry of a defaults list that chooses an option."""
    for entry in defaults:
        if isinstance(entry, dict):
            for group, option in entry.items():
                if not group.startswith("override /hydra"):
                    yield group.removeprefix("override /"), "none chosen" if option is None else str(option)


def flatten(content: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The path and the value of each setting, in the order of the file; SECTION for what holds others."""
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield (*above, str(key)), SECTION
            yield from flatten(value, (*above, str(key)))
        else:
            yield (*above, str(key)), value


def format_default(value: Any) -> str:
    """A default as one would write it on the command line; nothing for what holds other settings."""
    if value is SECTION:
        return ""
    if value == "???":
        return "*required*"
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, allow_unicode=True).splitlines()[0]
    if isinstance(value, str):
        text = value
    return f"`{text}`".replace("|", "\\|")


def format_meaning(text: str) -> str:
    """A comment as the cell of a table, with all that Markdown would read as markup escaped, but for code."""
    entities = {"<": "&lt;", ">": "&gt;", "{": "&#123;", "}": "&#125;", "|": "&#124;"}

    def escape(part: str) -> str:
        if part.startswith(
            "`"
        ):  # a cell ends at a bar even in code, so that one is written as an entity, which needs tags
            return f"<code>{part[1:-1].replace('|', entities['|'])}</code>" if "|" in part else part
        return re.sub(r"[*_\[\]<>{}|]", lambda mark: entities.get(mark[0], f"\\{mark[0]}"), part)

    return "".join(map(escape, re.split(r"(`[^`]*`)", text)))


def format_table(settings: list[Setting], prefix: tuple[str, ...] = (), *, meanings: bool = True) -> list[str]:
    """A table of settings; none where there are none."""
    shown = [setting for setting in settings if setting.path != ("name",)]
    if not shown:
        return []
    lines = ["| setting | default | meaning |", "|---|---|---|"] if meanings else ["| setting | value |", "|---|---|"]
    for setting in shown:
        cells = [f"`{'.'.join((*prefix, *setting.path))}`", format_default(setting.default)]
        lines.append(f"| {' | '.join([*cells, format_meaning(setting.meaning)] if meanings else cells)} |")
    return [*lines, ""]


def describe_command(command: str) -> Iterator[str]:
    """The section of a command: what it does, its groups, and its own settings."""
    config = read_config(CONFIGS / f"{command}.yaml")
    yield f"### nmt-{command}\n"
    yield f"{close(capitalize(format_meaning(config.description.partition(': ')[2])))}\n"
    choices = [(group, option) for group, option in config.choices if group not in UNLISTED]
    if choices:
        yield "| group | default option | options |"
        yield "|---|---|---|"
        for group, option in choices:
            options = ", ".join(f"`{path.stem}`" for path in option_files(group))
            shown = "*none*" if option == "none chosen" else f"`{option}`"
            yield f"| [`{group}`](#{anchor(group)}) | {shown} | {options} |"
        yield ""
    if command in ("compare", "tune"):
        yield "All settings of `nmt-train` can be given too.\n"
    yield from format_table(config.settings)


def describe_group(group: str) -> Iterator[str]:
    """The section of a group: each option with its settings."""
    yield f"### {group} {{ #{anchor(group)} }}\n"
    prefix = () if group in ("experiment", "debug") else tuple(group.split("/"))
    for path in option_files(group):
        config = read_config(path)
        yield f"#### {group}={path.stem} {{ #{anchor(group)}-{path.stem} }}\n"
        if config.description:
            yield f"{close(format_meaning(config.description))}\n"
        if config.choices:
            words = [
                f"`{other if config.is_recipe else f'{group}/{other}'}={option}`" for other, option in config.choices
            ]
            yield f"It chooses {', '.join(words)}.\n"
        if group == "comparison":
            yield from describe_comparison(config)
            continue
        table = format_table(config.settings, prefix, meanings=not config.is_recipe)
        yield from table or ([] if config.choices else ["It has no settings.\n"])


def describe_comparison(config: Config) -> Iterator[str]:
    """The variants of a comparison, each with what nmt-train is given."""
    settings = {setting.path: setting.default for setting in config.settings}
    yield f"Baseline: `{settings[('baseline',)]}`.\n"
    yield "| variant | settings |"
    yield "|---|---|"
    for path, words in settings.items():
        if path[0] == "variants":
            yield f"| `{path[1]}` | {' '.join(f'`{word}`' for word in words)} |"
    yield ""


def option_files(group: str) -> list[Path]:
    """The files of a group's options, in the order of their names."""
    return sorted((CONFIGS / group).glob("*.yaml"))


def groups() -> list[str]:
    """Every group, a group before those inside it."""
    found = {path.parent.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yaml")}
    return sorted(found - {"."})


def anchor(group: str) -> str:
    """The anchor of a group's section."""
    return f"group-{group.replace('/', '-')}"


def capitalize(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def close(text: str) -> str:
    """The text with a full stop at its end."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def make_page() -> str:
    """The whole page."""
    lines = [HEAD, "## Commands\n"]
    for command in COMMANDS:
        lines += describe_command(command)
    lines.append("## Groups\n")
    for group in groups():
        lines += describe_group(group)
    return "\n".join(lines).rstrip("\n") + "\n"


def main() -> None:
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    page = make_page()
    if sys.argv[1:] == ["--check"]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page:
            sys.exit(f"{PAGE.relative_to(ROOT)} is stale. Run: python scripts/make_settings_reference.py")
        return
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
