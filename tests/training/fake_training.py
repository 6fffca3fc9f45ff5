"""A loop over a tiny run, for tests to watch."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nmt import config
from nmt.data.batching import Batches, Batching
from nmt.evaluation.validation import Report
from nmt.runs.training_run import Run
from nmt.training.loop import Loop
from nmt.training.metrics_logger import Journal, rows
from nmt.training.settings import Stop, Training, Validation
from tests import tiny_runs

CALM = [f"model.dropout.{place}=0" for place in ("embedding", "readout", "source_words", "target_words")]
NEVER = Validation(every_steps=1000)
LONG = Stop(steps=7)


def report(value: float, loss: float | None = None) -> Report:
    """As if every metric were `value`, but for a loss of its own if one is given."""
    values = dict.fromkeys(("bleu", "chrf", "loss", "perplexity"), value)
    return Report(values if loss is None else values | {"loss": loss}, {}, [], [])


class Trial:
    """A loop over a tiny run, with scripted validations; it notes at which steps they and the saving happened."""

    def __init__(self, folder: Path, *overrides: str, values: Sequence[float] = (), **settings: Any) -> None:
        self.run: Run = tiny_runs.made(tiny_runs.settings(folder, *CALM, *overrides), folder)
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
