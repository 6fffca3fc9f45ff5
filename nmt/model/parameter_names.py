"""Names of parameters that files of earlier versions have, and what they are called today."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

RENAMED_MODULES = {"bridge": "decoder.bridge", "readout": "head.readout", "output": "head.output"}
"""Version 0.1 had these beside encoder and decoder; today each belongs to the part that uses it."""


def update_names(tensors: Mapping[str, T], prefix: str = "") -> dict[str, T]:
    """The same tensors, or whatever there is for each, under today's names, which begin after `prefix`."""
    return {f"{prefix}{_update(name.removeprefix(prefix))}": tensor for name, tensor in tensors.items()}


def _update(name: str) -> str:
    module, dot, rest = name.partition(".")
    return f"{RENAMED_MODULES.get(module, module)}{dot}{rest}"
