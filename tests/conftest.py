"""All tests run with the shapes and types in the signatures of `nmt` checked, one thread, and repeatable examples.

This file imports neither `nmt` nor torch: the process that only hands out tests to others need not wait for them.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.bytecode import keep_bytecode
from tests.config_memory import remember_configs
from tests.shapes import install_checks, without_checks
from tests.trained import handlers, trained  # noqa: F401 (fixtures for all)

keep_bytecode()
install_checks()
remember_configs()

settings.register_profile(
    "nmt",
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("nmt")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def untouched_arithmetic() -> Iterator[None]:
    """Commands that run in this process choose how it computes, which the tests' own arithmetic shall not see."""
    import torch

    from nmt.kernels.precision import use_onednn

    yield
    torch.set_flush_denormal(False)
    use_onednn(False)


@pytest.fixture(scope="module")
def unchecked_shapes() -> Iterator[None]:
    """`without_checks` for a module."""
    with without_checks():
        yield
