"""What a thread that waits costs: training with other spins (GOMP_SPINCOUNT), alone and beside busy processes.

    python scripts/measure_spin.py --rounds 12 --busy 0 2 4

Torch cuts its work for threads that end each part together; GNU's OpenMP lets who waits spin, so many times, and sleep
after that. On a quiet machine a spin is the fastest way to wait; beside other processes it takes the processor from the
very thread that is waited for. GNU's default is 300,000 spins for as many threads as processors, and 1,000 for more.

Each choice has a process of its own, which is asleep but for its turns. A round gives each one turn, in a new order; a
turn is a number of seconds of steps of Adam. Ratios are to the default in the same round.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # this folder's file names would hide modules of the same name

from scripts.measure_kernels import MODELS  # noqa: E402

CHOICES = ("default", "100", "300", "1000", "3000", "10000", "30000", "passive", "one thread")


def make_environment(choice: str) -> dict[str, str]:
    """That of a process which waits in this way."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    if choice == "passive":
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
    elif choice.isdigit():
        environment["GOMP_SPINCOUNT"] = choice
    return environment


def serve(choice: str, model: str, tokens: int, longest: int) -> None:
    """Takes steps for as many seconds as each line of stdin says, and answers with target tokens a second."""
    from nmt.kernels import process_setup
    from nmt.special_tokens import PAD
    from scripts.measure_kernels import make_pairs, make_training_step

    process_setup.configure(1 if choice == "one thread" else None)
    step = make_training_step(model, tokens, longest)
    words = int((make_pairs(tokens, longest).target_output != PAD).sum())
    for _ in range(3):
        step()
    print("ready", flush=True)
    for line in sys.stdin:
        begin, steps = time.perf_counter(), 0
        while (taken := time.perf_counter() - begin) < float(line):
            step()
            steps += 1
        print(json.dumps(steps * words / taken), flush=True)


@contextmanager
def keep_busy(processes: int) -> Iterator[None]:
    """So many processes that compute and never wait, at the priority of this one."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def ask(process: subprocess.Popen[str], seconds: float) -> float:
    """Target tokens a second of one turn."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{seconds}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def measure(choices: list[str], busy: int, rounds: int, seconds: float, sizes: list[str]) -> None:
    """Prints a row for each choice."""
    order = random.Random(0)
    processes = {}
    for choice in choices:
        command = [sys.executable, __file__, "--serve", choice, *sizes]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        processes[choice] = subprocess.Popen(command, env=make_environment(choice), text=True, **pipes)
        assert processes[choice].stdout.readline() == "ready\n"
    found: dict[str, list[float]] = {choice: [] for choice in choices}
    with keep_busy(busy):
        for _ in range(rounds):
            for choice in order.sample(choices, len(choices)):
                found[choice].append(ask(processes[choice], seconds))
    for process in processes.values():
        process.stdin.close()
        process.wait()
    for choice, rates in found.items():
        ratios = sorted(rate / usual for rate, usual in zip(rates, found[choices[0]], strict=True))
        middle = f"{statistics.median(ratios):.3f} [{ratios[len(ratios) // 4]:.3f} .. {ratios[-len(ratios) // 4]:.3f}]"
        print(f"| {busy} | {choice} | {statistics.median(rates):.0f} | {middle} |", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--choices", nargs="+", default=list(CHOICES), help="the first is what others are held to")
    parser.add_argument("--busy", nargs="+", type=int, default=[0, 2, 4], help="other processes that compute")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=1.5, help="of a turn")
    parser.add_argument("--model", default="luong", choices=MODELS, help="of measure_kernels.py")
    parser.add_argument("--tokens", type=int, default=2560, help="positions of a batch, padding counted")
    parser.add_argument("--longest", type=int, default=20, help="pieces of the longest sentence")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.model, options.tokens, options.longest)
        return
    print("| busy | wait | target tokens/s | beside the first |\n|---|---|---|---|")
    sizes = ["--model", options.model, "--tokens", str(options.tokens), "--longest", str(options.longest)]
    for busy in options.busy:
        measure(options.choices, busy, options.rounds, options.seconds, sizes)


if __name__ == "__main__":
    main()
