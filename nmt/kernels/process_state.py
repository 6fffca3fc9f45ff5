"""What a run changes in its process, put back as it was: for those who train in a process of their own."""

import logging
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from nmt.kernels.precision import mkldnn_matmul
from nmt.kernels.switch import preserve_kernels

VARIABLES = ("THP_MEM_ALLOC_ENABLE",)
"""Environment variables that a run sets."""


@contextmanager
def preserve_process() -> Iterator[None]:
    """Inside, anything may be changed of what follows; afterwards it is as it was before.

    The states of the generators of `random`, NumPy and torch, on the CPU and on GPUs that are in use; torch's number of
    threads, the library of its matrix products and whether denormals are flushed; which kernels run; the level,
    handlers and propagation of the logger `nmt`; and VARIABLES. What cannot be put back: the settings of the allocator
    of the C library, the threads that torch has started, and a GPU that has been initialized.
    """
    with preserve_generators(), preserve_arithmetic(), preserve_logger(logging.getLogger("nmt")), preserve_variables():
        yield


@contextmanager
def preserve_generators() -> Iterator[None]:
    """Puts back the states of all generators of random numbers."""
    own, numpys, torchs = random.getstate(), np.random.get_state(), torch.get_rng_state()
    is_on_gpu = torch.cuda.is_available() and bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
    gpus = torch.cuda.get_rng_state_all() if is_on_gpu else []
    try:
        yield
    finally:
        random.setstate(own)
        np.random.set_state(numpys)
        torch.set_rng_state(torchs)
        if gpus:
            torch.cuda.set_rng_state_all(gpus)


@contextmanager
def preserve_arithmetic() -> Iterator[None]:
    """Puts back how torch computes in this thread."""
    threads, library, flushes = torch.get_num_threads(), mkldnn_matmul.fp32_precision, is_flushing_denormals()
    try:
        with preserve_kernels():
            yield
    finally:
        torch.set_num_threads(threads)
        mkldnn_matmul.fp32_precision = library
        torch.set_flush_denormal(flushes)


def is_flushing_denormals() -> bool:
    """Whether this thread takes numbers below 1e-38 in magnitude for zero."""
    return bool(torch.tensor(2e-38) * torch.tensor(0.25) == 0)


@contextmanager
def preserve_logger(logger: logging.Logger) -> Iterator[None]:
    """Puts back a logger's own settings."""
    level, propagate, handlers = logger.level, logger.propagate, list(logger.handlers)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers


@contextmanager
def preserve_variables() -> Iterator[None]:
    """Puts back environment variables."""
    before = {name: os.environ.get(name) for name in VARIABLES}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
