"""Records the loss of each of 100 seeded steps, for every attention with every decoder and for one more of each part.

`python -m tests.golden.record_losses OUTPUT.json`: see README.md.
"""

import functools
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

import nmt
from nmt import build, config
from nmt.build.run import build_trainer
from nmt.config import ConfigDict
from nmt.data.filters import Filters
from nmt.data.prepare import PreparedData, prepare
from nmt.runs.process import seed_everything
from nmt.runs.training_run import TrainingRun
from nmt.training.interruption import Interruption
from tests.commands import compose_command
from tests.synthetic_light import lighten

STEPS = 100

COMMON = (
    "data=grammar",
    "data.train=1000",
    "data.validation=2",
    "data.test=2",
    "tokenizer=unigram",
    "tokenizer.vocab_size=1000",
    "filters.max_length=12",
    "model.embedding_size=16",
    "model.encoder.hidden_size=12",
    "model.decoder.hidden_size=24",
    "batching.tokens=200",
    "optimizer.learning_rate=0.003",
    "search=greedy",
    "search.max_ratio=0.1",
    "search.max_extra=0",
    "probes.sentences=0",
    "training.log_every=1",
    "training.stop.epochs=null",
    "training.validation.every_steps=1000",
    "device=cpu",
    "threads=1",
)
"""Settings of all runs. The decoder is as wide as both directions of the encoder, so that `dot` is legal."""

ATTENTIONS: Mapping[str, Sequence[str]] = {
    "bahdanau": (),
    "cosine": (),
    "entmax15": (),
    "luong_concat": (),
    "luong_dot": (),
    "luong_general": (),
    "luong_local_m": ("attention.scope.half_width=3",),
    "luong_local_p": ("attention.scope.half_width=3", "attention.scope.scaled=false"),
    "luong_location": ("attention.score.positions=9",),
    "multi_head": (),
    "scaled_dot": (),
    "sparsemax": (),
}
"""The presets of version 0.1. A window and a table of positions are made smaller than the longest sentence."""

DECODERS: Mapping[str, Sequence[str]] = {
    "luong": ("model/decoder=luong",),
    "unfed": ("model/decoder=luong", "model.decoder.input_feeding=false"),
    "bahdanau": ("model/decoder=bahdanau",),
    "conditional": ("model/decoder=conditional",),
}

DEEP = (
    *("model.encoder.layers=2", "model.encoder.residual=true"),
    *("model.decoder.layers=2", "model.decoder.residual=true"),
)

OTHERS: Mapping[str, Sequence[str]] = {
    "bridge mean": ("model/bridge=mean",),
    "bridge zero": ("model/bridge=zero", "model/decoder=bahdanau"),
    "bridge copy": ("model/bridge=copy", "model.encoder.bidirectional=false", "model.encoder.hidden_size=24"),
    "gru encoder": ("model/encoder=gru", "model.decoder.cell=gru"),
    "layer_norm_lstm": ("model.encoder.cell=layer_norm_lstm", "model.decoder.cell=layer_norm_lstm"),
    "layer_norm_gru": (
        *("model/decoder=conditional", "model.decoder.cell=layer_norm_gru"),
        "model.encoder.cell=layer_norm_gru",
    ),
    "deep luong": DEEP,
    "deep bahdanau": ("model/decoder=bahdanau", *DEEP),
    "deep conditional": ("model/decoder=conditional", *DEEP),
    "tied none": ("model.tied=none",),
    "tied target": ("model.tied=target", "tokenizer.joint=false", "tokenizer.vocab_size=600"),
    "bpe-dropout": ("tokenizer=bpe", "tokenizer.vocab_size=1000", "tokenizer.sampling=0.1"),
    "subword regularization": ("tokenizer.sampling=0.2", "tokenizer.byte_fallback=true", "tokenizer.vocab_size=1200"),
    "word dropout": ("model.dropout.source_words=0.1", "model.dropout.target_words=0.1"),
    "accumulate": ("training.accumulate=2", "batching.tokens=150"),
    "max_sentences": ("batching.max_sentences=7", "batching.pool=50", "batching.width_multiple=4"),
    "no smoothing": ("training.label_smoothing=0", "training.clip_norm=null"),
    "adamw": ("optimizer=adamw", "optimizer.learning_rate=0.003"),
    "inverse_sqrt": ("schedule=inverse_sqrt", "schedule.warmup_steps=10"),
    "cosine schedule": ("schedule=cosine", "schedule.warmup_steps=10", "schedule.steps=90"),
    "plateau": (
        *("schedule=plateau", "schedule.patience=0", "schedule.threshold=100"),
        *("training.validation.every_steps=10", "training.validation.metric=loss"),
    ),
    "renormalized window": (
        *("attention=luong_local_p", "attention.scope.half_width=2", "attention.scope.renormalize=true"),
        *("attention.scope.scaled=false", "attention.heads=2", "attention/normalizer=entmax15"),
    ),
    "seed 0": ("seed=0", "filters.max_length=10", "filters.max_ratio=1.5"),
}
"""What else shapes training, each once."""

