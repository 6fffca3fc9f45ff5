"""Keeping memory between steps, where the C library would give it back and take it anew, zeroed page by page."""

import ctypes
import platform

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Parameters of glibc's mallopt(3)."""


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
