"""All tests run with the shapes and types in the signatures of `nmt` checked, one thread, and repeatable examples."""

import torch
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

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
