"""Names of parameters: those that files of earlier versions have, and those of what is drawn and not learnt."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

RENAMED = {
    "bridge.": "decoder.bridge.",
    "readout.": "head.readout.",
    "output.": "head.output.",
    "source.table.": "source.embedding.table.",
}
"""How names began in version 0.1, and how they begin today: each parameter belongs to the part that uses it."""


DRAWN = ("directions",)
"""How the names of parameters end that training draws anew now and then, and does not learn."""


def is_drawn(name: str) -> bool:
    """Whether a parameter of this name is drawn."""
    return name.rpartition(".")[2] in DRAWN


def update_names(tensors: Mapping[str, T], prefix: str = "") -> dict[str, T]:
    """The same tensors, or whatever there is for each, under today's names; `prefix` stands before a parameter's."""
    return {_update(name, prefix): tensor for name, tensor in tensors.items()}


def _update(name: str, prefix: str) -> str:
    for before, now in RENAMED.items():
        if name.startswith(prefix + before):
            return f"{prefix}{now}{name.removeprefix(prefix + before)}"
    return name
