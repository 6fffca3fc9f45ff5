"""How threads wait: what GNU's OpenMP says of itself, in processes that ask it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.thread_wait import OWN_CHOICES, SPINS

LOAD_OPENMP = "import ctypes, sys; from nmt.thread_wait import limit_spin; limit_spin(); ctypes.CDLL(sys.argv[1])"


def find_openmp() -> str:
    """The library that torch brings along."""
    spec = importlib.util.find_spec("torch")
    assert spec is not None
    assert spec.origin is not None
    found = sorted(Path(spec.origin).parent.glob("lib/libgomp*.so*"))
    if not found:
        pytest.skip("this torch does not bring GNU's OpenMP along")
    return str(found[0])


def ask_openmp(script: str, **more: str) -> str:
    """What it says when it is loaded."""
    environment = {name: value for name, value in os.environ.items() if name not in OWN_CHOICES}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE", **more}
    command = [sys.executable, "-c", script, find_openmp()]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr


def test_openmp_takes_the_limit() -> None:
    assert f"GOMP_SPINCOUNT = '{SPINS}'" in ask_openmp(LOAD_OPENMP)


@pytest.mark.parametrize(("name", "value"), [("GOMP_SPINCOUNT", "77"), ("OMP_WAIT_POLICY", "ACTIVE")])
def test_own_choices_stay(name: str, value: str) -> None:
    said = ask_openmp(LOAD_OPENMP, **{name: value})
    assert f"{name} = '{value}'" in said
    assert f"GOMP_SPINCOUNT = '{SPINS}'" not in said


def test_nothing_is_claimed_where_openmp_runs() -> None:
    loaded_first = "import ctypes, sys; sys.modules['torch'] = sys; from nmt.thread_wait import limit_spin; "
    loaded_first += "ctypes.CDLL(sys.argv[1]); assert not limit_spin()"
    assert f"GOMP_SPINCOUNT = '{SPINS}'" not in ask_openmp(loaded_first)
