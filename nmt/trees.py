"""States are nested tuples of tensors with rows first, so choosing and repeating rows is one short function each."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

S = TypeVar("S")


def tree_map(state: S, change: Callable[[Tensor], Tensor]) -> S:
    """The same nested tuple with `change` applied to every tensor; `None` and `()` stay as they are."""
    if isinstance(state, Tensor):
        return change(state)  # type: ignore[return-value]
    if isinstance(state, tuple):
        parts: Any = [tree_map(part, change) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    return state


def select_rows(state: S, indices: Int[Tensor, " kept"]) -> S:
    """The same state for a choice of rows; a row may be chosen many times or never."""
    return tree_map(state, lambda tensor: tensor.index_select(0, indices))


def repeat_rows(state: S, times: int) -> S:
    """Every row `times` times, copies side by side: rows a, b become a, a, b, b for two times."""
    return tree_map(state, lambda tensor: tensor.repeat_interleave(times, 0))


def to_device(state: S, device: torch.device) -> S:
    """The same state with every tensor on `device`; the copy does not wait where it need not."""
    return tree_map(state, lambda tensor: tensor.to(device, non_blocking=True))
