"""What `configs/tune.yaml` says, and which words of the command line are whose."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from nmt.composition.overrides import quote
from nmt.composition.own_settings import check_own_spelling, get_first_key, list_train_settings
from nmt.composition.spelling import use_new_names
from nmt.errors import ConfigError
from nmt.tuning.halving import check_rungs

MAX_TRIALS = 10_000


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much is tried. trials: how many are begun. rungs: the optimizer steps after which one in `keep` goes on; None
    is three, the last of them where training would end. seed: of the draws."""

    trials: int = 20
    rungs: list[int] | None = None
    keep: int = 3
    seed: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.trials <= MAX_TRIALS:
            raise ConfigError(f"tune.trials must be from 1 to {MAX_TRIALS:,}; got {self.trials}.")
        if self.keep < 2:
            raise ConfigError(
                f"tune.keep says that one trial in so many goes on, and must be 2 or more; got {self.keep}."
            )
        if self.seed < 0:
            raise ConfigError(f"tune.seed must be 0 or more; got {self.seed}.")
        if self.rungs is not None:
            check_rungs(self.rungs)


@dataclass(frozen=True, kw_only=True)
class TuneSettings:
    """What `configs/tune.yaml` says; every other setting goes to nmt-train. jobs: runs at once. launcher: where they
    run, and its settings."""

    output: str
    jobs: int = 1
    tune: Budget = field(default_factory=Budget)
    launcher: dict[str, Any] = field(default_factory=lambda: {"name": "local"})

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise ConfigError(f"jobs is a number of runs at once and must be at least 1; got {self.jobs}.")


TUNE_SETTINGS = frozenset(each.name for each in fields(TuneSettings))


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command line as what Hydra reads for this command, --help and the like with it, and what the trials get.

    Both have the names of today. Raises ConfigError where a setting has two names and two values.
    """
    own, others = [], []
    for argument in use_new_names(arguments):
        key, equals, value = argument.partition("=")
        ours = key.lstrip("+~").split(".")[0] in TUNE_SETTINGS
        if key == "tune.rungs" and re.fullmatch(r"\d+(,\d+)*", value):
            own.append(f"{key}=[{value}]")
        elif ours and equals and not value.startswith(("'", '"', "{", "[")):
            own.append(f"{key}={quote(value)}" if key == "output" else argument)
        elif ours or argument.startswith("-") or not (equals or argument.startswith("~")):
            own.append(argument)
        else:
            others.append(argument)
    return own, others


def check_spelling(words: Sequence[str]) -> None:
    """Raises ConfigError where a word is no setting of nmt-train, but one of the search's own, or nearly."""
    budget = {each.name for each in fields(Budget)} - list_train_settings()
    for word in words:
        if (key := get_first_key(word)) in budget:
            raise ConfigError(f"{key} is a setting of the search: write tune.{word}.")
    check_own_spelling(words, TUNE_SETTINGS)
