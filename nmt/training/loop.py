"""The training loop: batches in, optimizer steps, and now and then a validation with a checkpoint."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from nmt.data.batching import Batch, Batches
from nmt.data.feed import Feed
from nmt.evaluation.validation import Report
from nmt.model.seq2seq import Seq2Seq
from nmt.model.state import to_device
from nmt.symbols import PAD
from nmt.training.journal import Journal
from nmt.training.loss import vocabulary_loss
from nmt.training.settings import Training
from nmt.training.state import TrainingState, Window

logger = logging.getLogger(__name__)

TIE = 1e-9
LARGEST_LOSS = 1e3
"""What the loss counts beside a score: together less than any two scores that differ are apart, so that it decides only
between equal ones, such as the zeros that BLEU begins with."""


class Loop:
    """Trains `state` on `batches` until a limit of `settings.stop`, or until `interrupted` says so.

    `validate` looks at the model; `save` writes a checkpoint with what it found, or without if it is None.
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
        """Trains, and returns why it ended: the limit that was reached, or `interrupted`."""
        self.model.train()
        progress = self.state.progress
        pinned = self.model.output.weight.is_cuda
        with Feed(self.batches, epoch=progress.epoch, batch=progress.batch, pinned=pinned) as feed:
            while not (reason := self.reason()):
                self._step(feed)
                ended = progress.batch >= feed.size
                if ended:
                    progress.epoch, progress.batch = progress.epoch + 1, 0
                if progress.step % self.settings.log_every == 0:
                    self._log(feed.size)
                if self._due(ended):
                    self._validate()
        if reason != "interrupted" and progress.validated < progress.step:
            self._validate()
        elif self._saved < progress.step:
            self.save(None)
        return reason

    def reason(self) -> str:
        """The limit that has been reached; empty while there is none."""
        stop, progress = self.settings.stop, self.state.progress
        self._clock()
        if self.interrupted():
            return "interrupted"
        reached = {
            "steps": stop.steps is not None and progress.step >= stop.steps,
            "epochs": stop.epochs is not None and progress.epoch >= stop.epochs,
            "minutes": stop.minutes is not None and progress.seconds >= 60 * stop.minutes,
            "patience": stop.patience is not None and progress.stale >= stop.patience,
        }
        return next((f"{name} ({getattr(stop, name)})" for name, is_so in reached.items() if is_so), "")

    def _step(self, feed: Feed) -> None:
        """One optimizer step over the next `accumulate` batches, their gradients weighed by words."""
        progress = self.state.progress
        started = time.monotonic()
        group = feed.take(self.settings.accumulate)
        words = sum(int((batch.wanted != PAD).sum()) for batch in group)
        self.state.optimizer.zero_grad(set_to_none=True)
        for batch in group:
            self._backward(batch, words)
        limit = self.settings.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), float("inf") if limit is None else limit)
        progress.step += 1
        for settings in self.state.optimizer.param_groups:
            settings.setdefault("peak", settings["lr"])
            settings["lr"] = settings["peak"] * self.state.schedule.factor(progress.step)
        if torch.isfinite(norm):
            self.state.optimizer.step()
            if self.state.ema:
                self.state.ema.update(self.model)
        else:
            self._skip(group)
        progress.batch += len(group)
        progress.words += words
        self.state.window.words += words
        self.state.window.seconds += time.monotonic() - started

    def _backward(self, batch: Batch, words: int) -> None:
        here = to_device(batch, self.model.output.weight.device)
        # Only real words reach the vocabulary, which is over half of all arithmetic. They are counted before the move,
        # because the device would have to be waited for.
        real = (batch.wanted != PAD).flatten().nonzero().squeeze(1).to(here.wanted.device, non_blocking=True)
        output = self.model.output
        with self.lowering():
            readout = self.model(here.source, here.source_lengths, here.read)
            loss = vocabulary_loss(
                readout.flatten(0, 1)[real],
                output.weight,
                output.bias,
                here.wanted.flatten()[real],
                self.settings.label_smoothing,
            )
        (loss.smoothed / words).backward()  # type: ignore[no-untyped-call]
        window = self.state.window
        window.smoothed, window.nll = window.smoothed + loss.smoothed.detach().double(), window.nll + loss.nll.double()

    def lowering(self) -> torch.autocast:
        """Inside, matrix products are taken in the precision of the settings."""
        kind = self.model.output.weight.device.type
        return torch.autocast(kind, torch.bfloat16, enabled=self.settings.precision == "bfloat16")

    def _skip(self, group: Sequence[Batch]) -> None:
        self.state.progress.skipped += 1
        lines = [int(line) for batch in group for line in batch.lines[:5]]
        logger.warning(
            "step %d: the gradient is not finite, so the step is skipped; training pairs %s and others",
            self.state.progress.step,
            lines,
        )

    def _log(self, epoch_batches: int) -> None:
        progress, window = self.state.progress, self.state.window
        row: dict[str, Any] = {
            "kind": "train",
            "step": progress.step,
            "epoch": self._epoch(),
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

    def _epoch(self) -> int:
        """The epoch that the last step was a part of, the first being 1."""
        return self.state.progress.epoch + (self.state.progress.batch > 0)

    def _share(self, epoch_batches: int) -> float:
        """How much of the run is behind, by the limit that is nearest."""
        stop, progress = self.settings.stop, self.state.progress
        shares = [
            progress.step / stop.steps if stop.steps else 0.0,
            (progress.epoch + progress.batch / epoch_batches) / stop.epochs if stop.epochs else 0.0,
            progress.seconds / (60 * stop.minutes) if stop.minutes else 0.0,
        ]
        return max(shares)

    def _due(self, epoch_ended: bool) -> bool:
        validation, progress = self.settings.validation, self.state.progress
        if validation.every_steps is not None:
            return progress.step % validation.every_steps == 0
        return epoch_ended and progress.epoch % (validation.every_epochs or 1) == 0

    def _validate(self) -> None:
        progress = self.state.progress
        with self.state.as_saved():
            report = self.validate()
        value = worth(report, self.settings.validation.metric)
        if math.isfinite(value) and (progress.best is None or value > progress.best):
            progress.best, progress.stale = value, 0
        else:
            progress.stale += 1
        self.state.schedule.observe(value)
        progress.validated = progress.step
        self._clock()
        found = report.values | report.measures
        values = {name: number for name, number in found.items() if abs(number) < float("inf")}
        self.journal.record(
            {
                "kind": "validation",
                "step": progress.step,
                "epoch": self._epoch(),
                **values,
                "minutes": progress.seconds / 60,
            }
        )
        shown = "  ".join(f"{name} {number:.4g}" for name, number in report.values.items())
        logger.info(
            "validation at step %d: %s%s", progress.step, shown, "  (best so far)" if not progress.stale else ""
        )
        self.save(report)
        self._saved = progress.step

    def _clock(self) -> None:
        self.state.progress.seconds = self._before + time.monotonic() - self._started


def worth(report: Report, metric: str) -> float:
    """A validation result as a number of which more is better; of equal scores, the lower loss is worth more."""
    value = report.values[metric]
    if metric in ("loss", "perplexity"):
        return -value
    loss = report.values["loss"]
    return value - TIE * (min(loss, LARGEST_LOSS) if math.isfinite(loss) else LARGEST_LOSS)
