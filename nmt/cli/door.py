"""The one way into every command: Hydra composes, our checks answer, and what goes wrong is said in a sentence."""

import difflib
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from nmt.cli.paths import configs
from nmt.errors import NmtError

USAGE = 2
"""Exit status when the command, a config or a file must be mended by the person who gave it."""


APPLIED = {"model=": "model.folder=", "search.": "++search."}
"""For commands that apply a trained model: `model` would be the group by that name, which describes untrained ones, and
settings of the model's own search are in its folder, not in the config, so that only the task can check them."""


def open_door(name: str, task: Callable[[dict[str, Any]], None], *, spelled: Mapping[str, str] | None = None) -> None:
    """Runs `task` with the composed config of `configs/<name>.yaml`, as plain values.

    `spelled` maps how words of the command line begin to how Hydra has them, where that is not how a person would say
    it: see APPLIED.

    Exit status: 0 done, 2 a mistake in what was given, 128 + n ended by signal n, such as 130 (SIGINT), 138 (SIGUSR1)
    and 143 (SIGTERM); 1 is a traceback, or a comparison some of whose runs failed.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    mistakes: list[str] = []

    def entered(composed: Any) -> None:
        plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
        assert isinstance(plain, dict)
        try:
            task({str(key): value for key, value in plain.items()})
            sys.stdout.flush()
        except NmtError as problem:  # past this line Hydra would add its own words to it
            mistakes.append(str(problem))
        except BrokenPipeError:
            # Whoever read our output has seen enough; the interpreter must not complain when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    sys.argv[1:] = [respelled(word, spelled or {}) for word in sys.argv[1:]]
    # Without this Hydra prints its own errors and leaves; with it they reach us.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        hydra.main(version_base="1.3", config_path=configs(), config_name=name)(entered)()
    except (HydraException, OmegaConfBaseException) as problem:
        leave(name, explained(problem, name))
    except KeyboardInterrupt:
        sys.exit(130)
    if mistakes:
        message = "\n".join(mistakes)
        for beginning, hydras in (spelled or {}).items():
            message = message.replace(hydras.rstrip("="), beginning.rstrip("="))
        leave(name, message)


def respelled(word: str, spelled: Mapping[str, str]) -> str:
    """A word of the command line as Hydra has it."""
    for beginning, hydras in spelled.items():
        if word.startswith(beginning):
            word = hydras + word.removeprefix(beginning)
            break
    return word if readable(word) else requoted(word)


def readable(word: str) -> bool:
    """Whether Hydra's grammar reads a word of the command line; a folder such as runs/attention=dot it does not."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    if word.startswith("-") or "=" not in word:
        return True
    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return False
    return True


def requoted(word: str) -> str:
    """The word with its value quoted, if that is all that it lacks."""
    key, _, value = word.partition("=")
    attempt = f"{key}={quoted(value)}"
    return attempt if readable(attempt) and not value.startswith(("'", '"', "[", "{")) else word


def quoted(value: str) -> str:
    """A text as Hydra's grammar reads it back, whatever is in it."""
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)  # backslashes count only before a quote, and before the end
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"


def leave(name: str, message: str) -> None:
    """Says what is wrong on stderr and exits."""
    print(f"nmt-{name}: {message}", file=sys.stderr)
    sys.exit(USAGE)


def explained(problem: Exception, name: str) -> str:
    """Hydra's message, with the nearest right key in place of its advice to add what does not exist."""
    from nmt.config import nearest

    text = str(problem)
    unknown = re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", text)
    if not unknown:
        return text
    key = unknown[1] or unknown[2]
    return f"{key} is not a setting. {nearest(key, similar(key, keys(name)))}"


def similar(key: str, options: list[str]) -> list[str]:
    """The options that end alike, as people leave out the groups; else those that look alike; else all at the top."""
    last = key.split(".")[-1]
    alike = [option for option in options if option.split(".")[-1] == last]
    return alike or difflib.get_close_matches(key, options, n=1) or [o for o in options if "." not in o]


def keys(name: str) -> list[str]:
    """Every dotted key of a command's default config."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import DictConfig

    def walk(node: Any, prefix: str) -> list[str]:
        found = []
        for key in map(str, node):
            found.append(f"{prefix}{key}")
            below = node._get_node(key)
            if isinstance(below, DictConfig) and not below._is_none() and not below._is_missing():
                found += walk(below, f"{prefix}{key}.")
        return found

    GlobalHydra.instance().clear()
    with initialize_config_dir(configs(), version_base="1.3"):
        return walk(compose(name), "")
