"""The loop: when it stops, validates and saves, what one step does, and what it tells."""

import itertools
import json
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt import config
from nmt.cli.training_run import Run
from nmt.data.batching import Batch, Batches, Batching, Epoch, collate
from nmt.errors import ConfigError, TrainingError
from nmt.evaluation.probes import Probes
from nmt.evaluation.validation import Report, Validator
from nmt.symbols import PAD
from nmt.training.journal import Journal, rows
from nmt.training.loop import Loop, worth
from nmt.training.loss import Loss
from nmt.training.settings import Metric, Stop, Training, Validation
from nmt.training.state import weights
from tests import tiny

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

CALM = [f"model.dropout.{place}=0" for place in ("embedding", "readout", "source_words", "target_words")]
NEVER = Validation(every_steps=1000, every_epochs=None)
LONG = Stop(steps=7)


def report(value: float, loss: float | None = None) -> Report:
    """As if every metric were `value`, but for a loss of its own if one is given."""
    values = dict.fromkeys(("bleu", "chrf", "loss", "perplexity"), value)
    return Report(values if loss is None else values | {"loss": loss}, {}, [], [])


class Trial:
    """A loop over a tiny run, with scripted validations; it notes at which steps they and the saving happened."""

    def __init__(self, folder: Path, *overrides: str, values: Sequence[float] = (), **settings: Any) -> None:
        self.run: Run = tiny.made(tiny.settings(folder, *CALM, *overrides), folder)
        self.state = self.run.state
        self.values = itertools.chain(values, itertools.repeat(0.0))
        self.validated: list[int] = []
        self.saved: list[tuple[int, bool]] = []
        self.training = Training(**{"stop": LONG, "validation": NEVER, "label_smoothing": 0.0, **settings})
        batching = config.build(Batching, self.run.settings["batching"])
        self.batches = Batches(self.run.data.train, self.run.data.tokenizers, batching, seed=1)
        self.folder = folder
        self.reason = ""

    def go(self, interrupted: Callable[[], bool] = lambda: False) -> "Trial":
        journal = Journal(self.folder, step=self.state.progress.step, validated=self.state.progress.validated)
        loop = Loop(
            model=self.run.model,
            state=self.state,
            batches=self.batches,
            settings=self.training,
            journal=journal,
            validate=self.validate,
            save=self.save,
            interrupted=interrupted,
        )
        self.reason = loop.run()
        journal.close()
        return self

    def validate(self) -> Report:
        self.validated.append(self.state.progress.step)
        return report(next(self.values))

    def save(self, found: Report | None) -> None:
        self.saved.append((self.state.progress.step, found is not None))

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in rows(self.folder / "metrics.jsonl") if row["kind"] == kind]

    @property
    def progress(self) -> Any:
        return self.state.progress


def test_it_stops_after_so_many_steps(tmp_path: Path) -> None:
    trial = Trial(tmp_path, stop=Stop(steps=3)).go()
    assert (trial.reason, trial.progress.step) == ("steps (3)", 3)
    assert (trial.validated, trial.saved) == ([3], [(3, True)])


