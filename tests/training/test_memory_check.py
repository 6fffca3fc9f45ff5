"""The largest batch leaves everything as it was."""

from pathlib import Path

import pytest
import torch

from nmt import config
from nmt.data.batching import Batches, BatchSettings
from nmt.training.memory_check import check_largest_batch
from nmt.training.objective import Objective
from nmt.training.settings import Training
from nmt.training.state import get_weights
from tests.tiny_runs import build_run, build_settings

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

SAMPLED = ("attention/selection=sampled", "attention.selection.baseline=average")


def test_the_average_of_rewards_is_saved_and_moved_by_the_objective_alone(tmp_path: Path) -> None:
    settings = build_settings(tmp_path, *SAMPLED)
    run = build_run(settings, tmp_path)
    model = run.model.train()
    assert "reinforce.average" in get_weights(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    batching = config.build(BatchSettings, settings["batching"])
    objective = Objective(model, config.build(Training, settings["training"]))
    epoch = Batches(run.data.train, run.data.tokenizers, batching, seed=1).make_epoch(0)
    before = {name: weight.clone() for name, weight in get_weights(model).items()}
    check_largest_batch(model, optimizer, epoch, batching, objective)
    assert all(torch.equal(weight, before[name]) for name, weight in get_weights(model).items())
    batch = epoch.get_batch(0)
    objective.backward(batch, objective.count([batch]))
    moved = model.reinforce.average.clone()
    assert (moved[: batch.target_output.shape[1]] > 0).all()
    optimizer.step()
    assert torch.equal(model.reinforce.average, moved)
