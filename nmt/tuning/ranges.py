"""What is searched: settings with a range or several values, in words such as `optimizer.learning_rate=log(1e-4,1e-2)`.

Known before anything heavy is imported.
"""

import math
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from nmt import config
from nmt.comparison.variants import count_sweep_values, list_sweep_values, parse_override
from nmt.composition.compose import isolate_hydra
from nmt.composition.diagnostics import find_syntax_problem
from nmt.composition.paths import find_config_folder
from nmt.errors import ConfigError

Kind = Literal["uniform", "log", "int", "log_int", "choice"]

KINDS: dict[str, Kind] = {
    "uniform": "uniform",
    "interval": "uniform",
    "log": "log",
    "int": "int",
    "log_int": "log_int",
}
"""The names of ranges on the command line; `interval` is Hydra's own for `uniform`."""

HYDRA_FUNCTIONS = (
    "choice",
    "range",
    "glob",
    "sort",
    "shuffle",
    "extend_list",
    "tag",
    "str",
    "float",
    "bool",
    "json_str",
)
"""Names that Hydra reads in place of a range."""

CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*")

DIGITS = 6
"""Significant digits of a drawn number: as many as a person reads, and the run trains with these."""

MAX_CHOICES = 1_000

FIXED = ("seed", "output", "from", "init", "resume", "training.stop", "training.validation")
"""Settings that all trials have in common: what makes them comparable, and what the search itself sets."""

Value = str | float | int


