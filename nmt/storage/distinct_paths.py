"""No command writes over what it reads, nor two of its outputs to one place: asked once, before any work."""

import glob
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

from nmt.errors import ConfigError, ModelError
from nmt.storage.untrusted_paths import (
    CONFIG,
    JOINT_VOCABULARY,
    LEXICON,
    SEPARATE_VOCABULARIES,
    WEIGHTS,
    find_model_folder,
)

STANDARD_INPUT = STANDARD_OUTPUT = "-"
"""Stands for the one among the paths of an input, and for the other among those of an output."""

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None
"""What a setting names: a path, several, or none."""


class NamedPath(NamedTuple):
    """A path with the setting that names it; `real` is where it leads."""

    setting: str
    path: str
    real: str


def check_distinct(
    inputs: Mapping[str, Paths], outputs: Mapping[str, Paths], folders: Mapping[str, Paths] = MappingProxyType({})
) -> None:
    """Raises ConfigError where an output is an input or another output, by whatever name or link.

    All are paths by the settings that name them. Outputs are replaced, with all that lies in them where they are
    folders; to `folders` files are added. The input STANDARD_INPUT and the output STANDARD_OUTPUT are the files that a
    shell has opened for them. Inputs that are no regular files are not looked at, nor are outputs that are neither
    files nor folders, such as /dev/null.
    """
    written: dict[object, NamedPath] = {}
    all_outputs = list(list_paths(outputs))
    output_paths = [each for each in all_outputs if each.path != STANDARD_OUTPUT and not _is_special(each.real)]
    for output in output_paths:
        for key in _list_keys(output.real):
            if (other := written.setdefault(key, output)) is not output:
                raise ConfigError(
                    f"{_join(other.setting, output.setting)} one file, {output.path}, and only one of them would be "
                    "there. Choose another."
                )
    for output in all_outputs:
        if output.path == STANDARD_OUTPUT:
            written |= dict.fromkeys(_list_stream_keys("stdout"), output._replace(path="standard output"))
    for read in list_paths(inputs):
        is_file = os.path.isfile(read.real)
        keys = _list_keys(read.real) if is_file else []
        for key in keys + (_list_stream_keys("stdin") if read.path == STANDARD_INPUT else []):
            if (lost := written.get(key)) is not None:
                raise ConfigError(explain_clash(read, lost))
        if is_file:
            _check_not_below(read, written, "is written anew")
    for place in (*output_paths, *list_paths(folders)):
        if place not in output_paths and (file := written.get(place.real)) is not None:
            raise ConfigError(f"{file.setting} and {place.setting} are one path, {place.path}. Choose another.")
        _check_not_below(place, written, "is a file")


def explain_clash(read: NamedPath, written: NamedPath) -> str:
    """Why an input and an output cannot be one file."""
    name = f"standard input ({read.setting})" if read.path == STANDARD_INPUT else read.setting
    if written.path == "standard output":
        path = "" if read.path == STANDARD_INPUT else f", {read.path}"
        return f"{name} and standard output are one file{path}: it would be read and written at once. Choose another."
    return f"{name} and {written.setting} are one file, {written.path}, whose text would be lost. Choose another."


def list_model_paths(folders: Iterable[str]) -> list[Path]:
    """Where the files of models lie, in run folders or model folders; nothing of those that hold none."""
    found: list[Path] = []
    for name in folders:
        try:
            folder = find_model_folder(Path(name).expanduser())
        except ModelError:
            continue
        found += [folder / file for file in (CONFIG, WEIGHTS, *JOINT_VOCABULARY, *SEPARATE_VOCABULARIES, LEXICON)]
    return found


def _check_not_below(each: NamedPath, written: Mapping[object, NamedPath], reason: str) -> None:
    for parent in Path(each.real).parents:
        if (output := written.get(str(parent))) is not None:
            raise ConfigError(
                f"{each.setting}={each.path} lies in {output.path}, which {reason} ({output.setting}). Choose another."
            )


def list_paths(by_setting: Mapping[str, Paths]) -> Iterator[NamedPath]:
    """The paths that settings name, those that match a pattern among them."""
    for setting, paths in by_setting.items():
        for path in [] if paths is None else [paths] if isinstance(paths, str | os.PathLike) else paths:
            expanded = os.path.expanduser(path)
            matching = glob.glob(expanded) if glob.has_magic(expanded) and not os.path.lexists(expanded) else []
            yield from (NamedPath(setting, name, os.path.realpath(name)) for name in matching or [expanded])


def _list_keys(real: str) -> list[object]:
    """What names a place: its path, and what the file system says of a file that is there."""
    try:
        found = os.stat(real)
    except (OSError, ValueError):
        return [real]
    return [real, (found.st_dev, found.st_ino)]


def _list_stream_keys(name: Literal["stdin", "stdout"]) -> list[object]:
    """What the file system says of the regular file that a standard stream is, if it is one."""
    try:
        found = os.fstat(getattr(sys, name).fileno())
    except (AttributeError, OSError, ValueError):
        return []
    return [(found.st_dev, found.st_ino)] if stat.S_ISREG(found.st_mode) else []


def _is_special(real: str) -> bool:
    return os.path.exists(real) and not os.path.isfile(real) and not os.path.isdir(real)


def _join(one: str, other: str) -> str:
    return f"two of {one} are" if one == other else f"{one} and {other} are"
