"""Settings of the process that decide how fast it computes, not what."""

import subprocess
import sys

import torch

from nmt import processor

THREADED = """
import torch
from nmt import processor
processor.prepare(2)
tiny = torch.full((1_000_000,), 1e-30)          # so large that both threads of the pool take part
assert not (tiny * 1e-10).any(), "a denormal came out"
assert (tiny * 1e-3).all()
print(torch.get_num_threads())
"""


def test_every_thread_of_the_pool_takes_denormals_for_zero() -> None:
    if not torch.set_flush_denormal(False):
        return  # a processor that cannot
    done = subprocess.run([sys.executable, "-c", THREADED], capture_output=True, text=True, check=False)
    assert done.stdout == "2\n", done.stderr


def test_without_it_denormals_are_computed_with() -> None:
    program = THREADED.replace("processor.prepare(2)", "processor.keep_memory()")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "a denormal came out" in done.stderr


def test_keeping_memory_can_be_asked_for_again_and_again() -> None:
    first = processor.keep_memory()
    assert isinstance(first, bool)
    assert processor.keep_memory() == first
    assert torch.zeros(1000).sum() == 0
