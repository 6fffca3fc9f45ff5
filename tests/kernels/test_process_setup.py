"""Settings of the process that decide how fast it computes, not what."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nmt.kernels import process_setup
from nmt.kernels.precision import has_amx, is_onednn

THREADED = """
import torch
from nmt.kernels import process_setup
process_setup.configure(2)
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
    program = THREADED.replace("process_setup.configure(2)", "process_setup.keep_heap()")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "a denormal came out" in done.stderr


LARGE = """
import re
import torch
from nmt.kernels import process_setup
process_setup.configure(2)
held = torch.ones(2**25)                         # 128 MiB
told = open("/proc/self/smaps_rollup").read()
print(int(re.search(r"AnonHugePages: +([0-9]+)", told)[1]))
"""


def test_large_tensors_lie_on_large_pages() -> None:
    offered = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not offered.exists() or "[never]" in offered.read_text():
        pytest.skip("needs a system that has large pages")
    kib = {}
    for asked in ("1", "0"):
        surroundings = {**os.environ, "THP_MEM_ALLOC_ENABLE": asked}
        if asked == "1":  # by the program itself
            del surroundings["THP_MEM_ALLOC_ENABLE"]
        done = subprocess.run(
            [sys.executable, "-c", LARGE], capture_output=True, text=True, check=True, env=surroundings
        )
        kib[asked] = int(done.stdout)
    assert kib["1"] > 0  # how much of the tensor depends on how scattered the system's memory is
    assert "[always]" in offered.read_text() or kib["0"] == 0


def test_keeping_memory_can_be_asked_for_again_and_again() -> None:
    first = process_setup.keep_heap()
    assert isinstance(first, bool)
    assert process_setup.keep_heap() == first
    assert torch.zeros(1000).sum() == 0


@pytest.mark.parametrize(
    ("maker", "has_avx512", "is_chosen"),
    [
        ("GenuineIntel", True, False),
        ("", True, False),
        ("AuthenticAMD", True, True),
        ("AuthenticAMD", False, False),
    ],
)
def test_a_library_is_chosen_by_the_processor_and_products_stay_exact(
    maker: str, has_avx512: bool, is_chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_setup, "cpu_vendor", lambda: maker)
    monkeypatch.setattr(torch.cpu, "_is_avx512_supported", lambda: has_avx512)
    # With AMX oneDNN would round, and is left alone whoever made the processor.
    assert process_setup.choose_matmul_backend() == is_onednn() == (is_chosen and not has_amx("cpu"))
    left, right = torch.randn(70, 300), torch.randn(300, 90)
    expected = (left.double() @ right.double()).float()
    torch.testing.assert_close(left @ right, expected, rtol=1e-5, atol=1e-4)


def test_a_library_that_rounds_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_setup, "cpu_vendor", lambda: "AuthenticAMD")
    monkeypatch.setattr(torch.cpu, "_is_avx512_supported", lambda: True)
    multiply = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: multiply(a.bfloat16(), b.bfloat16()).float())
    assert not process_setup.choose_matmul_backend()
    assert not is_onednn()


def test_the_maker_is_told_in_one_word() -> None:
    assert not any(mark.isspace() for mark in process_setup.cpu_vendor())
