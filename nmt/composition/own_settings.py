"""Settings of a command that hands all others on to nmt-train."""

import difflib
import re
from collections.abc import Collection, Sequence

from nmt import config
from nmt.errors import ConfigError


def list_train_settings() -> set[str]:
    """The first words of all settings that nmt-train takes."""
    from nmt import build

    return {*build.TRAIN, "experiment", "debug", "hydra"}


def get_first_key(word: str) -> str:
    """What a word of the command line sets, up to the first dot or slash."""
    return re.split("[./=]", word.lstrip("+~"))[0]


def check_own_spelling(words: Sequence[str], own: Collection[str]) -> None:
    """Raises ConfigError where a word for nmt-train is none of its settings, but nearly one of the command's own."""
    train_settings = list_train_settings()
    for key in map(get_first_key, words):
        if key not in train_settings and difflib.get_close_matches(key, [*train_settings, *own], n=1) in (
            [name] for name in set(own) - train_settings
        ):
            raise ConfigError(f"{key} is not a setting. {config.suggest(key, own)}")