class SearchAxis(NamedTuple):
    """One setting that is searched. key: as on the command line. low, high: the ends of a range, both included.

    step: between the values of `int`. choices: the values of `choice`, as on the command line.
    """

    key: str
    kind: Kind
    low: float = 0.0
    high: float = 0.0
    step: int = 1
    choices: tuple[str, ...] = ()

    @property
    def size(self) -> float:
        """How many values there are; infinite for real numbers."""
        if self.kind == "choice":
            return float(len(self.choices))
        return float((self.high - self.low) // self.step + 1) if self.kind in ("int", "log_int") else math.inf

    @property
    def probes(self) -> list[Value]:
        """Values to try out whether runs with them can be built: all choices, or the ends of a range."""
        return list(self.choices) if self.kind == "choice" else [self.round(self.low), self.round(self.high)]

    def round(self, value: Value) -> Value:
        """A drawn value as the trial has it: numbers with few digits, within the range."""
        if isinstance(value, str):
            return value
        if self.kind in ("int", "log_int"):
            return int(value)
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    def format_word(self, value: Value) -> str:
        """The override that sets it."""
        return f"{self.key}={value}"


class SearchSpace(NamedTuple):
    """The settings that are searched, and the words that all trials have in common."""

    axes: list[SearchAxis]
    words: list[str]

    @property
    def size(self) -> float:
        """How many different trials there can be."""
        return math.prod((axis.size for axis in self.axes), start=1.0)


def parse_space(words: Sequence[str]) -> SearchSpace:
    """What the words of the command line leave to the search. Raises ConfigError with all that is wrong with them."""
    if (problem_text := find_syntax_problem(words, "tune")) is not None:
        raise ConfigError(problem_text)
    axes: list[SearchAxis] = []
    common: list[str] = []
    problems: list[str] = []
    with isolate_hydra(), initialize_config_dir(find_config_folder(), version_base="1.3"):
        for word in words:
            try:
                axis = parse_word(word)
            except ConfigError as problem:
                problems += map(str, problem.args)
                continue
            axes += [] if axis is None else [axis]
            common += [word] if axis is None else []
    keys = [axis.key for axis in axes]
    problems += [f"{key} has two ranges. Leave one of them out." for key in dict.fromkeys(keys) if keys.count(key) > 1]
    problems += [
        f"{axis.key} cannot be searched: all trials of a search share it, so that they can be compared. Give one value."
        for axis in axes
        if any(axis.key == name or axis.key.startswith(f"{name}.") for name in FIXED)
    ]
    if not axes and not problems:
        problems = [
            "nothing is searched. Give a setting a range or several values, such as "
            "optimizer.learning_rate=log(1e-4,1e-2) or attention=bahdanau,luong_general."
        ]
    if problems:
        raise ConfigError(*problems)
    return SearchSpace(axes, common)


def parse_word(word: str) -> SearchAxis | None:
    """The axis that a word is; None where it has one value. Hydra must be initialized. Raises ConfigError."""
    key, equals, value = word.partition("=")
    if not equals or word.startswith("~"):
        return None
    if (call := CALL.fullmatch(value)) is not None:
        name, inside = call.groups()
        arguments = [part.strip() for part in inside.split(",")]
        if name in KINDS and (name != "int" or len(arguments) > 1):  # int(3.7) is Hydra's, and one value
            return parse_range(word, key, KINDS[name], arguments)
        if name not in (*KINDS, *HYDRA_FUNCTIONS):
            raise ConfigError(f"{word}: {name} is no range. {config.suggest(name, (*KINDS, 'range', 'choice'))}")
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    override = parse_override(parser, word)
    if not override.is_sweep_override():
        return None
    if override.get_key_element() == "seed":
        return SearchAxis("seed", "choice")  # which is refused with a reason
    count = count_sweep_values(override)
    if call is not None and call[1] == "range" and count < 2:
        raise ConfigError(
            f"{word} has one value: as for nmt-compare, range(start,stop,step) goes in steps of 1 unless a step is "
            f"given, and stops before its end. For all numbers between two write {key}=uniform(0.1,0.5)."
        )
    if count > MAX_CHOICES:
        raise ConfigError(f"{word} has {count:,} values. Write a range instead, such as {key}=int(1,{count}).")
    values = [text.partition("=")[2] for text in list_sweep_values(override)]
    if len(set(values)) < len(values):
        raise ConfigError(f"{word} has a value twice. Give each once.")
    return None if len(values) == 1 else SearchAxis(override.get_key_element(), "choice", choices=tuple(values))


def parse_range(word: str, key: str, kind: Kind, arguments: Sequence[str]) -> SearchAxis:
    """The axis of a range of numbers. Raises ConfigError where it is none."""
    integer = kind in ("int", "log_int")
    numbers = list(map(parse_number, arguments))
    most = 3 if kind == "int" else 2
    if not 2 <= len(numbers) <= most or None in numbers:
        example = {"log": "log(1e-4,1e-2)", "int": "int(1,8)", "log_int": "log_int(64,1024)"}.get(
            kind, "uniform(0,0.5)"
        )
        step = ", and int a step: int(64,512,64)" if kind == "int" else ""
        raise ConfigError(f"{word}: a range has two numbers, its smallest and its largest, such as {example}{step}.")
    low, high, *rest = (number for number in numbers if number is not None)
    if not low < high:
        raise ConfigError(f"{word}: {arguments[0]} is not below {arguments[1]}. Write the smaller number first.")
    if kind in ("log", "log_int") and low <= 0:
        raise ConfigError(
            f"{word}: a logarithm needs numbers above 0, and the range begins at {arguments[0]}. Begin above 0, or "
            f"write {key}={'int' if integer else 'uniform'}({arguments[0]},{arguments[1]})."
        )
    if integer and any(number != int(number) for number in (low, high, *rest)):
        raise ConfigError(
            f"{word}: {kind} is for whole numbers. For others write {'log' if 'log' in kind else 'uniform'}."
        )
    stride = int(rest[0]) if rest else 1
    if integer and (stride < 1 or low + stride > high):
        raise ConfigError(f"{word}: the step must be at least 1 and fit into the range; got {stride}.")
    return SearchAxis(key, kind, low, low + (high - low) // stride * stride if integer else high, stride)


def parse_number(text: str) -> float | None:
    """A finite number; None where the text is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
