"""Outlines draw nothing, and take weights as they are."""

import subprocess
import sys

import torch

from nmt import build
from nmt.model.meta_init import assign_parameters
from nmt.training.state import get_weights
from tests import tiny_runs
from tests.commands import build_environment


def test_a_model_is_made_of_its_outline_and_weights() -> None:
    for tied in ("all", "target", "none"):
        settings = tiny_runs.compose_config(
            f"model.tied={tied}", "model.embedding_size=24", "model.decoder.hidden_size=32"
        )
        sizes = {"source_vocab": 37, "target_vocab": 37, "joint": True}
        wanted, made = build.build_model(settings, **sizes), build.build_on_meta(settings, **sizes)
        assert all(parameter.is_meta for parameter in made.parameters())
        state = torch.get_rng_state()
        assign_parameters(made, get_weights(wanted))
        assert torch.equal(torch.get_rng_state(), state)
        shared = [module.head.output.weight is module.target.table.weight for module in (wanted, made)]
        assert shared == [tied != "none"] * 2
        assert get_weights(made).keys() == get_weights(wanted).keys()
        assert all(torch.equal(tensor, get_weights(wanted)[name]) for name, tensor in get_weights(made).items())


def test_an_outline_does_not_import_the_compiler() -> None:
    code = """
import sys
from nmt import build
from tests import tiny_runs
build.build_on_meta(tiny_runs.compose_config(), source_vocab=37, target_vocab=37, joint=True)
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=build_environment(), check=True)
    assert done.stdout.split() == [b"False"]
