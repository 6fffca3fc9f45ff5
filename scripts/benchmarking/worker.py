"""The cases that run inside the product, one in each process:  python -m scripts.benchmarking.worker KIND JSON

The result is the last line on stdout, as JSON.
"""

import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from nmt import build, config
from nmt.config import Plain
from nmt.data.batching import Batches, Batching
from nmt.data.prepare import Filters, Prepared, prepare
from nmt.inference.inference import Work, load
from nmt.inference.inference import translator as made
from nmt.kernels import process_setup
from nmt.runs.training_run import Run, seed_everything
from nmt.training.interruption import Interruption
from nmt.translation.translator import Translator
from scripts.benchmarking import growth, stages
from scripts.benchmarking.measures import ceiling, peak_mib
from scripts.benchmarking.settings import settings

WARM_UP = 2
"""Steps before the first that counts."""

WARM_SENTENCES = 16
"""Of the same search, before the first that counts."""


def prepared(chosen: Plain) -> Prepared:
    """The data that the settings name."""
    filters = config.build(Filters, chosen["filters"])
    return prepare(build.corpus(chosen), build.tokenizer(chosen), filters, chosen["cache"])


class Clock(Interruption):
    """Stands for the signals of a run: notes its progress after every step, and ends it when the time is over."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.run: Run | None = None
        self.seen: list[tuple[float, int]] = []

    @property
    def caught(self) -> int:
        words = self.run.state.progress.words if self.run is not None else 0
        if not self.seen or words > self.seen[-1][1]:
            self.seen.append((time.perf_counter(), words))
        first = self.seen[: WARM_UP + 1][-1][0]
        over = len(self.seen) > WARM_UP + 1 and self.seen[-1][0] - first >= self.seconds
        return signal.SIGTERM if over else 0

    @caught.setter
    def caught(self, number: int) -> None:
        pass

    def rates(self) -> list[float]:
        """Target tokens/s of each step after the warm-up."""
        kept = self.seen[WARM_UP:]
        return [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(kept)]

    def rate(self) -> float:
        """Target tokens/s over all of them."""
        kept = self.seen[WARM_UP:]
        return (kept[-1][1] - kept[0][1]) / (kept[-1][0] - kept[0][0])


def train(overrides: Sequence[str], seconds: float, output: str | None = None) -> dict[str, Any]:
    """`nmt-train` for so long: real data, loss, clipping, optimizer and log; into `output`, which keeps the model."""
    chosen = settings(overrides)
    process_setup.prepare(None)
    data = prepared(chosen)
    seed_everything(chosen["seed"])
    before = ceiling()
    clock = Clock(seconds)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(output or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        clock.run = Run(chosen, folder, build.device(chosen["device"]), build.corpus(chosen), data, clock)
        clock.run.train()
    peak = peak_mib()
    return {
        "rate": clock.rate(),
        "rates": clock.rates(),
        "peak_mib": peak,
        "ceiling": (before + ceiling()) / 2,
        "parameters": build.parameter_count(clock.run.model),
        "steps": len(clock.rates()),
    }


def lengths(overrides: Sequence[str]) -> dict[str, Any]:
    """Mean lengths of the training pairs, </s> counted, and the size of the vocabulary; prepares the data."""
    data = prepared(settings(overrides))
    sides = {"source": data.train.source.lengths, "target": data.train.target.lengths}
    return {
        **{side: float(found.mean()) + 1 for side, found in sides.items()},
        "pairs": data.train.pairs,
        "vocab_size": data.tokenizers.target.vocab_size,
        "source_model": data.tokenizers.source.serialized.hex(),
    }


def where(overrides: Sequence[str], seconds: float) -> dict[str, Any]:
    """Seconds of a training step by what it does: see stages.py."""
    chosen = settings(overrides)
    process_setup.prepare(None)
    data = prepared(chosen)
    seed_everything(chosen["seed"])
    batches = Batches(
        data.train, data.tokenizers, config.build(Batching, chosen["batching"]), seed=chosen["seed"]
    ).epoch(0)
    vocab = data.tokenizers.target.vocab_size
    model = build.model(chosen, source_vocab=vocab, target_vocab=vocab, joint=True).train()
    optimizer = config.make(build.OPTIMIZER, chosen["optimizer"]).optimizer(model)
    return stages.measured(model, optimizer, batches, chosen["training"], seconds)


def translate(
    model: str, lines: str, search: Plain, precision: str, shortlist: str, batch: int | None
) -> dict[str, Any]:
    """Translation without start-up: seconds for all lines, sorted by length, so many sentences a batch.

    A batch of None is what `nmt-translate` does by itself; of 1, every sentence alone, with its latency.
    """
    work = Work(device="cpu", threads=None, tokens=Translator.tokens if batch is None else 10**9)
    loaded = load(model, work)
    translator = made(loaded, work, search, weights=False, precision=precision, shortlist={"name": shortlist})
    ids = loaded.tokenizers.source.encode(Path(lines).read_text(encoding="utf-8").splitlines())
    order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
    cuts = [order[at : at + (batch or len(order))] for at in range(0, len(order), batch or len(order))]
    translator.translate_ids([ids[row] for row in cuts[len(cuts) // 2][:WARM_SENTENCES]])
    before = ceiling()
    timed = [spent(translator.translate_ids, [ids[row] for row in cut]) for cut in cuts]
    hypotheses = [found.hypotheses[0] for _, some in timed for found in some if found.hypotheses]
    peak = peak_mib()
    return {
        "seconds": sum(seconds for seconds, _ in timed),
        "latency": [seconds for seconds, _ in timed] if batch == 1 else None,
        "pieces": sum(len(hypothesis.tokens) + 1 for hypothesis in hypotheses),
        "sentences": len(ids),
        "peak_mib": peak,
        "ceiling": (before + ceiling()) / 2,
    }


def spent(call: Callable[..., Any], *given: Any) -> tuple[float, Any]:
    """Seconds that a call took, and its result."""
    started = time.perf_counter()
    result = call(*given)
    return time.perf_counter() - started, result


def memory(overrides: Sequence[str]) -> dict[str, Any]:
    """Peak memory of reading a corpus that is prepared, up to its first batch, or of preparing it where it is not."""
    chosen = settings(overrides)
    idle = peak_mib()
    seconds, data = spent(prepared, chosen)
    epoch = Batches(data.train, data.tokenizers, config.build(Batching, chosen["batching"]), seed=1).epoch(0)
    epoch.batch(0)
    return {"peak_mib": peak_mib(), "idle_mib": idle, "seconds": seconds, "pairs": data.train.pairs}


def grow(overrides: Sequence[str], axis: str, points: Sequence[int], repeats: int) -> dict[str, Any]:
    """Cost against one size: see growth.py."""
    process_setup.prepare(None)
    before = ceiling()
    found = growth.AXES[axis](overrides, points, repeats)
    return {"points": found, "ceiling": statistics.mean((before, ceiling()))}


CASES: dict[str, Callable[..., dict[str, Any]]] = {
    "train": train,
    "lengths": lengths,
    "where": where,
    "translate": translate,
    "memory": memory,
    "grow": grow,
}


def main() -> None:
    """Runs the case that the command line names."""
    kind, request = sys.argv[1:]
    print(json.dumps(CASES[kind](**json.loads(request))))


if __name__ == "__main__":
    main()
