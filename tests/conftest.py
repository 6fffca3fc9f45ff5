"""All tests run with the shapes and types in the signatures of `nmt` checked, one thread, and repeatable examples."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings

from tests.shapes import install_checks, without_checks
from tests.yaml_memory import remember_yaml

install_checks()
remember_yaml()

from nmt.kernels.precision import use_onednn  # noqa: E402 (checked too)
from tests.trained import handlers, trained  # noqa: E402, F401 (fixtures for all)

torch.set_num_threads(1)

settings.register_profile(
    "nmt",
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("nmt")


@pytest.fixture(autouse=True)
def untouched_arithmetic() -> Iterator[None]:
    """Commands that run in this process choose how it computes, which the tests' own arithmetic shall not see."""
    yield
    torch.set_flush_denormal(False)
    use_onednn(False)


@pytest.fixture(scope="module")
def unchecked_shapes() -> Iterator[None]:
    """`without_checks` for a module."""
    with without_checks():
        yield
