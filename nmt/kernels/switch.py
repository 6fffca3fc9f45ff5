"""Which kernels run, and which leave their place to plain PyTorch: one switch for all, `kernels` in every command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

KernelMode = Literal["auto", "reference"]
"""auto: every kernel where it serves. reference: none, and plain PyTorch computes the same."""

Kernel = Literal[
    "additive",
    "cross_entropy",
    "dot_attention",
    "feature_attention",
    "fused_step",
    "mixture_loss",
    "packed_linear",
    "topk",
    "window_attention",
]

KERNELS: tuple[Kernel, ...] = get_args(Kernel)

_disabled: frozenset[Kernel] = frozenset()


def use_kernels(mode: KernelMode) -> None:
    """Turns all kernels of this process on or off, for what is computed from now on."""
    _set_disabled(frozenset() if mode == "auto" else frozenset(KERNELS))


def is_enabled(kernel: Kernel) -> bool:
    """Whether a kernel may take the place of its reference. Each asks before it does."""
    return kernel not in _disabled


@contextmanager
def disable_kernels(*kernels: Kernel) -> Iterator[None]:
    """Inside, these run as plain PyTorch, beside those that do anyway."""
    before = _disabled
    _set_disabled(before | set(kernels))
    try:
        yield
    finally:
        _set_disabled(before)


@contextmanager
def preserve_kernels() -> Iterator[None]:
    """Puts back which kernels run."""
    with disable_kernels():
        yield


def _set_disabled(kernels: frozenset[Kernel]) -> None:
    global _disabled
    _disabled = kernels
