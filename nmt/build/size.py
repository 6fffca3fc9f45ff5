"""How large a model is, before it takes memory."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from nmt.build.model import build_model
from nmt.errors import ConfigError
from nmt.model.meta_init import SkipInit
from nmt.model.seq2seq import Seq2Seq
from nmt.storage.untrusted_paths import get_physical_memory

BYTES_PER_PARAMETER = 16
"""Of a parameter that is trained: itself, its gradient and two averages of that, 4 bytes each."""


def build_on_meta(settings: Mapping[str, Any], *, source_vocab: int, target_vocab: int, joint: bool) -> Seq2Seq:
    """The same model without memory: its parameters have nothing but shapes.

    Raises ConfigError as `build_model` does.
    """
    try:
        with torch.device("meta"), SkipInit():
            return build_model(settings, source_vocab=source_vocab, target_vocab=target_vocab, joint=joint)
    except (MemoryError, RuntimeError) as problem:
        raise ConfigError(
            f"No tensor can have the sizes of this model. The largest of its numbers is {find_largest(settings)}."
        ) from problem


def find_largest(settings: Mapping[str, Any]) -> str:
    """The largest whole number in what describes a model, as it is written."""
    sizes = list_whole_numbers({"model": settings["model"], "attention": settings["attention"]})
    name, size = max(sizes, key=lambda each: each[1])
    return f"{name}={size}"


def list_whole_numbers(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    """The dotted name of every setting that is one, with its value."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from list_whole_numbers(value, f"{prefix}{key}.")
        elif isinstance(value, int) and not isinstance(value, bool):
            yield f"{prefix}{key}", value


def check_size(made: nn.Module, settings: Mapping[str, Any]) -> None:
    """Raises ConfigError where a model, which is made of these settings, cannot be trained in the memory of this
    machine."""
    count = count_parameters(made)
    needed, there = count * BYTES_PER_PARAMETER, get_physical_memory()
    if needed > there:
        raise ConfigError(
            f"A model of these sizes has {count:,} parameters, and to train them takes at least "
            f"{needed / 2**30:,.0f} GiB of memory; this machine has {there / 2**30:,.0f}. Choose smaller sizes; the "
            f"largest of its numbers is {find_largest(settings)}."
        )


def count_parameters(module: nn.Module) -> int:
    """How many numbers a module learns; shared ones count once."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
