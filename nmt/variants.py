"""A choice by name: what a table of parts is to a config."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)  # so that it has a hash, as annotations need
class Variants:
    """A choice by `name` from a table. injected: the arguments that come from other settings, never from a config.

    As the annotation of a setting, `Annotated[Callable[..., Score], Variants(SCORES, ...)]`, it lets a variant hold
    another: the setting is a group of a name and settings, and its constructor gets what makes the part of the injected
    arguments. As the annotation of the values of a mapping, it makes each of them such a group.

    wrapper: a class that is made in place of the choice, and takes it as its argument `choice`. Its other arguments are
    settings that stand beside those of the choice, whatever that is.
    """

    table: Mapping[str, type]
    injected: frozenset[str] = frozenset()
    wrapper: type | None = None
