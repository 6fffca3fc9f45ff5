"""How a process uses processor and memory: settings of the C library and of the floating-point unit, made once."""

import ctypes
import os
import platform
from functools import cache
from pathlib import Path

import torch

from nmt.kernels.precision import use_onednn
from nmt.kernels.switch import KernelMode, use_kernels

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Parameters of glibc's mallopt(3)."""


def configure(threads: int | None, kernels: KernelMode = "auto") -> None:
    """To be called before the first tensor is computed, since the threads of a pool keep what they began with.

    threads: of torch on the CPU; None leaves the choice to it. kernels: those of this project, see `switch`.
    """
    use_kernels(kernels)
    keep_heap()
    use_large_pages()
    flush_denormals()
    if threads is not None:
        torch.set_num_threads(threads)
    choose_matmul_backend()


@cache
def keep_heap() -> bool:
    """Tells glibc to serve large tensors from its heap and never to shrink it; returns whether it took that.

    Every training step frees and allocates the same large tensors. By default each becomes a mapping of its own, whose
    pages the kernel zeroes on every step. Other C libraries are left as they are.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    malloc_settings = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 2**28}
    return all(mallopt(ctypes.c_int(parameter), ctypes.c_int(value)) for parameter, value in malloc_settings.items())


def use_large_pages() -> None:
    """Has torch ask for pages of 2 MiB under its large tensors, where Linux gives them to who asks.

    The processor looks up every 4 KiB that a product of matrices passes over, and cannot remember so many places. A
    person's own setting of the variable stays. Torch reads it when it makes its first tensor.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def flush_denormals() -> bool:
    """Has numbers below 1e-38 in magnitude taken for zero; returns whether the processor can.

    Attention that is sure of itself gives gradients of 1e-40 to the keys of all other words. A processor computes with
    such numbers some ten times more slowly, which made the products for the keys a fifth of a training step.
    """
    return torch.set_flush_denormal(True)


def choose_matmul_backend() -> bool:
    """Has oneDNN take products in single precision on processors that MKL is not written for; returns whether it does.

    MKL keeps its newest kernels, those of AVX-512, for Intel's processors: on an AMD EPYC of 2022 oneDNN is 1.3 times
    as fast, and on one of 2021, which has AVX2 alone, no faster. Torch uses it where products may be rounded to
    bfloat16, which it does with AMX only, so that a product is tried that tells.
    """
    if cpu_vendor() in ("", "GenuineIntel") or not torch.cpu._is_avx512_supported():
        return False
    use_onednn(True)
    near_one = torch.full((64, 64), 1 + 2**-10)  # 1 in bfloat16
    is_exact = bool((near_one @ near_one).sub_(64 * (1 + 2**-10) ** 2).abs().max() < 2**-10)
    use_onednn(is_exact)
    return is_exact


@cache
def cpu_vendor() -> str:
    """Who made the processor, in its own word for it; empty where the system does not tell in the way of Linux."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "")
