"""What nmt-tune does, for Python."""

import json
import shlex
import signal
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from nmt import config
from nmt.comparison.compare import ComparisonInterrupt
from nmt.composition.compose import check_words, compose_command
from nmt.composition.overrides import format_word
from nmt.errors import ConfigError
from nmt.kernels.process_state import preserve_arithmetic, preserve_variables
from nmt.report.tuning import TrialRow, Tuning, format_json, format_text
from nmt.tuning.settings import TuneSettings, split_arguments
from nmt.tuning.tune import tune_settings


@dataclass(frozen=True)
class TuningResult:
    """What a search came to: its folder, with the pictures and the report, and all trials, the best first."""

    folder: Path
    tuning: Tuning

    @property
    def recipe(self) -> str:
        """The word that gives the best settings to a run: `nmt.train(result.recipe)`."""
        return f"experiment={self.folder / 'best.yaml'}"

    @property
    def best(self) -> TrialRow:
        """The best trial of the last rung."""
        return self.tuning.best

    @property
    def table(self) -> str:
        """The trials as nmt-tune prints them."""
        return format_text(self.tuning)

    def as_dict(self) -> dict[str, Any]:
        """All that `tune.json` has."""
        found: dict[str, Any] = json.loads(format_json(self.tuning))
        return found

    def __str__(self) -> str:
        return self.table


def tune(*overrides: str, output: str | PathLike[str] | None = None, jobs: int = 1) -> TuningResult:
    """Searches for settings as nmt-tune does: many short runs, of which the best go on.

    >>> result = tune("optimizer.learning_rate=log(1e-4,1e-2)", "experiment=quickstart")  # doctest: +SKIP
    >>> train(result.recipe, output="outputs/best")  # doctest: +SKIP

    Settings with a range or several values are searched, and "tune.trials=30" and the like say how. output: the folder,
    a new one below `outputs/tune` unless given; the same call goes on with a search that is there. jobs: runs at once,
    which are processes of their own.

    Raises ConfigError for settings that are wrong, before anything is trained, and TrainingError where trial after
    trial fails.
    """
    if not overrides:
        raise ConfigError(
            'nothing was asked for. Try "optimizer.learning_rate=log(1e-4,1e-2)", "experiment=quickstart".'
        )
    check_words(overrides)
    given = {"output": output, "jobs": jobs}
    taken = {word.partition("=")[0] for word in overrides}
    words = [
        *overrides,
        *(f"{name}={format_word(value)}" for name, value in given.items() if value is not None and name not in taken),
    ]
    own, theirs = split_arguments(words)
    settings = config.build(TuneSettings, config.check(compose_command("tune", own, {}), TuneSettings))
    try:
        with preserve_arithmetic(), preserve_variables():
            tuning = tune_settings(settings, theirs, shlex.join(["nmt-tune", *words]))
    except ComparisonInterrupt as problem:
        signal.raise_signal(problem.signal_number)
        raise KeyboardInterrupt from None
    return TuningResult(Path(settings.output), tuning)