def test_it_stops_after_so_many_epochs(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "batching.tokens=800", stop=Stop(epochs=2), accumulate=3)
    sizes = [len(trial.batches.epoch(number)) for number in (0, 1)]
    assert trial.go().reason == "epochs (2)"
    assert trial.progress.step == sum(-(-size // 3) for size in sizes)
    assert (trial.progress.epoch, trial.progress.batch) == (2, 0)
    words = len(trial.run.data.train.target.flat) + trial.run.data.train.pairs
    assert trial.progress.words == 2 * words


def test_it_stops_after_so_many_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial(tmp_path, stop=Stop(minutes=10))
    trial.state.progress.seconds = 9 * 60.0  # of an earlier part of the run
    seconds = itertools.count(start=0.0, step=7.0)
    monkeypatch.setattr("nmt.training.loop.time.monotonic", lambda: next(seconds))
    assert trial.go().reason == "minutes (10)"
    assert 60 / 7 / 5 <= trial.progress.step <= 60 / 7
    assert trial.progress.seconds >= 600


def test_it_stops_when_nothing_gets_better(tmp_path: Path) -> None:
    rhythm = Validation(every_steps=1, every_epochs=None)
    trial = Trial(tmp_path, values=[1, 3, 2, 3, 1, 9], stop=Stop(patience=3), validation=rhythm).go()
    assert (trial.reason, trial.validated) == ("patience (3)", [1, 2, 3, 4, 5])
    assert (trial.progress.best, trial.progress.stale) == (pytest.approx(3), 3)


def test_a_finished_run_does_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial(tmp_path, stop=Stop(steps=2)).go()
    monkeypatch.setattr(trial.batches, "epoch", lambda number: pytest.fail("no data are needed"))
    assert trial.go().reason == "steps (2)"
    assert (trial.validated, trial.saved) == ([2], [(2, True)])


@pytest.mark.parametrize("metric", ["bleu", "chrf", "loss", "perplexity"])
def test_the_best_is_that_of_the_metric(tmp_path: Path, metric: Metric) -> None:
    values = [2.0, 5.0, 1.0, 4.0]
    rhythm = Validation(every_steps=1, every_epochs=None, metric=metric)
    trial = Trial(tmp_path, values=values, stop=Stop(steps=4), validation=rhythm).go()
    assert trial.progress.best == pytest.approx(-1.0 if metric in ("loss", "perplexity") else 5.0)
    assert worth(report(5.0), metric) == pytest.approx(-5.0 if metric in ("loss", "perplexity") else 5.0)


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_of_equal_scores_the_lower_loss_is_the_better(tmp_path: Path, metric: Metric) -> None:
    """The first scores of most runs are zeros; patience, plateau and the best must all see that they get better."""
    rhythm = Validation(every_steps=1, every_epochs=None, metric=metric)
    trial = Trial(tmp_path, "schedule=plateau", "schedule.patience=0", stop=Stop(steps=4), validation=rhythm)
    reports = iter([report(0.0, 7.0), report(0.0, 6.0), report(0.0, 5.0), report(0.0, 5.5)])
    trial.validate = lambda: next(reports)  # type: ignore[method-assign]
    trial.go()
    assert trial.progress.stale == 1
    assert trial.progress.best == worth(report(0.0, 5.0), metric)
    assert vars(trial.state.schedule)["cuts"] == 1


@pytest.mark.parametrize("loss", [0.0, 3.0, 1e9, float("inf"), float("nan")])
def test_a_higher_score_is_better_whatever_the_loss(loss: float) -> None:
    for lower, higher in ((0.0, 1e-5), (34.2, 34.20001), (99.99999, 100.0)):
        assert worth(report(higher, loss), "bleu") > worth(report(lower, 0.0), "bleu")
        assert worth(report(lower, loss), "bleu") <= worth(report(lower, 0.0), "bleu")


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_loss_that_is_not_finite_is_never_the_best_and_can_be_written(tmp_path: Path, value: float) -> None:
    rhythm = Validation(every_steps=1, every_epochs=None, metric="loss")
    trial = Trial(tmp_path, values=[value, 3.0, value], stop=Stop(steps=3), validation=rhythm).go()
    assert trial.progress.best == -3.0
    assert trial.progress.stale == 1
    assert [row.get("loss") for row in trial.told("validation")] == [None, 3.0, None]


def test_validation_by_steps_and_at_the_end(tmp_path: Path) -> None:
    trial = Trial(tmp_path, stop=Stop(steps=8), validation=Validation(every_steps=3, every_epochs=None)).go()
    assert trial.validated == [3, 6, 8]
    assert trial.saved == [(3, True), (6, True), (8, True)]


def test_validation_by_epochs(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "batching.tokens=900", stop=Stop(epochs=5), validation=Validation(every_epochs=2))
    sizes = [len(trial.batches.epoch(number)) for number in range(5)]
    trial.go()
    assert trial.validated == [sum(sizes[:2]), sum(sizes[:4]), sum(sizes)]


@pytest.mark.parametrize("every", [2, 3])
def test_an_interruption_is_saved_once(tmp_path: Path, every: int) -> None:
    trial = Trial(tmp_path, validation=Validation(every_steps=every, every_epochs=None))
    trial.go(lambda: trial.progress.step >= 2)
    assert trial.reason == "interrupted"
    assert trial.saved == [(2, every == 2)]


def test_an_interruption_before_the_first_step_saves_nothing(tmp_path: Path) -> None:
    trial = Trial(tmp_path).go(lambda: True)
    assert (trial.reason, trial.saved, trial.progress.step) == ("interrupted", [], 0)


def test_the_learning_rate_follows_the_schedule(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "schedule=cosine", "schedule.steps=4", "schedule.warmup_steps=2", log_every=1)
    used: list[float] = []
    trial.state.optimizer.register_step_pre_hook(lambda optimizer, *_: used.append(optimizer.param_groups[0]["lr"]))
    trial.go()
    wanted = [0.01 * trial.state.schedule.factor(step) for step in range(1, 8)]
    assert used == pytest.approx(wanted, abs=1e-15)
    assert [row["learning_rate"] for row in trial.told("train")] == used
    assert len(set(used)) > 4


def gradients(run: Run) -> dict[str, Tensor]:
    found = {name: parameter.grad for name, parameter in run.model.named_parameters()}
    return {name: gradient.clone() for name, gradient in found.items() if gradient is not None}


def reference(run: Run, batch: Batch, smoothing: float) -> dict[str, Tensor]:
    """Gradients of the mean loss over all words of a batch, by torch's own cross-entropy."""
    run.model.zero_grad()
    logits = run.model.output(run.model(batch.source, batch.source_lengths, batch.read))
    loss = F.cross_entropy(logits.flatten(0, 1), batch.wanted.flatten(), ignore_index=PAD, label_smoothing=smoothing)
    loss.backward()  # type: ignore[no-untyped-call]
    return gradients(run)


@pytest.mark.parametrize("accumulate", [1, 2, 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_accumulated_batches_are_one_batch_of_their_union(tmp_path: Path, accumulate: int, smoothing: float) -> None:
    trial = Trial(tmp_path, stop=Stop(steps=1), accumulate=accumulate, clip_norm=None, label_smoothing=smoothing)
    epoch = trial.batches.epoch(0)
    union = torch.cat([epoch.batch(index).lines for index in range(accumulate)])
    wanted = reference(trial.run, collate(epoch.tokenized, union.numpy()), smoothing)
    found = gradients(trial.go().run)
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4)


def norm(found: dict[str, Tensor]) -> float:
    return float(torch.stack([gradient.square().sum() for gradient in found.values()]).sum().sqrt())


def test_a_large_gradient_is_shortened_and_keeps_its_direction(tmp_path: Path) -> None:
    free = gradients(Trial(tmp_path / "free", stop=Stop(steps=1), clip_norm=None).go().run)
    limit = norm(free) / 3
    clipped = gradients(Trial(tmp_path / "clipped", stop=Stop(steps=1), clip_norm=limit).go().run)
    assert norm(clipped) == pytest.approx(limit, rel=1e-4)
    for name, gradient in free.items():
        torch.testing.assert_close(clipped[name], gradient / 3, atol=1e-7, rtol=1e-3)
    roomy = gradients(Trial(tmp_path / "roomy", stop=Stop(steps=1), clip_norm=3 * limit + 1).go().run)
    torch.testing.assert_close(roomy, free)


def poison(monkeypatch: pytest.MonkeyPatch, trial: Trial, steps: Sequence[int], what: str) -> None:
    """Makes the loss or a gradient of some steps NaN, the first being 1."""
    backward = Loop._backward

    def poisoned(loop: Loop, batch: Batch, words: int) -> Loss:
        loss = backward(loop, batch, words)
        if trial.progress.step + 1 not in steps:
            return loss
        if what == "loss":
            return Loss(loss.smoothed * float("nan"), loss.nll)
        gradient = trial.run.model.output.bias.grad
        assert gradient is not None
        gradient[0] = float("inf")
        return loss

    monkeypatch.setattr(Loop, "_backward", poisoned)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_step_without_finite_numbers_is_skipped_and_counted(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(tmp_path, "average=ema", stop=Stop(steps=3), log_every=1)
    poison(monkeypatch, trial, [2], what)
    seen: list[dict[str, Tensor]] = []
    step = Loop._step

    def noted(loop: Loop, epoch: Epoch) -> None:
        step(loop, epoch)
        seen.append({name: weight.clone() for name, weight in weights(trial.run.model).items()})

    monkeypatch.setattr(Loop, "_step", noted)
    with caplog.at_level(logging.WARNING, "nmt"):
        trial.go()
    assert (trial.progress.skipped, trial.progress.failing) == (1, 0)
    torch.testing.assert_close(seen[1], seen[0], atol=0, rtol=0)
    assert not torch.equal(seen[2]["output.bias"], seen[1]["output.bias"])
    assert trial.state.ema is not None
    assert trial.state.ema.updates == 2
    lines = sorted(line + 1 for line in trial.batches.epoch(0).batch(1).lines.tolist())
    assert [(row["step"], row["lines"]) for row in trial.told("skipped")] == [(2, lines)]
    assert f"step 2: loss or gradient is not finite, so the step is skipped; training lines {lines[0]}" in caplog.text
    assert [row["step"] for row in trial.told("train")] == [1, 3]
    assert all(math.isfinite(row["loss"]) for row in trial.told("train"))


def test_five_steps_in_a_row_without_finite_numbers_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(tmp_path / "few", stop=Stop(steps=9))
    poison(monkeypatch, trial, [1, 2, 3, 4, 6, 7, 8, 9], "gradient")
    assert trial.go().reason == "steps (9)"
    monkeypatch.undo()
    monkeypatch.setattr("nmt.training.journal._tensorboard", lambda folder, step: None)
    trial = Trial(tmp_path / "many", stop=Stop(steps=9))
    poison(monkeypatch, trial, [2, 3, 4, 5, 6], "loss")
    with pytest.raises(TrainingError, match=r"5 steps up to step 6 .* lines \d+.*learning_rate"):
        trial.go()
    assert trial.saved == []


def test_the_largest_batch_is_run_first_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restless = ("model.dropout.embedding=0.3", "batching.tokens=500")
    trial = Trial(tmp_path / "with", *restless, stop=Stop(steps=2))
    seen: list[Batch] = []
    backward = Loop._backward

    def noted(loop: Loop, batch: Batch, words: int) -> Loss:
        seen.append(batch)
        return backward(loop, batch, words)

    monkeypatch.setattr(Loop, "_backward", noted)
    trial.go()
    epoch = trial.batches.epoch(0)
    sizes = [b.source.shape[0] * b.source.shape[1] * b.wanted.shape[1] for b in map(epoch.batch, range(len(epoch)))]
    assert len(set(sizes)) > 1
    assert seen[0].source.shape[0] * seen[0].source.shape[1] * seen[0].wanted.shape[1] == max(sizes)
    assert len(seen) == 3
    monkeypatch.setattr("nmt.training.loop.rehearse", lambda *arguments: None)
    plain = Trial(tmp_path / "without", *restless, stop=Stop(steps=2)).go()
    ours, theirs = weights(trial.run.model), weights(plain.run.model)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert trial.state.window.words == plain.state.window.words


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
    trial = Trial(tmp_path)

    def full(loop: Loop, batch: Batch, words: int) -> Loss:
        raise problem

    monkeypatch.setattr(Loop, "_backward", full)
    with pytest.raises(ConfigError, match=r"batching\.tokens, now 400 .*training\.accumulate.*filters\.max_length"):
        trial.go()
    assert trial.progress.step == 0
    monkeypatch.setattr(Loop, "_backward", lambda *arguments: (_ for _ in ()).throw(RuntimeError("shapes differ")))
    with pytest.raises(RuntimeError, match="shapes differ"):
        trial.go()


def test_the_log_tells_the_loss_of_the_words_since_its_last_line(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "optimizer.learning_rate=1e-12", stop=Stop(epochs=1), label_smoothing=0.2)
    batches = len(trial.batches.epoch(0))
    trial.training = Training(stop=Stop(epochs=1), validation=NEVER, label_smoothing=0.2, log_every=batches)
    data = trial.run.data
    validator = Validator(trial.run.translator, data.train, data.validation_text, Probes(sentences=0))
    trial.run.model.eval()
    expected = validator.nll()
    (row,) = trial.go().told("train")
    assert row["step"] == batches
    assert row["nll"] == pytest.approx(expected, rel=1e-5)
    assert row["loss"] > row["nll"]
    assert row["tokens_per_second"] > 0
    assert all(json.dumps(value, allow_nan=False) for value in row.values())


def test_the_log_has_a_line_every_so_many_steps(tmp_path: Path) -> None:
    trial = Trial(tmp_path, stop=Stop(steps=7), log_every=2).go()
    assert [row["step"] for row in trial.told("train")] == [2, 4, 6]


def test_rows_of_every_kind_count_epochs_alike(tmp_path: Path) -> None:
    rhythm = Validation(every_steps=1, every_epochs=None)
    trial = Trial(tmp_path, "batching.tokens=900", stop=Stop(epochs=2), validation=rhythm, log_every=1)
    sizes = [len(trial.batches.epoch(number)) for number in (0, 1)]
    trial.go()
    counted = {kind: [row["epoch"] for row in trial.told(kind)] for kind in ("train", "validation")}
    assert min(sizes) > 1
    assert counted["train"] == counted["validation"] == [1] * sizes[0] + [2] * sizes[1]


@pytest.fixture(autouse=True)
def _quiet_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard takes longer to import than all else here."""
    monkeypatch.setattr("nmt.training.journal._tensorboard", lambda folder, step: None)


def test_products_in_bfloat16_train_weights_in_single_precision(tmp_path: Path) -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        trial = Trial(tmp_path / precision, precision=precision, log_every=1, stop=Stop(steps=6)).go()
        losses[precision] = [row["loss"] for row in trial.told("train")]
        assert {tensor.dtype for tensor in weights(trial.run.model).values()} == {torch.float32}
    full, low = losses.values()
    assert low != full
    assert low == pytest.approx(full, rel=0.01)
