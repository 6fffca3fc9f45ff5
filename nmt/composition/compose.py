"""The settings of a command from Python: Hydra composes, and nothing of it is left in the process."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton
from hydra.errors import HydraException
from hydra.version import VersionBase
from omegaconf import OmegaConf
from omegaconf.basecontainer import BaseContainer
from omegaconf.errors import OmegaConfBaseException

from nmt.composition.base import choose_groups, find_base, merge_base, read_base
from nmt.composition.diagnostics import explain, find_syntax_problem
from nmt.composition.groups import check_choices
from nmt.composition.overrides import TRAINING_ALIASES, expand_alias
from nmt.composition.paths import find_config_folder
from nmt.composition.recipes import prepare_recipe
from nmt.composition.spelling import use_new_names
from nmt.errors import ConfigError

_TURN = threading.RLock()
"""Hydra keeps what it composes in variables of the process, so that threads take turns."""


@contextmanager
def isolate_hydra() -> Iterator[None]:
    """Inside, Hydra is as if nobody had used it; afterwards it is as it was, with the caller's own application."""
    with _TURN:
        shared, resolvers = dict(Singleton._instances), dict(BaseContainer._resolvers)
        for name in (GlobalHydra, VersionBase):
            Singleton._instances.pop(name, None)
        try:
            yield
        finally:
            Singleton._instances.clear()
            Singleton._instances.update(shared)
            BaseContainer._resolvers.clear()
            BaseContainer._resolvers.update(resolvers)


def compose_settings(overrides: Sequence[str]) -> dict[str, Any]:
    """What nmt-train would be given for these words, unchecked. Hydra must be initialized."""
    folder = find_base(overrides)
    base = None if folder is None else read_base(folder)
    with prepare_recipe([expand_alias(word, TRAINING_ALIASES) for word in overrides]) as words:
        composed = compose("train", words if base is None else choose_groups(words, base))
        plain: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
        return dict(plain) if base is None else merge_base(plain, base, words)


def compose_training(words: Sequence[str]) -> dict[str, Any]:
    """The settings of nmt-train for words as its command line has them, unchecked.

    Raises ConfigError with the command's message, and CheckpointError where `from=` names a run that cannot be read.
    """
    check_words(words)
    expanded = [expand_alias(word, {}) for word in use_new_names(words)]
    with explain_errors("train", expanded):
        return compose_settings(expanded)


def compose_comparison(words: Sequence[str], aliases: Mapping[str, str]) -> dict[str, Any]:
    """The settings of nmt-compare itself for words as its command line has them, unchecked. Raises ConfigError.

    aliases: how words begin, and how Hydra has that.
    """
    return compose_command("compare", words, aliases)


def compose_command(command: str, words: Sequence[str], aliases: Mapping[str, str]) -> dict[str, Any]:
    """The settings of a command for words as its command line has them, unchecked. Raises ConfigError.

    aliases: how words begin, and how Hydra has that.
    """
    check_words(words)
    expanded = [expand_alias(word, aliases) for word in words]
    with explain_errors(command, expanded):
        plain: Any = OmegaConf.to_container(compose(command, expanded), resolve=True, throw_on_missing=False)
        return dict(plain)


@contextmanager
def explain_errors(command: str, words: Sequence[str]) -> Iterator[None]:
    """Inside, Hydra is initialized and isolated; what it finds wrong is a ConfigError with the command's message."""
    with isolate_hydra():
        try:
            with initialize_config_dir(find_config_folder(), version_base="1.3"):
                yield
        except (HydraException, OmegaConfBaseException, ValueError) as problem:
            raise ConfigError(*explain(problem, command, words).split("\n")) from None


def check_words(words: Sequence[str]) -> None:
    """Raises ConfigError for the first word that is not written as a setting is, and for two that choose from one
    group."""
    for word in words:
        if not isinstance(word, str):
            raise ConfigError(f"A setting is text, such as 'seed=2'; got {word!r}.")
        if word.startswith("-"):
            raise ConfigError(
                f"{word} is an option of the command line. Settings are written key=value, such as seed=2."
            )
    if (problem_text := find_syntax_problem(words)) is not None:
        raise ConfigError(problem_text)
    check_choices(words)
