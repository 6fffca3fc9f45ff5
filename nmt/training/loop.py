"""The training loop: batches in, optimizer steps, and now and then a validation with a checkpoint."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from nmt.attention.favor import Favor
from nmt.data.batching import Batch, Batches
from nmt.data.loader import BatchLoader
from nmt.errors import TrainingError
from nmt.evaluation.validation import ValidationResult
from nmt.kernels.devices import wants_pinned_memory
from nmt.model.seq2seq import Seq2Seq
from nmt.ranks import ALONE, Ranks
from nmt.training.divergence import compute_cost_limit, describe_divergence, describe_excess
from nmt.training.interruption import TrainingInterrupt
from nmt.training.memory_check import check_largest_batch
from nmt.training.metrics_logger import MetricsLogger, SilentMetricsLogger
from nmt.training.objective import Objective, sum_counts, sum_gradients
from nmt.training.selection import compute_selection_score as compute_selection_score
from nmt.training.selection import rank as rank
from nmt.training.settings import Training
from nmt.training.state import RunningSums, TrainingState

logger = logging.getLogger(__name__)

INTERRUPTED = "interrupted"

MAX_BAD_STEPS = 5
"""Steps in a row without finite numbers that end a run: what is skipped now and then is chance, this is not."""


class Loop:
    """Trains `state` on `batches` until a limit of `settings.stop`, or until `is_interrupted` says so.

    `validate` looks at the model; `save` writes a checkpoint with what it found, or without if it is None. Either may
    raise Interrupted: then all is saved as it was before the validation, which the next start repeats. ranks: the
    processes that train together; each has its share of every step, and all agree on what follows from it.
    Raises ConfigError for a training.compile that the model's device cannot do.
    """

    def __init__(
        self,
        *,
        model: Seq2Seq,
        state: TrainingState,
        batches: Batches,
        settings: Training,
        metrics_logger: MetricsLogger | SilentMetricsLogger,
        validate: Callable[[], ValidationResult],
        save: Callable[[ValidationResult | None], None],
        is_interrupted: Callable[[], bool],
        ranks: Ranks = ALONE,
    ) -> None:
        self.model = model
        self.ranks = ranks
        self.objective = Objective(model, settings)
        self.state = state
        self.batches = batches
        self.settings = settings
        self.metrics_logger = metrics_logger
        self.validate = validate
        self.save = save
        self.is_interrupted = is_interrupted
        self._earlier_seconds = state.progress.seconds
        self._start_time = time.monotonic()
        self._saved_step = state.progress.step
        self._vocabulary = model.head.vocabulary_size
        self._drawn = [module for module in model.modules() if isinstance(module, Favor)]

    def run(self) -> str:
        """Trains, and returns why it ended: the limit that was reached, or `is_interrupted`.

        Raises TrainingError when no loss or gradient is finite any more, and ConfigError when the largest batch does
        not fit into memory or the decoder cannot be compiled.
        """
        self.model.train()
        try:
            reason = self._train()
        except TrainingInterrupt:
            reason = INTERRUPTED
        if self._saved_step < self.state.progress.step:
            self.save(None)
        return reason

    def _train(self) -> str:
        progress = self.state.progress
        if self._is_validation_due():  # an interrupted validation is repeated
            self._validate()
        pinned = wants_pinned_memory(self.model.device)
        with BatchLoader(
            self.batches,
            epoch=progress.epoch,
            batch=progress.batch,
            pinned=pinned,
            step_size=self.settings.accumulate,
            ranks=self.ranks,
        ) as feed:
            is_checked = False
            while not (reason := self.find_reached_limit()):
                if not is_checked:
                    sharers = max(1, self.ranks.count // self.settings.accumulate)
                    check_largest_batch(
                        self.model,
                        self.state.optimizer,
                        feed.get_epoch(),
                        self.batches.settings,
                        self.objective,
                        sharers,
                    )
                    is_checked = True
                self._step(feed)
                if progress.batch >= feed.epoch_size:
                    progress.epoch, progress.batch = progress.epoch + 1, 0
                if progress.step % self.settings.log_every == 0:
                    self._log(feed.epoch_size)
                if self._is_validation_due():
                    self._validate()
        if reason != INTERRUPTED and progress.validated < progress.step:
            self._validate()
        return reason

    def find_reached_limit(self) -> str:
        """The limit that has been reached; empty while there is none."""
        stop, progress = self.settings.stop, self.state.progress
        self._update_clock()
        seconds = progress.seconds if self.ranks.is_first else 0.0
        interrupted, progress.seconds = self.ranks.find_largest([self.is_interrupted(), seconds])
        if interrupted:
            return INTERRUPTED
        reached = {
            "steps": stop.steps is not None and progress.step >= stop.steps,
            "epochs": stop.epochs is not None and progress.epoch >= stop.epochs,
            "minutes": stop.minutes is not None and progress.seconds >= 60 * stop.minutes,
            "patience": stop.patience is not None and progress.stale >= stop.patience,
            "divergence": stop.divergence is not None and self.state.excess.steps >= stop.divergence,
        }
        return next((f"{name} ({getattr(stop, name)})" for name, is_so in reached.items() if is_so), "")

    def _step(self, feed: BatchLoader) -> None:
        """One optimizer step over the next `accumulate` batches, their gradients weighed by words."""
        progress = self.state.progress
        started = time.monotonic()
        for score in self._drawn:
            score.redraw_at(progress.step)
        self.ranks.share([score.directions for score in self._drawn if score.redraw_every is not None])
        group, size = feed.take()
        counts = sum_counts(self.objective.count(group), self.ranks)
        words = counts.words
        self.state.optimizer.zero_grad(set_to_none=True)
        sums = self.objective.add([self.objective.backward(batch, counts) for batch in group])
        sums = sum_gradients(self.model, sums, self.ranks)
        limit = self.settings.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), float("inf") if limit is None else limit)
        progress.step += 1
        for settings in self.state.optimizer.param_groups:
            settings.setdefault("peak", settings["lr"])
            settings["lr"] = settings["peak"] * self.state.schedule.compute_factor(progress.step)
        progress.batch += size
        progress.words += words
        window = self.state.running_sums
        if torch.isfinite(norm) & torch.isfinite(sums.objective):
            self.state.optimizer.step()
            if self.state.ema:
                self.state.ema.update(self.model)
            progress.failing = 0
            window.add(sums, counts)
            self._warn_if_diverging(float(sums.nll), words)
        else:
            self._skip(group)
        window.seconds += time.monotonic() - started

    def _skip(self, group: Sequence[Batch]) -> None:
        """Takes note of a step that is not taken. Raises TrainingError when it is one too many in a row."""
        progress = self.state.progress
        progress.skipped, progress.failing = progress.skipped + 1, progress.failing + 1
        own = [int(line) + 1 for batch in group for line in batch.lines]
        lines = sorted(line for found, _ in self.ranks.gather(own) for line in found)
        line_list = f"{', '.join(map(str, lines[:10]))}{f' and {len(lines) - 10} more' if len(lines) > 10 else ''}"
        logger.warning(
            "step %d: loss or gradient is not finite, so the step is skipped; lines %s of the training data",
            progress.step,
            line_list,
        )
        self.metrics_logger.record(
            {"kind": "skipped", "step": progress.step, "epoch": progress.epoch + 1, "lines": lines}
        )
        if progress.failing >= MAX_BAD_STEPS:
            raise TrainingError(
                f"The last {MAX_BAD_STEPS} steps up to step {progress.step} had no finite loss or gradient, and "
                "neither "
                f"would the next. The last of them were lines {line_list} of the training data (all are in "
                "metrics.jsonl). Look at these, lower optimizer.learning_rate, or set training.clip_norm, for a run in "
                "another output."
            )

    def _warn_if_diverging(self, nll: float, words: int) -> None:
        """Compares the loss with that of guessing; warns once it has been above for long."""
        step, warmup = self.state.progress.step, self.state.schedule.peak_step
        if self.state.excess.add(
            nll, words, limit=compute_cost_limit(step, vocabulary=self._vocabulary, warmup=warmup)
        ):
            logger.warning("step %d: %s", step, self.describe_divergence())

    def describe_divergence(self) -> str:
        """What a person is told of a run that diverges; empty where it does not."""
        group, limit = self.state.optimizer.param_groups[0], self.settings.clip_norm
        rate = group.get("peak", group["lr"])
        return describe_divergence(self.state.excess, vocabulary=self._vocabulary, learning_rate=rate, clip_norm=limit)

    def _log(self, epoch_batches: int) -> None:
        progress, window = self.state.progress, self.state.running_sums
        if not window.words:  # every step since the last line was skipped, and each has told so
            return
        row: dict[str, Any] = {
            "kind": "train",
            "step": progress.step,
            "epoch": self._get_epoch(),
            "loss": float(window.objective) / window.words,
            "nll": float(window.nll) / window.words,
            **window.compute_alignment_means(),
            "learning_rate": self.state.optimizer.param_groups[0]["lr"],
            "tokens_per_second": window.words / max(window.seconds, 1e-9),
            "minutes": progress.seconds / 60,
        }
        self.state.running_sums = RunningSums()
        if all(abs(value) < float("inf") for value in row.values() if isinstance(value, float)):
            self.metrics_logger.record(row)
        self.metrics_logger.show(row, self._compute_fraction_done(epoch_batches))

    def _get_epoch(self) -> int:
        """The epoch that the last step was a part of, the first being 1."""
        return self.state.progress.epoch + (self.state.progress.batch > 0)

    def _compute_fraction_done(self, epoch_batches: int) -> float:
        """How much of the run is behind, by the limit that is nearest."""
        stop, progress = self.settings.stop, self.state.progress
        shares = [
            progress.step / stop.steps if stop.steps else 0.0,
            (progress.epoch + progress.batch / epoch_batches) / stop.epochs if stop.epochs else 0.0,
            progress.seconds / (60 * stop.minutes) if stop.minutes else 0.0,
        ]
        return max(shares)

    def _is_validation_due(self) -> bool:
        validation, progress = self.settings.validation, self.state.progress
        if progress.validated == progress.step:
            return False
        if validation.every_steps is not None:
            return progress.step % validation.every_steps == 0
        return progress.batch == 0 and progress.epoch % (validation.every_epochs or 1) == 0

    def _validate(self) -> None:
        progress = self.state.progress
        with self.state.rollback_on_interrupt():
            with self.state.swap_in_saved_weights():
                report = self.validate()
            value = compute_selection_score(report, self.settings.validation.metric)
            if math.isfinite(value) and (progress.best is None or value > progress.best):
                progress.best, progress.stale = value, 0
            else:
                progress.stale += 1
            self.state.schedule.observe(value)
            progress.validated = progress.step
            self._log_validation(report)
            self.save(report)
        self._saved_step = progress.step

    def _log_validation(self, report: ValidationResult) -> None:
        progress = self.state.progress
        self._update_clock()
        found = report.values | report.measures
        values = {name: number for name, number in found.items() if abs(number) < float("inf")}
        row = {"kind": "validation", "step": progress.step, "epoch": self._get_epoch(), **values}
        self.metrics_logger.record({**row, "minutes": progress.seconds / 60})
        shown = {"validation loss" if name == "loss" else name: number for name, number in report.values.items()}
        score_list = "  ".join(f"{name} {number:.4g}" for name, number in shown.items())
        excess = describe_excess(report.values["loss"], self._vocabulary)
        remarks = [*([] if progress.stale else ["best so far"]), *([excess] if excess else [])]
        remark = f"  ({', but '.join(remarks)})" if remarks else ""
        logger.info("validation at step %d: %s%s", progress.step, score_list, remark)

    def _update_clock(self) -> None:
        self.state.progress.seconds = self._earlier_seconds + time.monotonic() - self._start_time
