"""What callers of the Python API give, checked: one sentence names the argument, what it must be, and what it is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from nmt.config import format_value
from nmt.errors import ConfigError, DataError
from nmt.printable import is_utf8, shorten


def describe(value: object) -> str:
    """A value, short, with its type: what it is instead of what it must be."""
    if value is None:
        return "None"
    text = format_value(value) if isinstance(value, str) else repr(value)
    return f"{shorten(text, 60)} ({type(value).__name__})"


def check_lines(name: str, lines: Iterable[str]) -> list[str]:
    """The lines as a list. Raises DataError where they are no lines of text, in an order, that UTF-8 can hold."""
    if isinstance(lines, str):
        raise DataError(f"{name} must be a list of lines; got one text. Write [text], or text.splitlines().")
    if isinstance(lines, bytes | Mapping | set | frozenset) or not isinstance(lines, Iterable):
        raise DataError(f"{name} must be a list of lines of text; got {describe(lines)}.")
    found = list(lines)
    for place, line in enumerate(found):
        if not isinstance(line, str):
            way_out = " Decode bytes first: line.decode()." if isinstance(line, bytes) else ""
            raise DataError(f"{name}[{place}] must be text; got {describe(line)}.{way_out}")
        if not is_utf8(line):
            raise DataError(
                f"{name}[{place}] has half of a surrogate pair, which UTF-8 does not have: {shorten(ascii(line), 60)}. "
                "Decode the bytes that it comes from as what they are, or with errors='replace'."
            )
    return found


def check_pairs(one: Iterable[str], other: Iterable[str], name: str, other_name: str) -> tuple[list[str], list[str]]:
    """Both as lists. Raises DataError unless line n of one can belong to line n of the other."""
    lines, other_lines = check_lines(name, one), check_lines(other_name, other)
    if len(lines) != len(other_lines):
        raise DataError(
            f"{name} has {len(lines)} lines and {other_name} {len(other_lines)}, but line n of one belongs to line n "
            "of the other. Give two texts in the same order, with an empty line where something is missing."
        )
    return lines, other_lines


def check_sets(name: str, sets: Iterable[str] | Iterable[Iterable[str]]) -> list[list[str]]:
    """One set of lines, or several, as lists. Raises DataError as `check_lines` does, and where the two are mixed."""
    if isinstance(sets, str | bytes | Mapping | set | frozenset) or not isinstance(sets, Iterable):
        return [check_lines(name, sets)]
    found: list[Any] = list(sets)
    are_texts = [isinstance(each, str) for each in found]
    if any(are_texts) and any(isinstance(each, list | tuple) for each in found):
        place = are_texts.index(not are_texts[0])
        raise DataError(
            f"{name} must be a list of lines, or a list of such lists; {name}[0] is {describe(found[0])} and "
            f"{name}[{place}] is {describe(found[place])}."
        )
    if any(are_texts) or not all(isinstance(each, Iterable) and not isinstance(each, bytes) for each in found):
        return [check_lines(name, found)]
    return [check_lines(f"{name}[{place}]", each) for place, each in enumerate(found)] or [[]]


def check_text(name: str, value: object) -> None:
    """Raises ConfigError for what is neither text that UTF-8 can hold nor None."""
    if value is not None and not (isinstance(value, str) and is_utf8(value)):
        raise ConfigError(f"{name} must be text or None; got {describe(value)}.")


def check_choice(name: str, value: object) -> dict[str, Any]:
    """Settings of a part, or its name alone, as settings. Raises ConfigError for anything else."""
    if value is None or isinstance(value, str):
        check_text(name, value)
        return {} if value is None else {"name": value}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{name} must be a name or settings such as {{'name': ...}}; got {describe(value)}.")
    for text in list_texts(value):
        if not is_utf8(text):
            raise ConfigError(f"{name} has {shorten(ascii(text), 60)}, half of a surrogate pair, which no text has.")
    return dict(value)


def list_texts(value: object) -> Iterator[str]:
    """All text in settings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for below in [*value, *value.values()] if isinstance(value, Mapping) else value:
            yield from list_texts(below)


def check_count(name: str, value: object, *, optional: bool = False, most: int | None = None) -> None:
    """Raises ConfigError for what is no whole number from 1 to `most`, or None where it is optional."""
    if value is None and optional:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigError(f"{name} must be a whole number{' or None' if optional else ''}; got {describe(value)}.")
    if value < 1:
        raise ConfigError(f"{name} must be at least 1; got {shorten(value, 60)}.")
    if most is not None and value > most:
        raise ConfigError(f"{name} must be at most {most}; got {shorten(value, 60)}.")


def check_folder(name: str, value: object) -> Path:
    """The path of a folder. Raises ConfigError for what is no path."""
    path = value.__fspath__() if isinstance(value, PathLike) else value
    if not isinstance(path, str) or not path or "\0" in path or not is_utf8(path):
        raise ConfigError(f"{name} must be the path of a folder, such as 'outputs/mine'; got {describe(value)}.")
    return Path(path)


def check_folders(name: str, value: object) -> list[Path]:
    """One folder, or several, as paths. Raises ConfigError for what is neither."""
    if isinstance(value, str | PathLike | bytes) or not isinstance(value, Sequence):
        return [check_folder(name, value)]
    return [check_folder(f"{name}[{place}]", each) for place, each in enumerate(value)]
