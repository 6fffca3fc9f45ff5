"""The loop: when it stops, validates and saves, what one step does, and what it tells."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.data.batching import Batch, collate
from nmt.evaluation.probes import Probes
from nmt.evaluation.validation import Validator
from nmt.kernels.precision import has_amx
from nmt.runs.training_run import TrainingRun
from nmt.special_tokens import PAD
from nmt.training.loop import compute_selection_score
from nmt.training.settings import Metric, Stop, Training, Validation
from nmt.training.state import get_weights
from tests.builders import compute_logits
from tests.training.fake_training import RARE_VALIDATION, FakeTraining, make_report

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def test_it_stops_after_so_many_steps(tmp_path: Path) -> None:
    trial = FakeTraining(tmp_path, stop=Stop(steps=3)).train()
    assert (trial.reason, trial.progress.step) == ("steps (3)", 3)
    assert (trial.validation_steps, trial.saves) == ([3], [(3, True)])


def test_it_stops_after_so_many_epochs(tmp_path: Path) -> None:
    trial = FakeTraining(tmp_path, "batching.tokens=800", stop=Stop(epochs=2), accumulate=3)
    sizes = [len(trial.batches.make_epoch(number)) for number in (0, 1)]
    assert trial.train().reason == "epochs (2)"
    assert trial.progress.step == sum(-(-size // 3) for size in sizes)
    assert (trial.progress.epoch, trial.progress.batch) == (2, 0)
    words = len(trial.run.data.train.target.flat) + trial.run.data.train.pairs
    assert trial.progress.words == 2 * words


def test_it_stops_after_so_many_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = FakeTraining(tmp_path, stop=Stop(minutes=10))
    trial.state.progress.seconds = 9 * 60.0  # of an earlier part of the run
    seconds = itertools.count(start=0.0, step=7.0)
    monkeypatch.setattr("nmt.training.loop.time.monotonic", lambda: next(seconds))
    assert trial.train().reason == "minutes (10)"
    assert 60 / 7 / 5 <= trial.progress.step <= 60 / 7
    assert trial.progress.seconds >= 600


def test_it_stops_when_nothing_gets_better(tmp_path: Path) -> None:
    rhythm = Validation(every_steps=1)
    trial = FakeTraining(tmp_path, values=[1, 3, 2, 3, 1, 9], stop=Stop(patience=3), validation=rhythm).train()
    assert (trial.reason, trial.validation_steps) == ("patience (3)", [1, 2, 3, 4, 5])
    assert (trial.progress.best, trial.progress.stale) == (pytest.approx(3), 3)


def test_a_finished_run_does_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = FakeTraining(tmp_path, stop=Stop(steps=2)).train()
    monkeypatch.setattr(trial.batches, "make_epoch", lambda number: pytest.fail("no data are needed"))
    assert trial.train().reason == "steps (2)"
    assert (trial.validation_steps, trial.saves) == ([2], [(2, True)])


@pytest.mark.parametrize("metric", ["bleu", "chrf", "exact", "loss", "perplexity"])
def test_the_best_is_that_of_the_metric(tmp_path: Path, metric: Metric) -> None:
    values = [2.0, 5.0, 1.0, 4.0]
    rhythm = Validation(every_steps=1, metric=metric)
    trial = FakeTraining(tmp_path, values=values, stop=Stop(steps=4), validation=rhythm).train()
    assert trial.progress.best == pytest.approx(-1.0 if metric in ("loss", "perplexity") else 5.0)
    assert compute_selection_score(make_report(5.0), metric) == pytest.approx(
        -5.0 if metric in ("loss", "perplexity") else 5.0
    )


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_of_equal_scores_the_lower_loss_is_the_better(tmp_path: Path, metric: Metric) -> None:
    """The first scores of most runs are zeros; patience, plateau and the best must all see that they get better."""
    rhythm = Validation(every_steps=1, metric=metric)
    trial = FakeTraining(tmp_path, "schedule=plateau", "schedule.patience=0", stop=Stop(steps=4), validation=rhythm)
    reports = iter([make_report(0.0, 7.0), make_report(0.0, 6.0), make_report(0.0, 5.0), make_report(0.0, 5.5)])
    trial.validate = lambda: next(reports)  # type: ignore[method-assign]
    trial.train()
    assert trial.progress.stale == 1
    assert trial.progress.best == compute_selection_score(make_report(0.0, 5.0), metric)
    assert vars(trial.state.schedule)["cuts"] == 1


@pytest.mark.parametrize("loss", [0.0, 3.0, 1e9, float("inf"), float("nan")])
def test_a_higher_score_is_better_whatever_the_loss(loss: float) -> None:
    for lower, higher in ((0.0, 1e-5), (34.2, 34.20001), (99.99999, 100.0)):
        assert compute_selection_score(make_report(higher, loss), "bleu") > compute_selection_score(
            make_report(lower, 0.0), "bleu"
        )
        assert compute_selection_score(make_report(lower, loss), "bleu") <= compute_selection_score(
            make_report(lower, 0.0), "bleu"
        )


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_loss_that_is_not_finite_is_never_the_best_and_can_be_written(tmp_path: Path, value: float) -> None:
    rhythm = Validation(every_steps=1, metric="loss")
    trial = FakeTraining(tmp_path, values=[value, 3.0, value], stop=Stop(steps=3), validation=rhythm).train()
    assert trial.progress.best == -3.0
    assert trial.progress.stale == 1
    assert [row.get("loss") for row in trial.read_rows("validation")] == [None, 3.0, None]


def test_validation_by_steps_and_at_the_end(tmp_path: Path) -> None:
    trial = FakeTraining(tmp_path, stop=Stop(steps=8), validation=Validation(every_steps=3)).train()
    assert trial.validation_steps == [3, 6, 8]
    assert trial.saves == [(3, True), (6, True), (8, True)]


@pytest.mark.parametrize(("rhythm", "epochs"), [(Validation(every_epochs=2), (2, 4, 5)), (Validation(), range(1, 6))])
def test_validation_by_epochs(tmp_path: Path, rhythm: Validation, epochs: Sequence[int]) -> None:
    trial = FakeTraining(tmp_path, "batching.tokens=900", stop=Stop(epochs=5), validation=rhythm)
    sizes = [len(trial.batches.make_epoch(number)) for number in range(5)]
    trial.train()
    assert trial.validation_steps == [sum(sizes[:epoch]) for epoch in epochs]


@pytest.mark.parametrize("every", [2, 3])
def test_an_interruption_is_saved_once(tmp_path: Path, every: int) -> None:
    trial = FakeTraining(tmp_path, validation=Validation(every_steps=every))
    trial.train(lambda: trial.progress.step >= 2)
    assert trial.reason == "interrupted"
    assert trial.saves == [(2, every == 2)]


def test_an_interruption_before_the_first_step_saves_nothing(tmp_path: Path) -> None:
    trial = FakeTraining(tmp_path).train(lambda: True)
    assert (trial.reason, trial.saves, trial.progress.step) == ("interrupted", [], 0)


def test_the_learning_rate_follows_the_schedule(tmp_path: Path) -> None:
    trial = FakeTraining(tmp_path, "schedule=cosine", "schedule.steps=4", "schedule.warmup_steps=2", log_every=1)
    used: list[float] = []
    trial.state.optimizer.register_step_pre_hook(lambda optimizer, *_: used.append(optimizer.param_groups[0]["lr"]))
    trial.train()
    wanted = [0.01 * trial.state.schedule.compute_factor(step) for step in range(1, 8)]
    assert used == pytest.approx(wanted, abs=1e-15)
    assert [row["learning_rate"] for row in trial.read_rows("train")] == used
    assert len(set(used)) > 4


def gradients(run: TrainingRun) -> dict[str, Tensor]:
    found = {name: parameter.grad for name, parameter in run.model.named_parameters()}
    return {name: gradient.clone() for name, gradient in found.items() if gradient is not None}


def reference(run: TrainingRun, batch: Batch, smoothing: float) -> dict[str, Tensor]:
    """Gradients of the mean loss over all words of a batch, by torch's own cross-entropy."""
    run.model.zero_grad()
    logits = compute_logits(run.model, batch.source, batch.source_lengths, batch.target_input)
    loss = F.cross_entropy(
        logits.flatten(0, 1), batch.target_output.flatten(), ignore_index=PAD, label_smoothing=smoothing
    )
    loss.backward()  # type: ignore[no-untyped-call]
    return gradients(run)


