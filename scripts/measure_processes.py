"""What training by several processes is worth: throughput of two, bytes they send, and a model of more.

    python scripts/measure_processes.py                         two of one thread against one of two, turn about
    python scripts/measure_processes.py --turns 0               the model and its picture alone

Each turn trains the embedded corpus anew, first with one process of two threads, then with torchrun and two processes
of one thread; the steps are the same. Tokens a second are those of metrics.jsonl, without the first line. The ratio is
that of one turn; what else the machine does shows in how far turns differ.

The model: n processes with a batch each (training.accumulate=n) take T + C seconds a step, T for the batch and
C = 2 (n - 1) / n bytes / bandwidth + 2 (n - 1) latency for a ring that sums gradients (Patarasuk and Yuan 2009).
Nothing of C is hidden behind T: a recurrence knows its gradients at the end of a batch.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # this folder's file names would hide modules of the same name

from matplotlib.figure import Figure  # noqa: E402

from nmt import build  # noqa: E402
from nmt.training.metrics_logger import read_rows  # noqa: E402
from scripts.benchmarking.settings import compose_settings  # noqa: E402

FILES = [f"data.{split}.{side}=none" for split in ("train", "validation") for side in ("source", "target")]
VOCABULARY = 8000
BYTES = 4
"""Of a gradient."""

RANKS = (1, 2, 4, 8, 16, 32, 64)
GIGABITS = (1, 10, 100)
LATENCY = 50e-6
"""Seconds from one machine to another, by Ethernet."""

PICTURE = ROOT / "docs" / "images" / "processes.png"
RUN = (
    *("data=synthetic", "data.train=20000", "data.validation=50", "data.test=50", "search=greedy", "device=cpu"),
    *("training.stop.epochs=null", "training.validation.every_steps=100000", "training.log_every=10"),
    *("training.accumulate=2", "batching.tokens=2048", "probes.sentences=0"),
)


def count_parameters() -> int:
    """Those of the default model, with VOCABULARY pieces."""
    model = build.build_on_meta(compose_settings(FILES), source_vocab=VOCABULARY, target_vocab=VOCABULARY, joint=True)
    return sum(parameter.numel() for parameter in model.parameters())


def train(folder: Path, processes: int, threads: int, steps: int, more: Sequence[str]) -> float:
    """Target tokens a second of a run in `folder`, whose prepared data lie beside it."""
    start = [sys.executable, "-m"]
    if processes > 1:
        start += ["torch.distributed.run", f"--nproc-per-node={processes}", "-m"]
    settings = [f"output={folder}", f"cache={folder.parent / 'cache'}", f"threads={threads}"]
    command = [*start, "nmt.cli.train", *RUN, f"training.stop.steps={steps}", *settings, *more]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    rows = [row["tokens_per_second"] for row in read_rows(folder / "metrics.jsonl") if row["kind"] == "train"]
    return statistics.median(rows[1:])


def measure(turns: int, steps: int, more: Sequence[str]) -> None:
    """Prints the throughput of both, and their ratio, for each turn."""
    ratios = []
    with tempfile.TemporaryDirectory() as place:
        for turn in range(turns):
            one = train(Path(place, f"one-{turn}"), 1, 2, steps, more)
            two = train(Path(place, f"two-{turn}"), 2, 1, steps, more)
            ratios.append(two / one)
            print(
                f"turn {turn + 1}: 1 process of 2 threads {one:.0f}, 2 of 1 thread {two:.0f} target tokens/s",
                flush=True,
            )
    print(f"ratio: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


def compute_seconds(ranks: int, size: float, gigabits: float) -> float:
    """C: what a ring takes to sum `size` bytes of each of so many processes."""
    return 2 * (ranks - 1) / ranks * size * 8 / (gigabits * 1e9) + 2 * (ranks - 1) * LATENCY


def compute_throughput(ranks: int, size: float, gigabits: float, speed: float, words: int) -> float:
    """Target tokens a second of all processes, each of which has `speed` alone and `words` of them a step."""
    return ranks * words / (words / speed + compute_seconds(ranks, size, gigabits))


def draw(size: float, speeds: Sequence[float], words: int) -> Figure:
    """Throughput by the number of processes, beside what it would be if nothing were sent."""
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    for ax, speed in zip(figure.subplots(1, len(speeds), squeeze=False)[0], speeds, strict=True):
        ax.plot(RANKS, [ranks * speed for ranks in RANKS], "--", color="0.6", label="nothing sent")
        for gigabits, color in zip(GIGABITS, ("#b3402a", "#4d8a57", "#1f3b63"), strict=True):
            values = [compute_throughput(ranks, size, gigabits, speed, words) for ranks in RANKS]
            ax.plot(RANKS, values, "o-", color=color, label=f"{gigabits} Gbit/s")
        ax.set(xscale="log", yscale="log", xlabel="processes", ylabel="target tokens a second")
        ax.set_title(f"{speed:,.0f} a second alone", fontsize=9)
        ax.set_xticks(list(RANKS), [str(ranks) for ranks in RANKS])
        ax.minorticks_off()
        ax.legend(fontsize=8)
    return figure


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--speeds", nargs="+", type=float, default=[1_500, 50_000], help="tokens a second of a process")
    parser.add_argument("--words", type=int, default=3_500, help="target tokens of a process in a step")
    parser.add_argument("--picture", default=str(PICTURE), help="a file; empty: none")
    parser.add_argument("settings", nargs="*", help="further settings of nmt-train for the turns")
    options = parser.parse_args()
    parameters = count_parameters()
    size = parameters * BYTES
    print(f"{parameters} parameters: {size / 1e6:.1f} MB of gradients are summed a step; each process of n sends and")
    print(f"receives 2 (n - 1) / n of that, {size / 1e6:.1f} MB for 2 and {2 * 63 / 64 * size / 1e6:.1f} MB for 64.")
    print(f"| tokens/s alone | Gbit/s | {' | '.join(map(str, RANKS))} |\n|---|---|{'---|' * len(RANKS)}")
    for speed in options.speeds:
        for gigabits in GIGABITS:
            found = [compute_throughput(ranks, size, gigabits, speed, options.words) for ranks in RANKS]
            shares = " | ".join(f"{value / speed:.1f}x" for value in found)
            print(f"| {speed:.0f} | {gigabits} | {shares} |")
    if options.picture:
        draw(size, options.speeds, options.words).savefig(options.picture, dpi=100)
    if options.turns:
        measure(options.turns, options.steps, options.settings)


if __name__ == "__main__":
    main()
