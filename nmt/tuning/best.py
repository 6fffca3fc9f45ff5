"""The best settings as a recipe: a YAML file that `experiment=` takes."""

from collections.abc import Mapping
from typing import Any

from hydra import initialize_config_dir

from nmt.composition.base import choose_groups
from nmt.composition.compose import compose_settings, isolate_hydra
from nmt.composition.groups import GLOBAL_HEADER
from nmt.composition.paths import find_config_folder
from nmt.printable import escape_controls
from nmt.report.tuning import Tuning, format_score
from nmt.runs.run_files import flatten
from nmt.storage.yaml_files import format_yaml

PLACES = ("output", "resume", "device", "threads", "cache", "from")
"""Settings of a place or a machine, which a recipe leaves to whoever uses it."""


def format_recipe(settings: Mapping[str, Any], tuning: Tuning) -> str:
    """A recipe that composes to these settings: the options of groups, and what differs from them."""
    shared = {key: value for key, value in settings.items() if key not in PLACES}
    words = choose_groups([], shared)
    with isolate_hydra(), initialize_config_dir(find_config_folder(), version_base="1.3"):
        plain, chosen = flatten(compose_settings([])), flatten(compose_settings(words))
    needed = [word for word in words if is_needed(word, plain)]
    changes = {key: value for key, value in flatten(shared).items() if key not in chosen or chosen[key] != value}
    best = tuning.best
    last, score = list(best.scores.items())[-1]
    about = [
        f"The best of {len(tuning.trials)} trials by {tuning.metric}: {format_score(score)} at step {last}, trial "
        f"{best.number}. Found by",
        f"  {tuning.command}",
        "with " + ", ".join(best.words),
    ]
    content: dict[str, Any] = {}
    if needed:
        content["defaults"] = [
            {f"override /{group}": option} for group, option in (word.split("=", 1) for word in needed)
        ]
    header = [GLOBAL_HEADER, *(f"# {escape_controls(line)}" for line in about)]
    return "\n".join(header) + "\n" + format_yaml(content | nest(changes))


def is_needed(word: str, plain: Mapping[str, Any]) -> bool:
    """Whether a choice from a group differs from that of the defaults."""
    group, _, option = word.partition("=")
    return plain.get(f"{group.replace('/', '.')}.name") != option


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as nested mappings."""
    found: dict[str, Any] = {}
    for key, value in flat.items():
        node = found
        *parts, last = key.split(".")
        for part in parts:
            node = node.setdefault(part, {})
        node[last] = value
    return found
