"""Whole runs that take a second: the embedded grammar, sixty pairs, and a model of a few thousand weights."""

import functools
import signal
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir

from nmt import build, config
from nmt.composition.paths import find_config_folder
from nmt.config import ConfigDict
from nmt.data.filters import Filters
from nmt.data.prepare import PreparedData, prepare
from nmt.runs.process import seed_everything
from nmt.runs.training_run import TrainingRun
from nmt.training.interruption import Interruption

BASE_OVERRIDES = (
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

RANDOM_OVERRIDES = ("tokenizer.sampling=0.1", "training.accumulate=2", "model.dropout.source_words=0.1")
TRANSFORMER_DECODER = (
    *("model/decoder=transformer", "model.decoder.layers=2", "model.decoder.self_attention.heads=2"),
    "model.decoder.feed_forward_size=8",
)
CASCADE = (
    *("model/encoder=cascade", "model.encoder.blocks=1", "model.encoder.feed_forward_size=8"),
    *("model.encoder.hidden_size=6", "model.encoder.self_attention.heads=2"),
)
"""A recurrent encoder with self-attention above it."""
TRANSFORMER = (
    *("model/encoder=transformer", "model.encoder.layers=1", "model.encoder.self_attention.heads=2"),
    "model.encoder.hidden_size=12",
    *("model.encoder.feed_forward_size=8", *TRANSFORMER_DECODER),
)
"""All that draws random numbers while training; dropout of features is on by default."""
SNAIL_ENCODER = (
    *("model/encoder=snail", "model/bridge=mean", "model.encoder.blocks=[attention,temporal,attention]"),
    *("model.encoder.filters=4", "model.encoder.span=4", "model.encoder.value_size=6"),
    "model.encoder.self_attention.score.hidden_size=8",
)
SNAIL_DECODER = (
    *("model/decoder=snail", "model.decoder.hidden_size=12", "model.decoder.filters=4", "model.decoder.span=4"),
    *("model.decoder.value_size=6", "model.decoder.self_attention.score.hidden_size=8"),
)


OTHER_POSITIONS = (
    *("attention=scaled_dot", "attention/score=rotary", "attention/scope=window", "attention.scope.half_width=4"),
    *("model.encoder.positions.name=learned", "model.encoder.self_attention.score.name=rotary"),
    *("model.encoder.self_attention.scope.name=window", "model.encoder.attention_dropout=0.2"),
    *("model.decoder.positions.name=none", "model.decoder.self_attention.score.name=rotary"),
    *("model.decoder.self_attention.scope.name=alibi", "model.decoder.attention_dropout=0.2"),
    *("model.decoder.norm=post", "model.decoder.activation_dropout=0.3"),
)
"""Of a Transformer: whatever else tells positions apart, and draws random numbers."""


@functools.cache
def compose_config(*overrides: str, name: str = "train") -> dict[str, Any]:
    """The config of a command as plain values, unchecked; not to be changed."""
    from omegaconf import OmegaConf

    with initialize_config_dir(find_config_folder(), version_base="1.3"):
        plain = OmegaConf.to_container(compose(name, list(overrides)), resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def build_settings(folder: Path, *overrides: str) -> ConfigDict:
    """Checked settings of a tiny run in `folder`; its prepared data lie beside it, for all runs there."""
    chosen = compose_config(*BASE_OVERRIDES, *overrides)
    return config.check({**chosen, "output": str(folder), "cache": str(folder.parent / "cache")}, build.TRAIN)


def prepare_data(chosen: ConfigDict) -> PreparedData:
    filters = config.build(Filters, chosen["filters"])
    return prepare(
        build.build_corpus(chosen), build.build_tokenizer(chosen), filters, chosen["cache"], build.choose_links(chosen)
    )


class DelayedInterruption(Interruption):
    """As if SIGTERM came as soon as `run` has taken a number of steps."""

    run: TrainingRun

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    @property
    def signal_number(self) -> int:
        return signal.SIGTERM if self.run.state.progress.step >= self.steps else 0

    @signal_number.setter
    def signal_number(self, number: int) -> None:
        pass


def build_run(
    chosen: ConfigDict, folder: Path, interruption: Interruption | None = None, *, seed: int | None = None
) -> TrainingRun:
    """The parts of a run; `seed` in place of the run's own, to show that a resumed run does not depend on it."""
    data = prepare_data(chosen)
    seed_everything(chosen["seed"] if seed is None else seed)
    signals = interruption or Interruption()
    folder.mkdir(parents=True, exist_ok=True)
    run = TrainingRun(chosen, folder, torch.device("cpu"), build.build_corpus(chosen), data, signals)
    if isinstance(signals, DelayedInterruption):
        signals.run = run
    return run


def snapshot(folder: Path) -> dict[str, bytes]:
    """The content of every file below, by its path; pointers are not followed."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {"last", "best"} & set(path.relative_to(folder).parts)
    }
