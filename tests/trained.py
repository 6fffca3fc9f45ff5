"""A run with a model so small that it is trained in seconds, by heart on eight pairs."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.shapes import without_checks

if TYPE_CHECKING:
    from nmt.data.corpus import Bitext
    from nmt.runs.training_run import RunResult

TINY_OVERRIDES = (
    "data.train=8",
    "data.validation=8",
    "data.test=8",
    "tokenizer.vocab_size=120",
    "model.dropout.embedding=0",
    "model.dropout.readout=0",
    "training.label_smoothing=0",
    "model.embedding_size=24",
    "model.encoder.hidden_size=24",
    "model.decoder.hidden_size=32",
    "optimizer.learning_rate=0.02",
    "training.stop.epochs=60",
    "training.validation.every_epochs=60",
    "probes.sentences=1",
    "search.size=2",
    "search.max_ratio=1.2",
    "search.max_extra=3",
    "device=cpu",
)


class TrainedRun(NamedTuple):
    """A finished run: what it came to, and the eight pairs of its training set with their links."""

    outcome: "RunResult"
    text: "Bitext"

    @property
    def folder(self) -> Path:
        return self.outcome.folder


def choose_shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this session, the same in all processes that share its tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "trained"
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Only one process at a time is inside."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """A run that went through everything nmt-train does. To be read only."""
    from nmt import build, config
    from nmt.runs.training_run import run
    from tests.commands import compose_command
    from tests.synthetic_light import lighten

    home = choose_shared_folder(tmp_path_factory)
    folder, cache = home / "outputs" / "tiny", home / "cache"
    settings = config.check(
        compose_command("train", *TINY_OVERRIDES, f"output={folder}", f"cache={cache}"), build.TRAIN
    )
    with pytest.MonkeyPatch.context() as patch, without_checks(), lock(home / "lock"):
        lighten(patch)
        outcome = run(settings, folder)  # which says at once what it came to, where another process has finished it
    text = build.build_corpus(settings).load("train")
    assert text is not None
    return TrainedRun(outcome, text)


@pytest.fixture
def handlers() -> Iterator[None]:
    """The signal handlers of this process as they were."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
