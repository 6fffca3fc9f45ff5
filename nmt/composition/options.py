"""Words that are Hydra's own and not this program's: what to write instead."""

import os
from collections.abc import Sequence
from pathlib import Path

from nmt.composition.long_names import MAX_KEY_CHARACTERS
from nmt.composition.paths import find_config_folder

REPLACED_OPTIONS = {
    "--config-name": "-cn",
    "--config-path": "-cp",
    "--hydra-help": "",
    "--package": "-p",
    "--shell-completion": "-sc",
    "--experimental-rerun": "",
}
"""Options of Hydra that choose another program's config, with their short forms."""


RECIPE_COMMANDS = frozenset({"train", "compare", "tune"})
"""Commands whose settings a recipe may give."""


def find_foreign_option(words: Sequence[str], command: str = "train") -> str | None:
    """What is wrong with the first word that asks Hydra for what this program does not have; None if there is none."""
    recipes = "a file of your own settings is experiment=path/to/mine.yaml, " if command in RECIPE_COMMANDS else ""
    for word in words:
        key = word.partition("=")[0]
        if key in REPLACED_OPTIONS or (key and key in REPLACED_OPTIONS.values()):
            return (
                f"{word} is an option of Hydra, and this command has one config of its own. Settings are written "
                f"key=value, {recipes}and --help lists all."
            )
        setting = key.removeprefix("~")
        # A variant inside a variant leaves the settings of the one before it.
        is_group = os.path.isdir(Path(find_config_folder()) / setting)
        is_long = len(key) > MAX_KEY_CHARACTERS  # which `explain_long_name` says
        if key.startswith("~") and not is_group and not is_long and ".self_attention." not in setting:
            return f"{word} takes a setting away, and each has to have a value. Give it another: {setting}=..."
    return None


def explain_sweep(text: str) -> str | None:
    """What is wrong where Hydra says that a word has several values; None where it says something else."""
    if not text.startswith("Sweep parameters") or "requires --multirun" not in text:
        return None
    word = text.removeprefix("Sweep parameters ").split(" requires")[0].strip("'\"")
    return f"{word} has several values, and this command takes one. nmt-compare trains with each of several."
