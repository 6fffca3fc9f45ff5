"""Numbers that are none, and memory that does not suffice: what the loop does about them."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nmt.data.batching import Batch, Epoch
from nmt.errors import ConfigError, TrainingError
from nmt.training.loop import Loop
from nmt.training.objective import Counts, Objective, Sums
from nmt.training.settings import Stop
from nmt.training.state import get_weights
from tests.training.fake_training import FakeTraining

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def poison(monkeypatch: pytest.MonkeyPatch, trial: FakeTraining, steps: Sequence[int], what: str) -> None:
    """Makes the loss or a gradient of some steps NaN, the first being 1."""
    backward = Objective.backward

    def poisoned(objective: Objective, batch: Batch, counts: Counts) -> Sums:
        sums = backward(objective, batch, counts)
        if trial.progress.step + 1 not in steps:
            return sums
        if what == "loss":
            return sums._replace(objective=sums.objective * float("nan"))
        gradient = trial.run.model.head.output.bias.grad
        assert gradient is not None
        gradient[0] = float("inf")
        return sums

    monkeypatch.setattr(Objective, "backward", poisoned)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_step_without_finite_numbers_is_skipped_and_counted(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = FakeTraining(tmp_path, "average=ema", stop=Stop(steps=3), log_every=1)
    poison(monkeypatch, trial, [2], what)
    seen: list[dict[str, Tensor]] = []
    step = Loop._step

    def noted(loop: Loop, epoch: Epoch) -> None:
        step(loop, epoch)
        seen.append({name: weight.clone() for name, weight in get_weights(trial.run.model).items()})

    monkeypatch.setattr(Loop, "_step", noted)
    with caplog.at_level(logging.WARNING, "nmt"):
        trial.train()
    assert (trial.progress.skipped, trial.progress.failing) == (1, 0)
    torch.testing.assert_close(seen[1], seen[0], atol=0, rtol=0)
    assert not torch.equal(seen[2]["head.output.bias"], seen[1]["head.output.bias"])
    assert trial.state.ema is not None
    assert trial.state.ema.updates == 2
    lines = sorted(line + 1 for line in trial.batches.make_epoch(0).get_batch(1).lines.tolist())
    assert [(row["step"], row["lines"]) for row in trial.read_rows("skipped")] == [(2, lines)]
    assert f"step 2: loss or gradient is not finite, so the step is skipped; lines {lines[0]}" in caplog.text
    assert [row["step"] for row in trial.read_rows("train")] == [1, 3]
    assert all(math.isfinite(row["loss"]) for row in trial.read_rows("train"))


def test_the_lines_of_a_skipped_step_are_those_of_the_corpus_as_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = FakeTraining(tmp_path, "filters.max_length=40", stop=Stop(steps=1))
    poison(monkeypatch, trial, [1], "loss")
    trial.train()
    (told,) = trial.read_rows("skipped")
    read = trial.run.corpus.load("train")
    assert read is not None
    train, rows = trial.run.data.train, trial.batches.make_epoch(0).rows[0].tolist()
    wanted = {(train.source_text[row], train.target_text[row]) for row in rows}
    assert {(read.source[line - 1], read.target[line - 1]) for line in told["lines"]} == wanted
    assert len(told["lines"]) == len(rows)
    assert told["lines"] != sorted(row + 1 for row in rows)  # the filters left some out before these


def test_five_steps_in_a_row_without_finite_numbers_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = FakeTraining(tmp_path / "few", stop=Stop(steps=9))
    poison(monkeypatch, trial, [1, 2, 3, 4, 6, 7, 8, 9], "gradient")
    assert trial.train().reason == "steps (9)"
    monkeypatch.undo()
    monkeypatch.setattr("nmt.training.metrics_logger._open_tensorboard", lambda folder, step: None)
    trial = FakeTraining(tmp_path / "many", stop=Stop(steps=9))
    poison(monkeypatch, trial, [2, 3, 4, 5, 6], "loss")
    with pytest.raises(TrainingError, match=r"5 steps up to step 6 .* lines \d+.*learning_rate"):
        trial.train()
    assert trial.saves == []


def test_the_largest_batch_is_run_first_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restless = ("model.dropout.embedding=0.3", "batching.tokens=500")
    trial = FakeTraining(tmp_path / "with", *restless, stop=Stop(steps=2))
    seen: list[Batch] = []
    backward = Objective.backward

    def noted(objective: Objective, batch: Batch, counts: Counts) -> Sums:
        seen.append(batch)
        return backward(objective, batch, counts)

    monkeypatch.setattr(Objective, "backward", noted)
    trial.train()
    epoch = trial.batches.make_epoch(0)
    sizes = [
        b.source.shape[0] * b.source.shape[1] * b.target_output.shape[1]
        for b in map(epoch.get_batch, range(len(epoch)))
    ]
    assert len(set(sizes)) > 1
    assert seen[0].source.shape[0] * seen[0].source.shape[1] * seen[0].target_output.shape[1] == max(sizes)
    assert len(seen) == 3
    monkeypatch.setattr("nmt.training.loop.check_largest_batch", lambda *arguments: None)
    plain = FakeTraining(tmp_path / "without", *restless, stop=Stop(steps=2)).train()
    ours, theirs = get_weights(trial.run.model), get_weights(plain.run.model)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert trial.state.running_sums.words == plain.state.running_sums.words


@pytest.mark.parametrize(
    "problem",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 bytes."),
    ],
)
def test_a_lack_of_memory_shows_before_the_first_step_with_what_to_change(
    problem: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = FakeTraining(tmp_path)

    def full(objective: Objective, batch: Batch, counts: Counts) -> Sums:
        raise problem

    monkeypatch.setattr(Objective, "backward", full)
    with pytest.raises(ConfigError, match=r"batching\.tokens, now 400 .*training\.accumulate.*filters\.max_length"):
        trial.train()
    assert trial.progress.step == 0
    monkeypatch.setattr(Objective, "backward", lambda *arguments: (_ for _ in ()).throw(RuntimeError("shapes differ")))
    with pytest.raises(RuntimeError, match="shapes differ"):
        trial.train()


@pytest.fixture(autouse=True)
def _quiet_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard takes longer to import than all else here."""
    monkeypatch.setattr("nmt.training.metrics_logger._open_tensorboard", lambda folder, step: None)
