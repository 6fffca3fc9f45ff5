"""`experiment=path/to/mine.yaml`: a recipe that is not one of the program's own."""

import difflib
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from nmt.composition.groups import GLOBAL_HEADER, list_dotted_keys
from nmt.composition.paths import find_config_folder
from nmt.composition.spelling import rename_recipe, rename_word
from nmt.errors import ConfigError
from nmt.renames import rename_settings
from nmt.storage.yaml_files import find_repeated_keys, format_yaml, parse_yaml

GROUP = "experiment"


def find_recipe_path(words: Sequence[str]) -> Path | None:
    """The file that `experiment=` names by its path, which has a slash in it or ends in .yaml; None without one."""
    for word in words:
        key, _, value = word.partition("=")
        value = value.strip("'\"")
        if key.lstrip("+") == GROUP and "," not in value and ("/" in value or value.endswith((".yaml", ".yml"))):
            return Path(value).expanduser()
    return None


@contextmanager
def prepare_recipe(words: Sequence[str]) -> Iterator[list[str]]:
    """The words as Hydra can compose them while this lasts: a recipe's path becomes a name in a folder of its own.

    Raises ConfigError where the file is missing or holds no settings.
    """
    path = find_recipe_path(words)
    if path is None:
        yield list(words)
        return
    text = read_recipe_text(path)
    name = "own_" + re.sub(r"\W", "_", path.stem)
    with tempfile.TemporaryDirectory(prefix="nmt-recipe-") as folder:
        (Path(folder) / GROUP).mkdir()
        (Path(folder) / GROUP / f"{name}.yaml").write_text(text, encoding="utf-8")
        hydra_words = [f"{GROUP}={name}" if find_recipe_path([word]) else word for word in words]
        yield [*hydra_words, f"hydra.searchpath=[file://{folder}]"]


def read_recipe_text(path: Path) -> str:
    """A recipe's text, as one that sets keys of several groups. Raises ConfigError with all that is wrong with it."""
    if path.exists() and not path.is_file():
        raise ConfigError(f"{GROUP}={path} is no regular file. Write the settings into one.")
    if not path.is_file():
        near = [str(other) for other in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        near += sorted(other.stem for other in (Path(find_config_folder()) / GROUP).glob("*.yaml"))
        close = difflib.get_close_matches(str(path), near, n=1) or difflib.get_close_matches(path.stem, near, n=1)
        raise ConfigError(
            f"{GROUP}={path}: there is no such file. " + (f"Did you mean {close[0]}?" if close else "Check the path.")
        )
    try:
        text = path.read_text(encoding="utf-8")
        node, content = parse_yaml(text)
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{path} cannot be read: {problem}") from problem
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no settings. It is written as those in configs/{GROUP}, key: value.")
    if repeated_keys := list(find_repeated_keys(node)):
        raise ConfigError(*(f"{path}: {problem}" for problem in repeated_keys))
    if (renamed := rename_recipe(content, str(path))) is not None:
        text = format_yaml(renamed)
    return text if text.startswith(GLOBAL_HEADER) else f"{GLOBAL_HEADER}\n{text}"


@contextmanager
def name_recipe_in_errors(words: Sequence[str]) -> Iterator[None]:
    """Names the recipe's file in what is wrong with settings that stand in it."""
    try:
        yield
    except ConfigError as problem:
        path = find_recipe_path(words)
        if path is None:
            raise
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        keys = set(list_dotted_keys(rename_settings(content) if isinstance(content, dict) else content))
        keys -= {rename_word(word).word.partition("=")[0] for word in words}
        lines = [
            f"{path}: {line}" if re.split(r"[ =]", line, maxsplit=1)[0] in keys else line
            for line in map(str, problem.args)
        ]
        raise ConfigError(*lines) from problem
