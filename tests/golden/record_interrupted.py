"""Stops a run with SIGTERM in the middle of an epoch, and records what it leaves and what it comes to when it goes on.

`python -m tests.golden.record_interrupted FOLDER`: see README.md.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.golden.record_losses import describe

WORDS = (
    "data=grammar",
    "data.train=60",
    "data.validation=3",
    "data.test=2",
    "tokenizer=bpe",
    "tokenizer.vocab_size=120",
    "tokenizer.normalization=identity",
    "tokenizer.sampling=0.1",
    "model.embedding_size=8",
    "model.encoder.hidden_size=6",
    "model.decoder.hidden_size=12",
    "model.dropout.source_words=0.1",
    "batching.tokens=150",
    "optimizer.learning_rate=0.01",
    "schedule=plateau",
    "schedule.patience=0",
    "schedule.threshold=100",
    "average=ema",
    "average.decay=0.8",
    "search=greedy",
    "search.max_ratio=0.5",
    "probes.sentences=0",
    "training.accumulate=2",
    "training.log_every=1",
    "training.stop.epochs=null",
    "training.stop.steps=40",
    "training.validation.every_steps=9",
    "training.validation.metric=loss",
    "device=cpu",
    "threads=1",
    "output=run",
    "cache=cache",
)
"""The words of nmt-train, given in the folder above the run's, so that no path of a machine is in it."""

STEP = 14
"""The run is stopped soon after this step."""

LASTING = ("config.yaml", "run.json", "metrics.jsonl", "train.log", "checkpoints")
"""What a stopped run leaves that it goes on from."""


def losses(folder: Path) -> dict[str, dict[str, float]]:
    """The loss of each step of a run, and of each validation, by step."""
    found: dict[str, dict[str, float]] = {"train": {}, "validation": {}}
    for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[row["kind"]][str(row["step"])] = row["loss"]
    return found


def weights(folder: Path) -> dict[str, Any]:
    """The weights of the last checkpoint of a run, before averaging and after."""
    from safetensors.numpy import load_file

    last = folder / "checkpoints" / "last"
    return {
        f"{name}: {key}": value
        for name in ("model", "state")
        for key, value in load_file(last / f"{name}.safetensors").items()
    }


def train(place: Path, stop: int | None = None) -> int:
    """Runs nmt-train with WORDS in `place`; ends it with SIGTERM after step `stop`. Returns its exit status."""
    with subprocess.Popen([sys.executable, "-m", "nmt.cli.train", *WORDS], cwd=place) as process:
        metrics = place / "run" / "metrics.jsonl"
        while stop is not None and process.poll() is None:
            if metrics.exists() and f'"step": {stop},' in metrics.read_text(encoding="utf-8"):
                process.send_signal(signal.SIGTERM)
                break
            time.sleep(0.005)
        return process.wait()


def keep(run: Path, folder: Path) -> None:
    """Copies what a stopped run leaves."""
    for name in LASTING:
        if (run / name).is_dir():
            shutil.copytree(run / name, folder / name, symlinks=True)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run / name, folder / name)


def save(path: Path, about: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Writes what a run came to."""
    path.write_text(json.dumps({"about": about, **found}, indent=0) + "\n", encoding="utf-8")


def main() -> None:
    """Stops a run, keeps its folder, and lets it go on."""
    from safetensors.numpy import save_file

    home = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        assert train(place, STEP) == 128 + signal.SIGTERM
        keep(place / "run", home / "run")
        stopped = max(int(step) for step in losses(place / "run")["train"])
        assert train(place) == 0
        save(home / "resumed.json", {**describe(), "stopped": stopped}, losses(place / "run"))
        save_file(weights(place / "run"), home / "resumed.safetensors")


if __name__ == "__main__":
    main()
