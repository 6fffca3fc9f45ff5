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
from nmt.config import ConfigDict
from nmt.data.batching import Batches, BatchSettings
from nmt.data.filters import Filters
from nmt.data.prepare import PreparedData, prepare
from nmt.inference.inference import InferenceSettings, load
from nmt.inference.inference import build_translator as made
from nmt.kernels import process_setup
from nmt.runs.process import seed_everything
from nmt.runs.training_run import TrainingRun
from nmt.training.interruption import Interruption
from nmt.translation.translator import BatchTranslator
from scripts.benchmarking import growth, stages
from scripts.benchmarking.measures import measure_ceiling, measure_peak_mib
from scripts.benchmarking.settings import compose_settings

WARM_UP_STEPS = 2
"""Steps before the first that counts."""

WARM_UP_SENTENCES = 16
"""Of the same search, before the first that counts."""


def prepare_data(chosen: ConfigDict) -> PreparedData:
    """The data that the settings name."""
    filters = config.build(Filters, chosen["filters"])
    return prepare(build.build_corpus(chosen), build.build_tokenizer(chosen), filters, chosen["cache"])


class TimedInterruption(Interruption):
    """Stands for the signals of a run: notes its progress after every step, and ends it when the time is over."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.run: TrainingRun | None = None
        self.samples: list[tuple[float, int]] = []

    @property
    def signal_number(self) -> int:
        words = self.run.state.progress.words if self.run is not None else 0
        if not self.samples or words > self.samples[-1][1]:
            self.samples.append((time.perf_counter(), words))
        first = self.samples[: WARM_UP_STEPS + 1][-1][0]
        is_over = len(self.samples) > WARM_UP_STEPS + 1 and self.samples[-1][0] - first >= self.seconds
        return signal.SIGTERM if is_over else 0

    @signal_number.setter
    def signal_number(self, number: int) -> None:
        pass

    def compute_rates(self) -> list[float]:
        """Target tokens/s of each step after the warm-up."""
        measured = self.samples[WARM_UP_STEPS:]
        return [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(measured)]

    def compute_rate(self) -> float:
        """Target tokens/s over all of them."""
        measured = self.samples[WARM_UP_STEPS:]
        return (measured[-1][1] - measured[0][1]) / (measured[-1][0] - measured[0][0])


def train(overrides: Sequence[str], seconds: float, output: str | None = None) -> dict[str, Any]:
    """`nmt-train` for so long: real data, loss, clipping, optimizer and log; into `output`, which keeps the model."""
    chosen = compose_settings(overrides)
    process_setup.configure(None)
    data = prepare_data(chosen)
    seed_everything(chosen["seed"])
    before = measure_ceiling()
    clock = TimedInterruption(seconds)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(output or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        clock.run = TrainingRun(
            chosen, folder, build.build_device(chosen["device"]), build.build_corpus(chosen), data, clock
        )
        clock.run.train()
    peak = measure_peak_mib()
    return {
        "rate": clock.compute_rate(),
        "rates": clock.compute_rates(),
        "peak_mib": peak,
        "ceiling": (before + measure_ceiling()) / 2,
        "parameters": build.count_parameters(clock.run.model),
        "steps": len(clock.compute_rates()),
    }


def measure_lengths(overrides: Sequence[str]) -> dict[str, Any]:
    """Mean lengths of the training pairs, </s> counted, and the size of the vocabulary; prepares the data."""
    data = prepare_data(compose_settings(overrides))
    sides = {"source": data.train.source.lengths, "target": data.train.target.lengths}
    return {
        **{side: float(found.mean()) + 1 for side, found in sides.items()},
        "pairs": data.train.pairs,
        "vocab_size": data.tokenizers.target.vocab_size,
        "source_model": data.tokenizers.source.serialized.hex(),
    }


def measure_stages(overrides: Sequence[str], seconds: float) -> dict[str, Any]:
    """Seconds of a training step by what it does: see stages.py."""
    chosen = compose_settings(overrides)
    process_setup.configure(None)
    data = prepare_data(chosen)
    seed_everything(chosen["seed"])
    batches = Batches(
        data.train, data.tokenizers, config.build(BatchSettings, chosen["batching"]), seed=chosen["seed"]
    ).make_epoch(0)
    vocab = data.tokenizers.target.vocab_size
    model = build.build_model(chosen, source_vocab=vocab, target_vocab=vocab, joint=True).train()
    optimizer = config.build_variant(build.OPTIMIZER, chosen["optimizer"]).build_optimizer(model)
    return stages.measure_stages(model, optimizer, batches, chosen["training"], seconds)


def translate(
    model: str, lines: str, search: ConfigDict, precision: str, shortlist: str, batch: int | None
) -> dict[str, Any]:
    """Translation without start-up: seconds for all lines, sorted by length, so many sentences a batch.

    A batch of None is what `nmt-translate` does by itself; of 1, every sentence alone, with its latency.
    """
    inference_settings = InferenceSettings(
        device="cpu", threads=None, tokens=BatchTranslator.tokens if batch is None else 10**9
    )
    loaded = load(model, inference_settings)
    translator = made(
        loaded, inference_settings, search, weights=False, precision=precision, shortlist={"name": shortlist}
    )
    ids = loaded.tokenizers.source.encode(Path(lines).read_text(encoding="utf-8").splitlines())
    order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
    cuts = [order[at : at + (batch or len(order))] for at in range(0, len(order), batch or len(order))]
    translator.translate_ids([ids[row] for row in cuts[len(cuts) // 2][:WARM_UP_SENTENCES]])
    before = measure_ceiling()
    results = [time_call(translator.translate_ids, [ids[row] for row in cut]) for cut in cuts]
    hypotheses = [found.hypotheses[0] for _, some in results for found in some if found.hypotheses]
    peak = measure_peak_mib()
    return {
        "seconds": sum(seconds for seconds, _ in results),
        "latency": [seconds for seconds, _ in results] if batch == 1 else None,
        "pieces": sum(len(hypothesis.tokens) + 1 for hypothesis in hypotheses),
        "sentences": len(ids),
        "peak_mib": peak,
        "ceiling": (before + measure_ceiling()) / 2,
    }


def time_call(call: Callable[..., Any], *given: Any) -> tuple[float, Any]:
    """Seconds that a call took, and its result."""
    started = time.perf_counter()
    result = call(*given)
    return time.perf_counter() - started, result


def measure_memory(overrides: Sequence[str]) -> dict[str, Any]:
    """Peak memory of reading a corpus that is prepared, up to its first batch, or of preparing it where it is not."""
    chosen = compose_settings(overrides)
    idle = measure_peak_mib()
    seconds, data = time_call(prepare_data, chosen)
    epoch = Batches(data.train, data.tokenizers, config.build(BatchSettings, chosen["batching"]), seed=1).make_epoch(0)
    epoch.get_batch(0)
    return {"peak_mib": measure_peak_mib(), "idle_mib": idle, "seconds": seconds, "pairs": data.train.pairs}


def measure_growth(overrides: Sequence[str], axis: str, points: Sequence[int], repeats: int) -> dict[str, Any]:
    """Cost against one size: see growth.py."""
    process_setup.configure(None)
    before = measure_ceiling()
    found = growth.AXES[axis](overrides, points, repeats)
    return {"points": found, "ceiling": statistics.mean((before, measure_ceiling()))}


CASES: dict[str, Callable[..., dict[str, Any]]] = {
    "train": train,
    "lengths": measure_lengths,
    "where": measure_stages,
    "translate": translate,
    "memory": measure_memory,
    "grow": measure_growth,
}


def main() -> None:
    """Runs the case that the command line names."""
    kind, request = sys.argv[1:]
    print(json.dumps(CASES[kind](**json.loads(request))))


if __name__ == "__main__":
    main()
