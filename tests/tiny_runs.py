"""Whole runs that take a second: the embedded grammar, sixty pairs, and a model of a few thousand weights."""

import functools
import signal
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir

from nmt import build, config
from nmt.composition.paths import configs
from nmt.config import Plain
from nmt.data.prepare import Filters, Prepared, prepare
from nmt.runs.training_run import Run, seed_everything
from nmt.training.interruption import Interruption

SMALL = (
    "data.train=60",
    "data.validation=4",
    "data.test=3",
    "tokenizer=bpe",
    "tokenizer.vocab_size=130",
    "model.embedding_size=8",
    "model.encoder.hidden_size=6",
    "model.decoder.hidden_size=12",
    "batching.tokens=400",
    "optimizer.learning_rate=0.01",
    "search=greedy",
    "search.max_ratio=0.5",
    "probes.sentences=0",
    "training.log_every=3",
    "training.stop.epochs=null",
    "training.stop.steps=8",
    "training.validation.every_steps=4",
    "device=cpu",
)
"""Overrides of `nmt-train` that make its default config tiny."""

RESTLESS = ("tokenizer.sampling=0.1", "training.accumulate=2", "model.dropout.source_words=0.1")
"""All that draws random numbers while training; dropout of features is on by default."""


@functools.cache
def composed(*overrides: str, name: str = "train") -> dict[str, Any]:
    """The config of a command as plain values, unchecked; not to be changed."""
    from omegaconf import OmegaConf

    with initialize_config_dir(configs(), version_base="1.3"):
        plain = OmegaConf.to_container(compose(name, list(overrides)), resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def settings(folder: Path, *overrides: str) -> Plain:
    """Checked settings of a tiny run in `folder`; its prepared data lie beside it, for all runs there."""
    chosen = composed(*SMALL, *overrides)
    return config.check({**chosen, "output": str(folder), "cache": str(folder.parent / "cache")}, build.TRAIN)


def prepared(chosen: Plain) -> Prepared:
    filters = config.build(Filters, chosen["filters"])
    return prepare(build.corpus(chosen), build.tokenizer(chosen), filters, chosen["cache"])


class After(Interruption):
    """As if SIGTERM came as soon as `run` has taken a number of steps."""

    run: Run

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    @property
    def caught(self) -> int:
        return signal.SIGTERM if self.run.state.progress.step >= self.steps else 0

    @caught.setter
    def caught(self, number: int) -> None:
        pass


def made(chosen: Plain, folder: Path, interruption: Interruption | None = None, *, seed: int | None = None) -> Run:
    """The parts of a run; `seed` in place of the run's own, to show that a resumed run does not depend on it."""
    data = prepared(chosen)
    seed_everything(chosen["seed"] if seed is None else seed)
    caught = interruption or Interruption()
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(chosen, folder, torch.device("cpu"), build.corpus(chosen), data, caught)
    if isinstance(caught, After):
        caught.run = run
    return run


def snapshot(folder: Path) -> dict[str, bytes]:
    """The content of every file below, by its path; pointers are not followed."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {"last", "best"} & set(path.relative_to(folder).parts)
    }
