"""How a process uses processor and memory: settings of the C library and of the floating-point unit, made once."""

import ctypes
import platform
from functools import cache

import torch

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Parameters of glibc's mallopt(3)."""


def prepare(threads: int | None) -> None:
    """To be called before the first tensor is computed, since the threads of a pool keep what they began with.

    threads: of torch on the CPU; None leaves the choice to it.
    """
    keep_memory()
    flush_denormals()
    if threads is not None:
        torch.set_num_threads(threads)


@cache
def keep_memory() -> bool:
    """Tells glibc to serve large tensors from its heap and never to shrink it; returns whether it took that.

    Every training step frees and allocates the same large tensors. By default each becomes a mapping of its own, whose
    pages the kernel zeroes on every step. Other C libraries are left as they are.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    wanted = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 2**28}
    return all(mallopt(ctypes.c_int(parameter), ctypes.c_int(value)) for parameter, value in wanted.items())


def flush_denormals() -> bool:
    """Has numbers below 1e-38 in magnitude taken for zero; returns whether the processor can.

    Attention that is sure of itself gives gradients of 1e-40 to the keys of all other words. A processor computes with
    such numbers some ten times more slowly, which made the products for the keys a fifth of a training step.
    """
    return torch.set_flush_denormal(True)
