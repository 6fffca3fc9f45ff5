"""All tests run with the shapes and types in the signatures of `nmt` checked, one thread, and repeatable examples."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import config, install_import_hook

install_import_hook("nmt", "beartype.beartype")

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
def denormals() -> Iterator[None]:
    """Commands that run in this process have them flushed, which the tests' own arithmetic shall not be."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def unchecked_shapes() -> Iterator[None]:
    """For whole runs, which are three times as long with every shape checked; the tests of their parts do that."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