@pytest.mark.parametrize("accumulate", [1, 2, 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_accumulated_batches_are_one_batch_of_their_union(tmp_path: Path, accumulate: int, smoothing: float) -> None:
    trial = FakeTraining(tmp_path, stop=Stop(steps=1), accumulate=accumulate, clip_norm=None, label_smoothing=smoothing)
    epoch = trial.batches.make_epoch(0)
    union = torch.cat([epoch.get_batch(index).lines for index in range(accumulate)])
    wanted = reference(trial.run, collate(epoch.tokenized, union.numpy()), smoothing)
    found = gradients(trial.train().run)
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4)


def norm(found: dict[str, Tensor]) -> float:
    return float(torch.stack([gradient.square().sum() for gradient in found.values()]).sum().sqrt())


def test_a_large_gradient_is_shortened_and_keeps_its_direction(tmp_path: Path) -> None:
    free = gradients(FakeTraining(tmp_path / "free", stop=Stop(steps=1), clip_norm=None).train().run)
    limit = norm(free) / 3
    clipped = gradients(FakeTraining(tmp_path / "clipped", stop=Stop(steps=1), clip_norm=limit).train().run)
    assert norm(clipped) == pytest.approx(limit, rel=1e-4)
    for name, gradient in free.items():
        torch.testing.assert_close(clipped[name], gradient / 3, atol=1e-7, rtol=1e-3)
    roomy = gradients(FakeTraining(tmp_path / "roomy", stop=Stop(steps=1), clip_norm=3 * limit + 1).train().run)
    torch.testing.assert_close(roomy, free)


def test_the_log_tells_the_loss_of_the_words_since_its_last_line(tmp_path: Path) -> None:
    trial = FakeTraining(tmp_path, "optimizer.learning_rate=1e-12", stop=Stop(epochs=1), label_smoothing=0.2)
    batches = len(trial.batches.make_epoch(0))
    trial.training = Training(stop=Stop(epochs=1), validation=RARE_VALIDATION, label_smoothing=0.2, log_every=batches)
    data = trial.run.data
    validator = Validator(trial.run.translator, data.train, data.validation_text, Probes(sentences=0))
    trial.run.model.eval()
    expected = validator.compute_nll()
    (row,) = trial.train().read_rows("train")
    assert row["step"] == batches
    assert row["nll"] == pytest.approx(expected, rel=1e-5)
    assert row["loss"] > row["nll"]
    assert row["tokens_per_second"] > 0
    assert all(json.dumps(value, allow_nan=False) for value in row.values())


def test_the_log_has_a_line_every_so_many_steps(tmp_path: Path) -> None:
    trial = FakeTraining(tmp_path, stop=Stop(steps=7), log_every=2).train()
    assert [row["step"] for row in trial.read_rows("train")] == [2, 4, 6]


def test_rows_of_every_kind_count_epochs_alike(tmp_path: Path) -> None:
    rhythm = Validation(every_steps=1)
    trial = FakeTraining(tmp_path, "batching.tokens=900", stop=Stop(epochs=2), validation=rhythm, log_every=1)
    sizes = [len(trial.batches.make_epoch(number)) for number in (0, 1)]
    trial.train()
    counted = {kind: [row["epoch"] for row in trial.read_rows(kind)] for kind in ("train", "validation")}
    assert min(sizes) > 1
    assert counted["train"] == counted["validation"] == [1] * sizes[0] + [2] * sizes[1]


@pytest.fixture(autouse=True)
def _quiet_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard takes longer to import than all else here."""
    monkeypatch.setattr("nmt.training.metrics_logger._open_tensorboard", lambda folder, step: None)


@pytest.mark.parametrize("amx", [True, False])
def test_products_in_bfloat16_train_weights_in_single_precision(
    amx: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if amx and not has_amx("cpu"):
        pytest.skip("needs a CPU with AMX")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    losses = {}
    for precision in ("float32", "bfloat16"):
        trial = FakeTraining(tmp_path / precision, precision=precision, log_every=1, stop=Stop(steps=6)).train()
        losses[precision] = [row["loss"] for row in trial.read_rows("train")]
        assert {tensor.dtype for tensor in get_weights(trial.run.model).values()} == {torch.float32}
    full, low = losses.values()
    assert low != full
    assert low == pytest.approx(full, rel=0.01)
