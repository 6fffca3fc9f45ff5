"""Names of parameters that files of earlier versions have, and what they are called today."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

RENAMED_MODULES = {"bridge": "decoder.bridge", "readout": "head.readout", "output": "head.output"}
"""Version 0.1 had these beside encoder and decoder; today each belongs to the part that uses it."""


def update_names(tensors: Mapping[str, T], prefix: str = "") -> dict[str, T]:
    """The same tensors, or whatever there is for each, under today's names; `prefix` stands before a parameter's."""
    return {_update(name, prefix): tensor for name, tensor in tensors.items()}


def _update(name: str, prefix: str) -> str:
    module, dot, rest = name.removeprefix(prefix).partition(".")
    if not name.startswith(prefix) or module not in RENAMED_MODULES:
        return name
    return f"{prefix}{RENAMED_MODULES[module]}{dot}{rest}"