RUNS: Mapping[str, Sequence[str]] = {
    **{
        f"{attention} {decoder}": (*DECODERS[decoder], f"attention={attention}", *ATTENTIONS[attention])
        for attention in ATTENTIONS
        for decoder in DECODERS
    },
    **OTHERS,
}
"""The settings of every recorded run beside COMMON, by its name."""


def compose(name: str, *more: str) -> ConfigDict:
    """The checked settings of one of RUNS. A group is chosen before its settings are, whatever their order."""
    words = (*COMMON, *RUNS[name], *more)
    groups = [word for word in words if "." not in word.partition("=")[0]]
    return config.check(compose_command("train", *groups, *(word for word in words if word not in groups)), build.TRAIN)


def train(name: str, folder: Path, *, cache: Path, steps: int = STEPS) -> list[float]:
    """Trains one of RUNS in `folder` by the loop of nmt-train; returns the loss of each step."""
    chosen = compose(name, f"training.stop.steps={steps}", f"output={folder}", f"cache={cache}")
    folder.mkdir(parents=True)
    data = prepared(json.dumps([chosen[key] for key in ("data", "tokenizer", "filters", "cache")]))
    seed_everything(chosen["seed"])
    TrainingRun(chosen, folder, torch.device("cpu"), build.build_corpus(chosen), data, Interruption()).train()
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    found = [row["loss"] for row in rows if row["kind"] == "train"]
    assert len(found) == steps
    return found


@functools.cache
def prepared(chosen: str) -> PreparedData:
    """The data of a run, from those of its settings that shape them, as JSON."""
    data, tokenizer, filters, cache = json.loads(chosen)
    settings = {"data": data, "tokenizer": tokenizer}
    return prepare(build.build_corpus(settings), build_trainer(settings), config.build(Filters, filters), cache)


def describe() -> dict[str, Any]:
    """What made a record: the commit of `nmt`, and the versions that its numbers rest on."""
    root = Path(nmt.__file__).resolve().parents[1]
    asked = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    packages = ("torch", "sentencepiece", "numpy", "safetensors")
    return {
        "commit": asked.stdout.strip(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": {name: version(name) for name in packages},
    }


def record(name: str, cache: str) -> list[float]:
    """The losses of one of RUNS with eight digits; for a process of its own."""
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        return [float(f"{loss:.8g}") for loss in train(name, Path(place, "run"), cache=Path(cache))]


def load(path: Path) -> dict[str, Any]:
    """A record: `about` it, and `runs` with their settings and losses."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def save(path: Path, about: Mapping[str, Any], runs: Mapping[str, Any]) -> None:
    """Writes a record, a run a line, in the order of RUNS."""
    rows = [f"{json.dumps(name)}: {json.dumps(runs[name], separators=(',', ':'))}" for name in RUNS if name in runs]
    text = ",\n".join(rows)
    path.write_text(f'{{"about": {json.dumps(about)},\n"runs": {{\n{text}\n}}}}\n', encoding="utf-8")


def main() -> None:
    """Trains the runs that the output lacks, and adds their losses to it."""
    output = Path(sys.argv[1])
    about = {**describe(), "steps": STEPS, "settings": list(COMMON)}
    runs: dict[str, Any] = {}
    if output.exists():
        before = load(output)
        assert before["about"] == about, (
            f"{output} was made by another version or from other settings: {before['about']}"
        )
        runs = {name: run for name, run in before["runs"].items() if run["settings"] == list(RUNS.get(name, ()))}
    with tempfile.TemporaryDirectory() as cache, ProcessPoolExecutor(2, get_context("spawn")) as pool:
        started = {pool.submit(record, name, cache): name for name in RUNS if name not in runs}
        for done in as_completed(started):
            runs[started[done]] = {"settings": RUNS[started[done]], "losses": done.result()}
            save(output, about, runs)


if __name__ == "__main__":
    main()
