"""A choice by name: what a table of parts is to a config."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Variants:
    """A choice by `name` from a table. injected: the arguments that come from other settings, never from a config.

    As the annotation of a setting, `Annotated[Callable[..., Score], Variants(SCORES, ...)]`, it lets a variant hold
    another: the setting is a group of a name and settings, and its constructor gets what makes the part of the injected
    arguments.
    """

    table: Mapping[str, type]
    injected: frozenset[str] = frozenset()
