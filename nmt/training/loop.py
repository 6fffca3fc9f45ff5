"""The training loop: batches in, optimizer steps, and now and then a validation with a checkpoint."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from nmt.data.batching import Batch, Batches
from nmt.data.loader import Feed
from nmt.errors import TrainingError
from nmt.evaluation.validation import Report
from nmt.kernels.cross_entropy import Loss, real_places, selected, vocabulary_loss
from nmt.kernels.precision import can_round, rounding
from nmt.model.seq2seq import Seq2Seq
from nmt.special_tokens import PAD
from nmt.training.compiled import forward_of
from nmt.training.divergence import describe_divergence, describe_excess, highest_cost
from nmt.training.interruption import Interrupted
from nmt.training.memory_check import rehearse
from nmt.training.metrics_logger import Journal
from nmt.training.settings import Training
from nmt.training.state import TrainingState, Window
from nmt.trees import to_device

logger = logging.getLogger(__name__)

TIE = 1e-9
LARGEST_LOSS = 1e3
"""What the loss counts beside a score: together less than any two scores that differ are apart, so that it decides only
between equal ones, such as the zeros that BLEU begins with."""

INTERRUPTED = "interrupted"

FAILING = 5
"""Steps in a row without finite numbers that end a run: what is skipped now and then is chance, this is not."""


class Loop:
    """Trains `state` on `batches` until a limit of `settings.stop`, or until `interrupted` says so.

    `validate` looks at the model; `save` writes a checkpoint with what it found, or without if it is None. Either may
    raise Interrupted: then all is saved as it was before the validation, which the next start repeats.
    Raises ConfigError for a recurrence that the model's device cannot run.
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
        self.forward = forward_of(model, settings.recurrence)
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
        self._vocabulary = len(model.output.bias)

    def run(self) -> str:
        """Trains, and returns why it ended: the limit that was reached, or `interrupted`.

        Raises TrainingError when no loss or gradient is finite any more, and ConfigError when the largest batch does
        not fit into memory or the recurrence cannot be compiled.
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
        if self._due():  # an interrupted validation is repeated
            self._validate()
        pinned = self.model.output.weight.is_cuda
        with Feed(self.batches, epoch=progress.epoch, batch=progress.batch, pinned=pinned) as feed:
            rehearsed = False
            while not (reason := self.reason()):
                if not rehearsed:
                    rehearse(self.model, self.state.optimizer, feed.current(), self.batches.settings, self._backward)
                    rehearsed = True
                self._step(feed)
                if progress.batch >= feed.size:
                    progress.epoch, progress.batch = progress.epoch + 1, 0
                if progress.step % self.settings.log_every == 0:
                    self._log(feed.size)
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
            "divergence": stop.divergence is not None and self.state.excess.steps >= stop.divergence,
        }
        return next((f"{name} ({getattr(stop, name)})" for name, is_so in reached.items() if is_so), "")

    def _step(self, feed: Feed) -> None:
        """One optimizer step over the next `accumulate` batches, their gradients weighed by words."""
        progress = self.state.progress
        started = time.monotonic()
        group = feed.take(self.settings.accumulate)
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
        progress.batch += len(group)
        progress.words += words
        window = self.state.window
        if torch.isfinite(norm) & torch.isfinite(smoothed):
            self.state.optimizer.step()
            if self.state.ema:
                self.state.ema.update(self.model)
            progress.failing = 0
            window.smoothed, window.nll = window.smoothed + smoothed, window.nll + nll
            window.words += words
            self._warn_if_diverging(float(nll), words)
        else:
            self._skip(group)
        window.seconds += time.monotonic() - started

    def _backward(self, batch: Batch, words: int) -> Loss:
        """Adds the gradient of the loss per word to those of the weights; returns the losses in double precision."""
        here = to_device(batch, self.model.output.weight.device)
        # Only real words reach the vocabulary, which is over half of all arithmetic. They are counted before the move,
        # because the device would have to be waited for.
        places = real_places(batch.wanted)
        if places is not None:
            places = places.to(here.wanted.device, non_blocking=True)
        output = self.model.output
        is_low, kind = self.settings.precision == "bfloat16", here.wanted.device.type
        with rounding(is_low and can_round(kind)):
            with torch.autocast(kind, torch.bfloat16, enabled=is_low and not can_round(kind)):
                readout = self.forward(here.source, here.source_lengths, here.read)
                loss = vocabulary_loss(
                    selected(readout, places),
                    output.weight,
                    output.bias,
                    selected(here.wanted, places),
                    self.settings.label_smoothing,
                )
            (loss.smoothed / words).backward()  # type: ignore[no-untyped-call]
        wide = torch.float32 if kind == "mps" else torch.float64  # a Mac's GPU has no double precision
        return Loss(loss.smoothed.detach().to(wide), loss.nll.to(wide))

    def _skip(self, group: Sequence[Batch]) -> None:
        """Takes note of a step that is not taken. Raises TrainingError when it is one too many in a row."""
        progress = self.state.progress
        progress.skipped, progress.failing = progress.skipped + 1, progress.failing + 1
        lines = sorted(int(line) + 1 for batch in group for line in batch.lines)
        told = f"{', '.join(map(str, lines[:10]))}{f' and {len(lines) - 10} more' if len(lines) > 10 else ''}"
        logger.warning(
            "step %d: loss or gradient is not finite, so the step is skipped; lines %s of the training data",
            progress.step,
            told,
        )
        self.journal.record({"kind": "skipped", "step": progress.step, "epoch": progress.epoch + 1, "lines": lines})
        if progress.failing >= FAILING:
            raise TrainingError(
                f"The last {FAILING} steps up to step {progress.step} had no finite loss or gradient, and neither "
                f"would the next. The last of them were lines {told} of the training data (all are in "
                "metrics.jsonl). Look at these, lower optimizer.learning_rate, or set training.clip_norm, for a run in "
                "another output."
            )

    def _warn_if_diverging(self, nll: float, words: int) -> None:
        """Compares the loss with that of guessing; warns once it has been above for long."""
        step, warmup = self.state.progress.step, self.state.schedule.peak_step
        if self.state.excess.add(nll, words, limit=highest_cost(step, vocabulary=self._vocabulary, warmup=warmup)):
            logger.warning("step %d: %s", step, self.describe_divergence())

    def describe_divergence(self) -> str:
        """What a person is told of a run that diverges; empty where it does not."""
        group, limit = self.state.optimizer.param_groups[0], self.settings.clip_norm
        rate = group.get("peak", group["lr"])
        return describe_divergence(self.state.excess, vocabulary=self._vocabulary, learning_rate=rate, clip_norm=limit)

    def _log(self, epoch_batches: int) -> None:
        progress, window = self.state.progress, self.state.window
        if not window.words:  # every step since the last line was skipped, and each has told so
            return
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
        found = report.values | report.measures
        values = {name: number for name, number in found.items() if abs(number) < float("inf")}
        row = {"kind": "validation", "step": progress.step, "epoch": self._epoch(), **values}
        self.journal.record({**row, "minutes": progress.seconds / 60})
        shown = "  ".join(f"{name} {number:.4g}" for name, number in report.values.items())
        excess = describe_excess(report.values["loss"], self._vocabulary)
        remarks = [*([] if progress.stale else ["best so far"]), *([excess] if excess else [])]
        told = f"  ({', but '.join(remarks)})" if remarks else ""
        logger.info("validation at step %d: %s%s", progress.step, shown, told)

    def _clock(self) -> None:
        self.state.progress.seconds = self._before + time.monotonic() - self._started


def worth(report: Report, metric: str) -> float:
    """A validation result as a number of which more is better; of equal scores, the lower loss is worth more."""
    return rank(report.values, metric)


def rank(values: Mapping[str, float], metric: str) -> float:
    """The same of the values alone."""
    value = values[metric]
    if metric in ("loss", "perplexity"):
        return -value
    loss = values["loss"]
    return value - TIE * (min(loss, LARGEST_LOSS) if math.isfinite(loss) else LARGEST_LOSS)
