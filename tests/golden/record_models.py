"""Trains tiny models of each decoder, and records what the commands make of them.

`python -m tests.golden.record_models FOLDER`: see README.md.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nmt import build, config
from nmt.cli import align as align_command
from nmt.cli import translate as translate_command
from nmt.runs.training_run import run
from tests.commands import compose_command, read_lines, write_lines
from tests.golden.record_losses import describe
from tests.synthetic_light import lighten

TRAINING = (
    "data=grammar",
    "data.train=40",
    "data.validation=2",
    "data.test=6",
    "tokenizer=unigram",
    "tokenizer.vocab_size=160",
    "tokenizer.normalization=identity",
    "model.embedding_size=16",
    "model.encoder.hidden_size=12",
    "model.decoder.hidden_size=24",
    "model.dropout.embedding=0.1",
    "model.dropout.readout=0.1",
    "batching.tokens=400",
    "optimizer.learning_rate=0.01",
    "search=beam",
    "search.size=3",
    "search.max_ratio=1.5",
    "search.max_extra=5",
    "probes.sentences=0",
    "training.log_every=50",
    "training.stop.epochs=null",
    "training.stop.steps=400",
    "training.validation.every_steps=1000",
    "device=cpu",
    "threads=1",
)
"""Settings of all models. Without normalization a vocabulary has a few kilobytes, with it hundreds."""

MODELS: Mapping[str, Sequence[str]] = {
    "luong": ("model/decoder=luong", "attention=luong_general"),
    "unfed": ("model/decoder=luong", "model.decoder.input_feeding=false", "attention=luong_dot"),
    "bahdanau": ("model/decoder=bahdanau", "attention=bahdanau"),
    "conditional": ("model/decoder=conditional", "attention=entmax15", "model.decoder.cell=layer_norm_gru"),
    "heads": (
        *("model/decoder=luong", "attention=luong_local_p", "attention.scope.half_width=4", "attention.heads=3"),
        *("model.tied=target", "tokenizer=bpe", "tokenizer.vocab_size=110", "tokenizer.joint=false"),
        *("tokenizer.normalization=identity", "model.decoder.layers=2"),
    ),
}
"""The settings of each model beside TRAINING."""

BEAM = ("search=beam", "search.max_ratio=1.5", "search.max_extra=5")
SAMPLING = ("search=sampling", "search.max_ratio=1.5", "search.max_extra=5", "search.seed=3")

TRANSLATIONS: Mapping[str, Sequence[str]] = {
    "own search": (),
    "json": ("format=json", "search.nbest=2", "max_source=10"),
    "nbest": (*BEAM, "search.size=5", "search.nbest=4", "format=nbest"),
    "greedy": ("search=greedy", "search.max_ratio=1.5", "search.max_extra=5", "format=nbest"),
    "sampling": (*SAMPLING, "search.samples=2", "format=nbest"),
    "cut sampling": (*SAMPLING, "search.top_k=20", "search.top_p=0.9", "search.temperature=0.7", "format=nbest"),
    "exact beam": (
        *(*BEAM, "search.stopping=exact", "search.coverage=0.2", "search.alpha=1.0", "search.no_repeat_ngram=3"),
        *("search.nbest=3", "search.min_ratio=0.5", "search.unknown=false", "format=nbest"),
    ),
    "average penalty": (*BEAM, "search.length_penalty=average", "search.nbest=3", "format=nbest", "max_source=8"),
}
"""The words of nmt-translate beside the model, the input and the output."""

ALIGNMENTS: Mapping[str, Sequence[str]] = {
    "argmax": (),
    "read": ("position=read",),
    **{f"above {share}": ("extract=threshold", f"extract.threshold={share}") for share in (0.05, 0.15, 0.3)},
}
"""The words of nmt-align beside the model, the files and the output. Links above a threshold tell of the weights."""

ENSEMBLE = "luong,unfed"
"""Models that share a vocabulary, recorded as one."""


def train(name: str, folder: Path, cache: Path) -> None:
    """Makes the model folder of one of MODELS, by a run in a folder beside it."""
    run_folder = cache / f"run-{name}"
    words = (*TRAINING, *MODELS[name], f"output={run_folder}", f"cache={cache}")
    groups = [word for word in words if "." not in word.partition("=")[0]]
    chosen = compose_command("train", *groups, *(word for word in words if word not in groups))
    run(config.check(chosen, build.TRAIN), run_folder)
    best = run_folder / "checkpoints" / "best"
    folder.mkdir(parents=True)
    for path in sorted(best.iterdir()):
        if path.name in ("config.json", "model.safetensors") or path.suffix == ".model":
            shutil.copyfile(path, folder / path.name)


def translate(model: str, source: Path, out: Path, words: Sequence[str]) -> list[str]:
    """The lines that nmt-translate writes."""
    out.unlink(missing_ok=True)
    translate_command.run_task(
        compose_command("translate", f"model={model}", f"input={source}", f"output={out}", *DEVICE, *words)
    )
    return read_lines(out)


def align(model: str, source: Path, target: Path, out: Path, words: Sequence[str]) -> list[str]:
    """The lines that nmt-align writes."""
    out.unlink(missing_ok=True)
    given = (f"model={model}", f"source={source}", f"target={target}", f"output={out}")
    align_command.run_task(compose_command("align", *given, *DEVICE, *words))
    return read_lines(out)


DEVICE = ("device=cpu", "threads=1")


def texts() -> tuple[list[str], list[str]]:
    """Pairs that the models were trained on, others, and what is in no corpus: an empty line, unknown characters."""
    corpus = build.build_corpus(config.check(compose_command("train", *TRAINING, "output=none"), build.TRAIN))
    known, new = corpus.load("train"), corpus.load("test")
    assert known is not None
    assert new is not None
    source = [*known.source[:4], "", *new.source[:5], "the Ωmega dog, dog, dog!", "dog"]
    target = [*known.target[:4], "", *new.target[:5], "der Ωmega Hund, Hund, Hund!", "Hund"]
    return source, target


def outputs(model: str, home: Path, place: Path) -> dict[str, dict[str, Any]]:
    """What each command makes of a model, or of several with commas between; files are written to `place`."""
    chosen = ",".join(str(home / name) for name in model.split(","))
    source, target, out = home / "source.txt", home / "target.txt", place / "out.txt"
    found = {
        f"translate: {name}": {"words": words, "lines": translate(chosen, source, out, words)}
        for name, words in TRANSLATIONS.items()
    }
    if "," not in model:
        found |= {
            f"align: {name}": {"words": words, "lines": align(chosen, source, target, out, words)}
            for name, words in ALIGNMENTS.items()
        }
    return found


def save(path: Path, about: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes the outputs of a model, a line of output a line."""
    parts = []
    for name, output in found.items():
        rows = ",\n".join(json.dumps(line, ensure_ascii=False) for line in output["lines"])
        parts.append(f'{json.dumps(name)}: {{"words": {json.dumps(list(output["words"]))}, "lines": [\n{rows}]}}')
    text = ",\n".join(parts)
    path.write_text(f'{{"about": {json.dumps(about)},\n{text}}}\n', encoding="utf-8")


def main() -> None:
    """Trains the models that are not there, then writes the text and what the commands make of it."""
    import pytest

    home = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        for name in MODELS:
            if not (home / name).exists():
                train(name, home / name, Path(place))
        for side, text in zip(("source", "target"), texts(), strict=True):
            write_lines(home / f"{side}.txt", *text)
        for name in (*MODELS, ENSEMBLE):
            save(home / f"{name}.json", describe(), outputs(name, home, Path(place)))


if __name__ == "__main__":
    main()
