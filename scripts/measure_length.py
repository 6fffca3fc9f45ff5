"""Time and memory of one layer of self-attention by the length of its input: every pair, windows, random features.

    python scripts/measure_length.py
    python scripts/measure_length.py --lengths 256 512 1024 --repeats 3 --picture ""

A layer is the Transformer's encoder layer: 128 features, 4 heads, an inner layer of 256, one sequence, forward and
backward. Seconds are those of CPU time, of the fastest repetition, on one thread. The peak is what a process takes
beside what it had before the layer. The slope is that of a straight line through the logarithms of length and time.
"""

import argparse
import math
import multiprocessing
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # this folder's file names would hide modules of the same name

import torch  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator  # noqa: E402

from nmt.attention.scope import WindowScope  # noqa: E402
from nmt.attention.score import Favor, ScaledDot  # noqa: E402
from nmt.attention.self_attention import SelfAttentionParts  # noqa: E402
from nmt.kernels import process_setup  # noqa: E402
from nmt.model.blocks import LayerSettings  # noqa: E402
from nmt.model.encoders.transformer import EncoderLayer  # noqa: E402

SIZE, INNER, HEADS, HALF_WIDTH, FEATURES = 128, 256, 4, 32, 128
PICTURE = ROOT / "docs" / "images" / "length.png"

DOT = partial(ScaledDot, hidden_size=SIZE)
FAVOR = partial(Favor, hidden_size=SIZE, features=FEATURES)
KINDS: dict[str, SelfAttentionParts] = {
    "full": SelfAttentionParts(heads=HEADS, score=DOT),
    "window": SelfAttentionParts(heads=HEADS, score=DOT, scope=partial(WindowScope, half_width=HALF_WIDTH, globals=1)),
    "favor": SelfAttentionParts(heads=HEADS, score=FAVOR),
}


def make_step(kind: str, length: int) -> Callable[[], None]:
    """What runs the layer forward and backward once."""
    torch.manual_seed(0)
    layer = EncoderLayer(LayerSettings(where="", hidden_size=SIZE, feed_forward_size=INNER), attention=KINDS[kind])
    states = torch.randn(1, length, SIZE)
    mask, positions = torch.ones(1, length, dtype=torch.bool), torch.arange(length).unsqueeze(0)

    def step() -> None:
        layer.zero_grad(set_to_none=True)
        layer(states.requires_grad_(), mask, positions).square().mean().backward()

    return step


def measure_seconds(kind: str, length: int, repeats: int) -> float:
    """CPU time of the fastest of some repetitions after the first."""
    step, times = make_step(kind, length), []
    for _ in range(repeats + 1):
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return min(times[1:])


def read_memory(name: str) -> float:
    """MiB of this process: VmHWM, the most that there was, or VmRSS, what there is."""
    (found,) = re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found) / 1024


def send_peak(kind: str, length: int, connection: Any) -> None:
    """The work of the process that `measure_peak` starts."""
    before = read_memory("VmRSS")
    step = make_step(kind, length)
    for _ in range(2):
        step()
    connection.send(read_memory("VmHWM") - before)


def measure_peak(kind: str, length: int) -> float:
    """MiB at the peak of two steps, in a process of their own."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=send_peak, args=(kind, length, sender))
    process.start()
    peak = float(receiver.recv())
    process.join()
    return peak


def compute_slope(lengths: Sequence[int], values: Sequence[float]) -> float:
    """Least squares through log length and log value."""
    points = [(math.log(length), math.log(value)) for length, value in zip(lengths, values, strict=True)]
    x_mean, y_mean = (sum(each) / len(points) for each in zip(*points, strict=True))
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / sum((x - x_mean) ** 2 for x, _ in points)


def draw(lengths: Sequence[int], found: dict[str, tuple[list[float], list[float]]]) -> Figure:
    """Time and memory by length, on logarithmic axes."""
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    for number, (ax, label) in enumerate(zip(figure.subplots(1, 2), ("CPU seconds", "MiB at the peak"), strict=True)):
        for (kind, values), color in zip(found.items(), ("#1f3b63", "#b3402a", "#4d8a57"), strict=False):
            ax.plot(lengths, values[number], "o-", color=color, label=kind)
        ax.set(xscale="log", yscale="log", xlabel="positions", ylabel=label)
        ax.set_xticks(list(lengths), [str(length) for length in lengths])
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.minorticks_off()
        ax.legend(fontsize=8)
    return figure


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", nargs="+", type=int, default=[256, 512, 1024, 2048, 4096])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--picture", default=str(PICTURE), help="a file; empty: none")
    options = parser.parse_args()
    peaks = {kind: [measure_peak(kind, length) for length in options.lengths] for kind in options.kinds}
    process_setup.configure(options.threads)
    found = {}
    print(f"| attention | {' | '.join(map(str, options.lengths))} | slope of time |")
    print(f"|---|{'---|' * len(options.lengths)}---|")
    for kind in options.kinds:
        seconds = [measure_seconds(kind, length, options.repeats) for length in options.lengths]
        found[kind] = (seconds, peaks[kind])
        cells = [f"{1000 * s:.1f} ms, {peak:.0f} MiB" for s, peak in zip(*found[kind], strict=True)]
        print(f"| {kind} | {' | '.join(cells)} | {compute_slope(options.lengths, seconds):.2f} |", flush=True)
    if options.picture:
        draw(options.lengths, found).savefig(options.picture, dpi=100)


if __name__ == "__main__":
    main()
