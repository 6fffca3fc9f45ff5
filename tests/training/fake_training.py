"""A loop over a tiny run, for tests to watch."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nmt import config
from nmt.data.batching import Batches, BatchSettings
from nmt.evaluation.validation import ValidationResult
from nmt.runs.training_run import TrainingRun
from nmt.training.loop import Loop
from nmt.training.metrics_logger import MetricsLogger, read_rows
from nmt.training.settings import Stop, Training, Validation
from tests import tiny_runs

NO_DROPOUT = [f"model.dropout.{place}=0" for place in ("embedding", "readout", "source_words", "target_words")]
RARE_VALIDATION = Validation(every_steps=1000)
STEP_LIMIT = Stop(steps=7)


def make_report(value: float, loss: float | None = None) -> ValidationResult:
    """As if every metric were `value`, but for a loss of its own if one is given."""
    values = dict.fromkeys(("bleu", "chrf", "exact", "loss", "perplexity"), value)
    return ValidationResult(values if loss is None else values | {"loss": loss}, {}, [], [])


class FakeTraining:
    """A loop over a tiny run, with scripted validations; it notes at which steps they and the saving happened."""

    def __init__(self, folder: Path, *overrides: str, values: Sequence[float] = (), **settings: Any) -> None:
        self.run: TrainingRun = tiny_runs.build_run(tiny_runs.build_settings(folder, *NO_DROPOUT, *overrides), folder)
        self.state = self.run.state
        self.values = itertools.chain(values, itertools.repeat(0.0))
        self.validation_steps: list[int] = []
        self.saves: list[tuple[int, bool]] = []
        self.training = Training(
            **{"stop": STEP_LIMIT, "validation": RARE_VALIDATION, "label_smoothing": 0.0, **settings}
        )
        batching = config.build(BatchSettings, self.run.settings["batching"])
        self.batches = Batches(self.run.data.train, self.run.data.tokenizers, batching, seed=1)
        self.folder = folder
        self.reason = ""

    def train(self, is_interrupted: Callable[[], bool] = lambda: False) -> "FakeTraining":
        metrics_logger = MetricsLogger(
            self.folder, step=self.state.progress.step, validated=self.state.progress.validated
        )
        loop = Loop(
            model=self.run.model,
            state=self.state,
            batches=self.batches,
            settings=self.training,
            metrics_logger=metrics_logger,
            validate=self.validate,
            save=self.save,
            is_interrupted=is_interrupted,
        )
        self.reason = loop.run()
        metrics_logger.close()
        return self

    def validate(self) -> ValidationResult:
        self.validation_steps.append(self.state.progress.step)
        return make_report(next(self.values))

    def save(self, found: ValidationResult | None) -> None:
        self.saves.append((self.state.progress.step, found is not None))

    def read_rows(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in read_rows(self.folder / "metrics.jsonl") if row["kind"] == kind]

    @property
    def progress(self) -> Any:
        return self.state.progress
