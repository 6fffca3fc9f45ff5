"""The training loop: batches in, optimizer steps, and now and then a validation with a checkpoint."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from nmt.data.batching import Batch, Batches, Epoch
from nmt.errors import TrainingError
from nmt.evaluation.validation import Report
from nmt.model.seq2seq import Seq2Seq
from nmt.model.state import to_device
from nmt.symbols import PAD
from nmt.training.interruption import Interrupted
from nmt.training.journal import Journal
from nmt.training.loss import Loss, vocabulary_loss
from nmt.training.rehearsal import rehearse
from nmt.training.settings import Training
from nmt.training.state import TrainingState, Window

logger = logging.getLogger(__name__)

INTERRUPTED = "interrupted"

FAILING = 5
"""Steps in a row without finite numbers that end a run: what is skipped now and then is chance, this is not."""


class Loop:
    """Trains `state` on `batches` until a limit of `settings.stop`, or until `interrupted` says so.

    `validate` looks at the model; `save` writes a checkpoint with what it found, or without if it is None. Either may
    raise Interrupted: then all is saved as it was before the validation, which the next start repeats.
    """

    def __init__(
        self,
        *,
        model: Seq2Seq,
        state: TrainingState,
        batches: Batches,
        settings: Training,
        journal: Journal,
        validate: Callable[[], Report],
        save: Callable[[Report | None], None],
        interrupted: Callable[[], bool],
    ) -> None:
        self.model = model
        self.state = state
        self.batches = batches
        self.settings = settings
        self.journal = journal
        self.validate = validate
        self.save = save
        self.interrupted = interrupted
        self._before = state.progress.seconds
        self._started = time.monotonic()
        self._saved = state.progress.step

    def run(self) -> str:
        """Trains, and returns why it ended: the limit that was reached, or `interrupted`.

        Raises TrainingError when no loss or gradient is finite any more, and ConfigError when the largest batch does
        not fit into memory.
        """
        self.model.train()
        try:
            reason = self._train()
        except Interrupted:
            reason = INTERRUPTED
        if self._saved < self.state.progress.step:
            self.save(None)
        return reason

    def _train(self) -> str:
        progress = self.state.progress
        epoch: Epoch | None = None
        rehearsed = False
        if self._due():  # an interrupted validation is repeated
            self._validate()
        while not (reason := self.reason()):
            if epoch is None:
                epoch = self.batches.epoch(progress.epoch)
            if not rehearsed:
                rehearse(self.model, self.state.optimizer, epoch, self.batches.settings, self._backward)
                rehearsed = True
            self._step(epoch)
            epoch_batches = len(epoch)
            if progress.batch >= epoch_batches:
                progress.epoch, progress.batch = progress.epoch + 1, 0
                epoch = None
            if progress.step % self.settings.log_every == 0:
                self._log(epoch_batches)
            if self._due():
                self._validate()
        if reason != INTERRUPTED and progress.validated < progress.step:
            self._validate()
        return reason

    def reason(self) -> str:
        """The limit that has been reached; empty while there is none."""
        stop, progress = self.settings.stop, self.state.progress
        self._clock()
        if self.interrupted():
            return INTERRUPTED
        reached = {
            "steps": stop.steps is not None and progress.step >= stop.steps,
            "epochs": stop.epochs is not None and progress.epoch >= stop.epochs,
            "minutes": stop.minutes is not None and progress.seconds >= 60 * stop.minutes,
            "patience": stop.patience is not None and progress.stale >= stop.patience,
        }
        return next((f"{name} ({getattr(stop, name)})" for name, is_so in reached.items() if is_so), "")

    def _step(self, epoch: Epoch) -> None:
        """One optimizer step over the next `accumulate` batches, their gradients weighed by words."""
        progress = self.state.progress
        started = time.monotonic()
        end = min(progress.batch + self.settings.accumulate, len(epoch))
        group = [epoch.batch(index) for index in range(progress.batch, end)]
        words = sum(int((batch.wanted != PAD).sum()) for batch in group)
        self.state.optimizer.zero_grad(set_to_none=True)
        losses = [self._backward(batch, words) for batch in group]
        smoothed, nll = (torch.stack(parts).sum() for parts in zip(*losses, strict=True))
        limit = self.settings.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), float("inf") if limit is None else limit)
        progress.step += 1
        for settings in self.state.optimizer.param_groups:
            settings.setdefault("peak", settings["lr"])
            settings["lr"] = settings["peak"] * self.state.schedule.factor(progress.step)
        progress.batch = end
        progress.words += words
        window = self.state.window
        if torch.isfinite(norm) & torch.isfinite(smoothed):
            self.state.optimizer.step()
            if self.state.ema:
                self.state.ema.update(self.model)
            progress.failing = 0
            window.smoothed, window.nll = window.smoothed + smoothed, window.nll + nll
            window.words += words
        else:
            self._skip(group)
        window.seconds += time.monotonic() - started

    def _backward(self, batch: Batch, words: int) -> Loss:
        """Adds the gradient of the loss per word to those of the weights; returns the losses in double precision."""
        here = to_device(batch, self.model.output.weight.device)
        readout = self.model(here.source, here.source_lengths, here.read)
        # Only real words reach the vocabulary, which is over half of all arithmetic. They are counted before the move,
        # because the device would have to be waited for.
        real = (batch.wanted != PAD).flatten().nonzero().squeeze(1).to(here.wanted.device, non_blocking=True)
        output = self.model.output
        loss = vocabulary_loss(
            readout.flatten(0, 1)[real],
            output.weight,
            output.bias,
            here.wanted.flatten()[real],
            self.settings.label_smoothing,
        )
        (loss.smoothed / words).backward()  # type: ignore[no-untyped-call]
        return Loss(loss.smoothed.detach().double(), loss.nll.double())

    def _skip(self, group: Sequence[Batch]) -> None:
        """Takes note of a step that is not taken. Raises TrainingError when it is one too many in a row."""
        progress = self.state.progress
        progress.skipped, progress.failing = progress.skipped + 1, progress.failing + 1
        lines = sorted(int(line) + 1 for batch in group for line in batch.lines)
        told = f"{', '.join(map(str, lines[:10]))}{f' and {len(lines) - 10} more' if len(lines) > 10 else ''}"
        logger.warning(
            "step %d: loss or gradient is not finite, so the step is skipped; training lines %s", progress.step, told
        )
        self.journal.record({"kind": "skipped", "step": progress.step, "epoch": progress.epoch + 1, "lines": lines})
        if progress.failing >= FAILING:
            raise TrainingError(
                f"The last {FAILING} steps up to step {progress.step} had no finite loss or gradient, and neither "
                f"would the next. The last of them were training lines {told} (of those that passed the filters; all "
                "are in metrics.jsonl). Look at these, lower optimizer.learning_rate, or set training.clip_norm, for a "
                "run in another output."
            )

    def _log(self, epoch_batches: int) -> None:
        progress, window = self.state.progress, self.state.window
        if not window.words:  # every step since the last line was skipped, and each has told so
            return
        row: dict[str, Any] = {
            "kind": "train",
            "step": progress.step,
            "epoch": progress.epoch + 1,
            "loss": float(window.smoothed) / window.words,
            "nll": float(window.nll) / window.words,
            "learning_rate": self.state.optimizer.param_groups[0]["lr"],
            "tokens_per_second": window.words / max(window.seconds, 1e-9),
            "minutes": progress.seconds / 60,
        }
        self.state.window = Window()
        if all(abs(value) < float("inf") for value in row.values() if isinstance(value, float)):
            self.journal.record(row)
        self.journal.show(row, self._share(epoch_batches))

    def _share(self, epoch_batches: int) -> float:
        """How much of the run is behind, by the limit that is nearest."""
        stop, progress = self.settings.stop, self.state.progress
        shares = [
            progress.step / stop.steps if stop.steps else 0.0,
            (progress.epoch + progress.batch / epoch_batches) / stop.epochs if stop.epochs else 0.0,
            progress.seconds / (60 * stop.minutes) if stop.minutes else 0.0,
        ]
        return max(shares)

    def _due(self) -> bool:
        validation, progress = self.settings.validation, self.state.progress
        if progress.validated == progress.step:
            return False
        if validation.every_steps is not None:
            return progress.step % validation.every_steps == 0
        return progress.batch == 0 and progress.epoch % (validation.every_epochs or 1) == 0

    def _validate(self) -> None:
        progress = self.state.progress
        with self.state.undone_if_interrupted():
            with self.state.as_saved():
                report = self.validate()
            value = worth(report, self.settings.validation.metric)
            if math.isfinite(value) and (progress.best is None or value > progress.best):
                progress.best, progress.stale = value, 0
            else:
                progress.stale += 1
            self.state.schedule.observe(value)
            progress.validated = progress.step
            self._tell(report)
            self.save(report)
        self._saved = progress.step

    def _tell(self, report: Report) -> None:
        progress = self.state.progress
        self._clock()
        values = {name: number for name, number in report.values.items() if abs(number) < float("inf")}
        row = {"kind": "validation", "step": progress.step, "epoch": progress.epoch, **values}
        self.journal.record({**row, "minutes": progress.seconds / 60})
        shown = "  ".join(f"{name} {number:.4g}" for name, number in report.values.items())
        best = "  (best so far)" if not progress.stale else ""
        logger.info("validation at step %d: %s%s", progress.step, shown, best)

    def _clock(self) -> None:
        self.state.progress.seconds = self._before + time.monotonic() - self._started


def worth(report: Report, metric: str) -> float:
    """A validation result as a number of which more is better."""
    value = report.values[metric]
    return -value if metric in ("loss", "perplexity") else value
