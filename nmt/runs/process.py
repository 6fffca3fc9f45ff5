"""What a run asks of its process: the command line, the generators of random numbers, the memory that it took."""

import random
import shlex
import sys

import numpy as np
import torch


def format_command() -> str:
    """The command line that made this run, to be given again."""
    return shlex.join(["nmt-train", *sys.argv[1:]])


def seed_everything(seed: int) -> None:
    """Seeds every generator that the program draws from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def measure_peak_memory() -> float | None:
    """The most main memory that this process has held at once, in MiB; what is on a GPU is not counted.

    None where the system does not tell, as Windows does not.
    """
    try:
        import resource
    except ImportError:
        return None
    bytes_a_unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_a_unit / 2**20
