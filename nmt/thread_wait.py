"""How long a thread of torch spins before it sleeps, while it waits for others. Set before torch is loaded."""

import os
import sys

SPINS = 1_000
"""GNU's OpenMP has 300,000, some milliseconds, which on a busy machine are taken from the thread that is waited for."""

OWN_CHOICES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
"""Environment variables by which a person says how threads wait."""


def limit_spin() -> bool:
    """Has threads that wait sleep after SPINS turns of a loop; returns whether that has an effect.

    It has none where torch is loaded already, since its OpenMP has read the environment then, nor where a person has
    chosen. Child processes inherit it. Measured by scripts/measure_spin.py.
    """
    if "torch" in sys.modules or any(name in os.environ for name in OWN_CHOICES):
        return False
    os.environ["GOMP_SPINCOUNT"] = str(SPINS)
    return True
