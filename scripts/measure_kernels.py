"""What each kernel is worth: training steps and beam searches with it and without, turn about in one process.

    python scripts/measure_kernels.py                     all models, about a quarter of an hour on two idle cores
    python scripts/measure_kernels.py --models bahdanau --steps 60 --no-memory
    python scripts/measure_kernels.py --models transformer --without dot_attention --longest 100

A ratio is the time without a kernel divided by the time with all, of the same turn; the median over turns, with
quartiles. `nothing` changes nothing, and shows how far ratios come from noise alone. CPU is the same of the time that
all threads of the process have computed, which other work on the machine disturbs less. The peak is that of a process
which takes three steps.
"""

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # this folder's file names would hide modules of the same name

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from nmt import build, config  # noqa: E402
from nmt.kernels import process_setup  # noqa: E402
from nmt.kernels.cross_entropy import word_indices  # noqa: E402
from nmt.kernels.switch import KERNELS, Kernel, disable_kernels  # noqa: E402
from nmt.model.seq2seq import Seq2Seq  # noqa: E402
from nmt.special_tokens import BOS, EOS, PAD  # noqa: E402
from nmt.translation.decoder_step import Vocabulary  # noqa: E402
from nmt.translation.stepper import InferenceModel  # noqa: E402
from scripts.benchmarking.settings import compose_settings  # noqa: E402

VOCABULARY, SENTENCE_TOKENS = 8000, 2000
"""Pieces that there are, and positions of all sentences that are translated, padding counted."""

FILES = [f"data.{split}.{side}=none" for split in ("train", "validation") for side in ("source", "target")]

GRU = ["model/encoder=gru", "model/bridge=dense", "model.decoder.cell=gru"]
MODELS: Mapping[str, Sequence[str]] = {
    "luong": ["attention=luong_general"],
    "luong, no input feeding": ["attention=luong_general", "model.decoder.input_feeding=false"],
    "bahdanau": ["attention=bahdanau", "model/decoder=bahdanau", *GRU],
    "conditional": ["attention=bahdanau", "model/decoder=conditional", *GRU],
    "marginal": ["attention=luong_general", "attention/selection=marginal", "attention/normalizer=sparsemax"],
    "multi_head": ["attention=multi_head"],
    "transformer": [
        *("model=transformer", "attention=multi_head", "attention.heads=4", "attention.score.hidden_size=128"),
        "model.embedding_size=128",
        *(f"model.{side}.{name}" for side in ("encoder", "decoder") for name in ("hidden_size=128", "layers=4")),
        *(f"model.{side}.feed_forward_size=256" for side in ("encoder", "decoder")),
    ],
}

TRAINING: Sequence[Kernel] = ("additive", "cross_entropy", "dot_attention", "mixture_loss")
LONG_INPUT: Sequence[Kernel] = ("feature_attention", "window_attention")
"""What `measure_length.py` measures, beside every pair of positions."""
SEARCH: Sequence[Kernel] = ("dot_attention", "fused_step", "packed_linear", "topk")


def find_variants(kernels: Sequence[str]) -> dict[str, Sequence[Kernel]]:
    """What is turned off, by its name; several kernels at once have a plus between their names."""
    own: dict[str, Sequence[Kernel]] = {name: tuple(name.split("+")) for name in kernels}  # type: ignore[misc]
    return {"all on": (), "nothing": (), **own, "everything": KERNELS}


def build_model(name: str) -> Seq2Seq:
    """One of MODELS, with random weights."""
    torch.manual_seed(0)
    settings = compose_settings([*FILES, *MODELS[name]])
    return build.build_model(settings, source_vocab=VOCABULARY, target_vocab=VOCABULARY, joint=True)


class Pairs(NamedTuple):
    """A batch of random pieces, about 2,000 target tokens, padded."""

    source: Tensor
    lengths: Tensor
    target_input: Tensor
    target_output: Tensor


