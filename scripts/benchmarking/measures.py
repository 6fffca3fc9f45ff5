"""What every measurement is made of: the machine's ceiling, peak memory, and cases in processes of their own."""

import contextlib
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

MATRIX_SIZE = 2048
"""Of the square matrices whose product is the ceiling."""

POLL_SECONDS = 0.2
"""Seconds between two looks at a process."""


def measure_ceiling(seconds: float = 0.5) -> float:
    """GFLOP/s of a product of two large fp32 matrices: the median over `seconds`, at torch's present threads.

    It is that of the faster of torch's libraries where both compute in single precision.
    """
    import torch

    from nmt.kernels.precision import is_onednn, use_onednn
    from nmt.kernels.process_setup import choose_matmul_backend

    before = is_onednn()
    rates = []
    for is_on in (False, True) if choose_matmul_backend() else (False,):
        use_onednn(is_on)
        rates.append(
            _measure_product_rate(torch.randn(MATRIX_SIZE, MATRIX_SIZE), torch.randn(MATRIX_SIZE, MATRIX_SIZE), seconds)
        )
    use_onednn(before)
    return max(rates)


def _measure_product_rate(first: "Tensor", second: "Tensor", seconds: float) -> float:
    first @ second
    rates: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(rates) < 3:
        started = time.perf_counter()
        first @ second
        rates.append(2 * MATRIX_SIZE**3 / (time.perf_counter() - started) / 1e9)
    return statistics.median(rates)


def measure_peak_mib() -> float:
    """The most memory that this process has had resident so far, in MiB."""
    # What Linux says through getrusage counts the process that started this one as well.
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def build_environment(threads: int) -> dict[str, str]:
    """Of the processes that are measured: so many threads, and the checkout before whatever is installed."""
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def run_case(kind: str, threads: int, **request: Any) -> dict[str, Any]:
    """The result of one case of `worker.py`, in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, "-m", "scripts.benchmarking.worker", kind, json.dumps(request)]
    done = subprocess.run(command, cwd=ROOT, env=build_environment(threads), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The case {kind} {request} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@dataclass(frozen=True)
class CommandResult:
    """How a command went: wall-clock seconds, peak resident memory of its process tree in MiB, and what it printed."""

    seconds: float
    peak_mib: float
    log: str


def run_watched(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    is_enough: Callable[[str], bool] | None = None,
    limit: float = 900.0,
    stdin: Path = Path(os.devnull),
) -> CommandResult:
    """Runs a command with its output in `log`; ends it as soon as `enough(what it printed)` or after `limit` s.

    Raises RuntimeError where the command fails by itself.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started, peak, is_stopped = time.monotonic(), 0.0, False
    with log.open("w") as out, stdin.open("rb") as input_file:
        process = subprocess.Popen(
            command,
            env=dict(env),
            stdin=input_file,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                peak = max(peak, measure_tree_mib(process.pid))
                if time.monotonic() - started > limit or (is_enough and is_enough(log.read_text(errors="replace"))):
                    is_stopped = True
                    stop_process(process)
                    break
                time.sleep(POLL_SECONDS)
        finally:
            if process.poll() is None:
                stop_process(process)
    text = log.read_text(errors="replace")
    if process.returncode and not is_stopped:
        raise RuntimeError(f"{' '.join(command)} failed:\n{text[-3000:]}")
    return CommandResult(time.monotonic() - started, peak, text)


def stop_process(process: "subprocess.Popen[Any]") -> None:
    """Ends a process and all that it started: those that a toolkit loads its data with would outlive it.

    First as a person would, because a toolkit may then save its model.
    """
    for number, grace in ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)


def measure_tree_mib(root: int) -> float:
    """Resident memory of a process and all below it, in MiB; 0 where there is no /proc to read it from."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat") if Path("/proc").exists() else ():
        try:
            parent = int(entry.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry.parent.name))
    total_kib, waiting = 0, [root]
    while waiting:
        number = waiting.pop()
        waiting += children.get(number, [])
        try:
            lines = Path(f"/proc/{number}/status").read_text().splitlines()
        except OSError:
            continue
        total_kib += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return total_kib / 1024