def make_pairs(tokens: int, longest: int) -> Pairs:
    """Lengths from half of the longest on the source side, and the same on the target side."""
    generator, rows = torch.Generator().manual_seed(1), tokens // longest
    lengths = torch.randint(longest // 2, longest + 1, (rows,), generator=generator)
    lengths[0] = longest
    source, target = (torch.randint(4, VOCABULARY, (rows, longest), generator=generator) for _ in range(2))
    padding = torch.arange(longest) >= lengths.unsqueeze(1)
    source, target = source.masked_fill(padding, PAD), target.masked_fill(padding, PAD)
    begin = target.new_full((rows, 1), BOS)
    output = torch.cat([target, begin.new_full((rows, 1), PAD)], 1).scatter(1, lengths.unsqueeze(1), EOS)
    return Pairs(source, lengths, torch.cat([begin, target], 1), output)


def make_training_step(name: str, tokens: int, longest: int) -> Callable[[], None]:
    """What takes one step of the optimizer over one batch, as the training loop does."""
    model, pairs = build_model(name).train(), make_pairs(tokens, longest)
    settings = compose_settings([*FILES, *MODELS[name]])
    optimizer = config.build_variant(build.OPTIMIZER, settings["optimizer"]).build_optimizer(model)
    indices = word_indices(pairs.target_output)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        inputs = model(pairs.source, pairs.lengths, pairs.target_input)
        loss = model.compute_loss(inputs, pairs.target_output, smoothing=0.1, indices=indices)
        (loss.objective / len(loss.word_nll)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def make_translation(name: str, tokens: int, longest: int) -> Callable[[], None]:
    """What translates sentences with a beam of 5, the model being made ready anew, as it is once in a process."""
    model, pairs = build_model(name).eval(), make_pairs(SENTENCE_TOKENS, longest)
    search = build.build_search(compose_settings([*FILES, *MODELS[name], "search=beam", "search.max_ratio=1"]))
    vocabulary = Vocabulary(precompute_inputs=True)

    @torch.inference_mode()
    def translate() -> None:
        engine = InferenceModel(model)
        step, (inputs, state) = engine.stepper(vocabulary), engine.encode(pairs.source, pairs.lengths, vocabulary)
        search(step, state, inputs, pairs.lengths)

    return translate


WORK: Mapping[str, tuple[Callable[[str, int, int], Callable[[], None]], Sequence[Kernel]]] = {
    "train": (make_training_step, TRAINING),
    "translate": (make_translation, SEARCH),
}


def measure_ratios(
    run: Callable[[], None], variants: Mapping[str, Sequence[Kernel]], turns: int, seconds: float
) -> tuple[float, dict[str, tuple[list[float], list[float]]]]:
    """Seconds with all on, and for each variant the ratios of wall time and of CPU time in every turn."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    draw, end = random.Random(0), time.monotonic() + seconds
    for turn in range(turns + 1):  # the first is the warm-up
        if turn > 2 and time.monotonic() > end:
            break
        for name in draw.sample(list(variants), len(variants)):
            with disable_kernels(*variants[name]):
                wall, cpu = time.perf_counter(), time.process_time()
                run()
                if turn:
                    times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    base = times["all on"]
    ratios = {
        name: tuple([one[kind] / all_on[kind] for one, all_on in zip(found, base, strict=True)] for kind in (0, 1))
        for name, found in times.items()
        if name != "all on"
    }
    return statistics.median(wall for wall, _ in base), ratios  # type: ignore[return-value]


def measure_peak(work: str, name: str, disabled: Sequence[Kernel], options: argparse.Namespace) -> float:
    """MiB at the peak of a process that does this work three times."""
    request = json.dumps([work, name, list(disabled), options.threads, options.tokens, options.longest])
    done = subprocess.run([sys.executable, __file__, "--peak", request], capture_output=True, text=True, check=True)
    return float(done.stdout)


def print_peak(request: str) -> None:
    """The work of the process that `measure_peak` starts."""
    work, name, disabled, threads, tokens, longest = json.loads(request)
    process_setup.configure(threads)
    with disable_kernels(*disabled):
        run = WORK[work][0](name, tokens, longest)
        for _ in range(3):
            run()
    # Not ru_maxrss, in which a process starts with what the one before exec had.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(int(peak) / 1024)


def format_ratio(ratios: Sequence[float]) -> str:
    low, median, high = statistics.quantiles(ratios, n=4)
    return f"{median:.3f} [{low:.3f} .. {high:.3f}]"


def print_table(work: str, name: str, options: argparse.Namespace) -> None:
    """One model's table, in Markdown."""
    make, kernels = WORK[work]
    variants, has_memory = find_variants(options.without or kernels), not options.no_memory
    seconds, ratios = measure_ratios(
        make(name, options.tokens, options.longest), variants, options.steps, options.seconds
    )
    turns = len(ratios["nothing"][0])
    print(f"\n{work}, {name}: {1000 * seconds:.0f} ms, {turns} turns\n")
    print("| without | time | CPU | peak MiB |\n|---|---|---|---|")
    peak = f"{measure_peak(work, name, (), options):.0f}" if has_memory else ""
    print(f"| (all on) | | | {peak} |", flush=True)
    for variant, (wall, cpu) in ratios.items():
        peak = f"{measure_peak(work, name, variants[variant], options):.0f}" if has_memory else ""
        print(f"| {variant} | {format_ratio(wall)} | {format_ratio(cpu)} | {peak} |", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", nargs="+", choices=WORK, default=list(WORK))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--without", nargs="+", help="kernels to turn off, as additive or additive+cross_entropy")
    parser.add_argument("--steps", type=int, default=40, help="turns, in each of which every variant runs once")
    parser.add_argument("--seconds", type=float, default=600.0, help="a model's turns end after so many")
    parser.add_argument("--tokens", type=int, default=2560, help="positions of a training batch, padding counted")
    parser.add_argument("--longest", type=int, default=20, help="pieces of the longest sentence; the shortest has half")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-memory", action="store_true", help="leave out the peaks")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        return print_peak(options.peak)
    process_setup.configure(options.threads)
    for work in options.work:
        for name in options.models:
            print_table(work, name, options)
    return None


if __name__ == "__main__":
    main()
