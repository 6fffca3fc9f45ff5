"""Time and memory from raw text to the first steps, by the number of pairs.

    python scripts/measure_corpus.py 100000 300000 1000000       three sizes; the last line is the slope of memory
    python scripts/measure_corpus.py 10000000 --set preparation.processes=2

For each size, text of made-up words is written to `--work` (kept there with `--keep`), and a run of nmt-train prepares
it and takes `--steps` steps with a small model. Memory is what the run and its processes hold for themselves (RssAnon
and RssShmem of /proc), in MiB above that of an idle process with the same modules: pages of files that are mapped into
memory can be dropped at any time, and do not count. Phases are told by the log. Linux only.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SYLLABLES = [a + b for a in "bdfgklmnprstv" for b in ("a", "e", "i", "o", "u", "an", "er", "is")]
WORDS = 60_000
PAIRS_PER_BLOCK = 50_000
MAX_MADE = 500_000
"""Pairs that are made up; of more, the text repeats itself."""

VALIDATION_PAIRS = 200
POLL_SECONDS = 0.1
IDLE = "import nmt.runs.training_run, time; print('ready', flush=True); time.sleep(60)"
PHASES = (
    ("reading", ""),
    ("learning", "learning a vocabulary from"),
    ("encoding", "learning a vocabulary from {pairs} pairs took"),
    ("beginning", "training pairs: "),
    ("training", '"kind":"train"'),
)
"""Names, and what the log, or metrics.jsonl, says when they begin."""

MODEL = (
    *("data=files", "data.source_language=en", "data.target_language=de", "tokenizer.vocab_size=8000"),
    *("model.embedding_size=64", "model.encoder.hidden_size=64", "model.decoder.hidden_size=128", "device=cpu"),
    *("search=greedy", "probes.sentences=0", "batching.tokens=2048", "training.stop.epochs=null"),
    *("training.log_every=1", "training.validation.every_steps=1000000", "threads=1"),
)


class Peak(NamedTuple):
    """What a phase took: seconds by the clock, seconds of processors, and MiB of memory."""

    seconds: float
    cpu: float
    mib: float


def write_pairs(folder: Path, name: str, pairs: int, seed: int) -> None:
    """Two files of made-up sentences: words by Zipf's law, whose translations are other words in the same order."""
    draw = np.random.default_rng(seed)
    names = np.random.default_rng(0)
    sides = [["".join(names.choice(SYLLABLES, names.integers(1, 5))) for _ in range(WORDS)] for _ in range(2)]
    shares = 1 / np.arange(1, WORDS + 1)
    bounds = np.cumsum(shares / shares.sum())
    with (folder / f"{name}.en").open("w") as source, (folder / f"{name}.de").open("w") as target:
        for start in range(0, min(pairs, MAX_MADE), PAIRS_PER_BLOCK):
            counts = np.clip(draw.poisson(15, min(PAIRS_PER_BLOCK, pairs - start)), 3, 60)
            ids = np.minimum(np.searchsorted(bounds, draw.random(int(counts.sum()))), WORDS - 1).tolist()
            ends = np.cumsum(counts).tolist()
            for file, words in ((source, sides[0]), (target, sides[1])):
                text = [words[id] for id in ids]
                begins = [0, *ends[:-1]]
                file.write("".join(" ".join(text[a:b]) + "\n" for a, b in zip(begins, ends, strict=True)))
    for language in ("en", "de"):
        path = folder / f"{name}.{language}"
        made = path.read_bytes()
        with path.open("ab") as more:
            for start in range(MAX_MADE, pairs, MAX_MADE):
                lines = pairs - start
                more.write(made if lines >= MAX_MADE else b"".join(made.splitlines(True)[:lines]))


def measure_tree(root: int) -> tuple[float, float]:
    """MiB that a process and all below it hold for themselves, and seconds of processors that they have used."""
    parents: dict[int, list[int]] = {}
    found: dict[int, tuple[float, float]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines() if ":" in line)
            times = (entry / "stat").read_text().rsplit(")", 1)[1].split()[11:15]  # with those of children that ended
        except OSError:
            continue
        number = int(fields["Pid"])
        parents.setdefault(int(fields["PPid"]), []).append(number)
        kib = sum(int(fields.get(key, "0 kB").split()[0]) for key in ("RssAnon", "RssShmem"))
        found[number] = kib / 1024, sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
    waiting, mib, cpu = [root], 0.0, 0.0
    while waiting:
        number = waiting.pop()
        more = found.get(number, (0.0, 0.0))
        mib, cpu = mib + more[0], cpu + more[1]
        waiting += parents.get(number, [])
    return mib, cpu


def measure_idle(environment: dict[str, str]) -> float:
    """MiB of a process that has imported what a run imports."""
    process = subprocess.Popen([sys.executable, "-c", IDLE], env=environment, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    process.stdout.readline()
    found, _ = measure_tree(process.pid)
    process.kill()
    process.wait()
    return found


def run(work: Path, pairs: int, steps: int, more: Sequence[str], environment: dict[str, str]) -> dict[str, Peak]:
    """The peaks of each phase of a run in `work`."""
    output, log = work / "run", work / "log"
    files = [
        f"data.{split}.{side}={work / f'{split}.{language}'}"
        for split in ("train", "validation")
        for side, language in (("source", "en"), ("target", "de"))
    ]
    places = [f"output={output}", f"cache={work / 'cache'}", f"training.stop.steps={steps}"]
    command = [sys.executable, "-m", "nmt.cli.train", *MODEL, *files, *places, *more]
    found: dict[str, Peak] = {}
    with log.open("w") as opened:
        process = subprocess.Popen(command, env=environment, stdout=opened, stderr=subprocess.STDOUT, cwd=ROOT)
        begun = time.monotonic()
        phase, since, spent = 0, begun, 0.0
        while process.poll() is None:
            told = (log.read_text(errors="replace") + read_if_there(output / "metrics.jsonl")).replace(" ", "")
            mib, cpu = measure_tree(process.pid)
            while phase + 1 < len(PHASES) and PHASES[phase + 1][1].format(pairs=pairs).replace(" ", "") in told:
                phase, since, spent = phase + 1, time.monotonic(), cpu
            name = PHASES[phase][0]
            peak = max(mib, found[name].mib if name in found else 0.0)
            found[name] = Peak(time.monotonic() - since, max(0.0, cpu - spent), peak)
            time.sleep(POLL_SECONDS)
    if process.returncode:
        sys.exit(f"the run failed:\n{log.read_text(errors='replace')[-3000:]}")
    return found


def read_if_there(path: Path) -> str:
    """The text of a file; nothing where it is not there yet."""
    return path.read_text(errors="replace") if path.exists() else ""


def measure(options: argparse.Namespace) -> Iterator[tuple[int, dict[str, Peak]]]:
    """Each size with its peaks above an idle process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    idle = measure_idle(environment)
    print(f"idle: {idle:.0f} MiB", flush=True)
    for pairs in options.pairs:
        work = options.work / str(pairs)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        begun = time.monotonic()
        write_pairs(work, "train", pairs, seed=1)
        write_pairs(work, "validation", VALIDATION_PAIRS, seed=2)
        size = sum(path.stat().st_size for path in work.iterdir()) / 2**20
        print(f"{pairs} pairs, {size:.0f} MiB of text, written in {time.monotonic() - begun:.0f} s", flush=True)
        peaks = run(work, pairs, options.steps, options.set, environment)
        above = {name: peak._replace(mib=peak.mib - idle) for name, peak in peaks.items()}
        for name, peak in above.items():
            print(
                f"  {name:10} {peak.seconds:8.1f} s, {peak.cpu:8.1f} s of CPU, {peak.mib:6.0f} MiB above idle",
                flush=True,
            )
        yield pairs, above
        if not options.keep:
            shutil.rmtree(work)


def main() -> None:
    """Measures, and prints the slope between the smallest and the largest size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", type=int, help="how many, for each run")
    parser.add_argument("--work", type=Path, default=Path("outputs/corpus"), help="folder for what is written")
    parser.add_argument("--steps", type=int, default=100, help="of training (%(default)s)")
    parser.add_argument("--set", action="append", default=[], help="a setting of nmt-train; may be given several times")
    parser.add_argument("--keep", action="store_true", help="keep the text, the prepared data and the run")
    options = parser.parse_args()
    options.work = options.work.resolve()
    found = list(measure(options))
    if len(found) > 1:
        (few, small), (many, large) = found[0], found[-1]
        for name in small.keys() & large.keys():
            slope = (large[name].mib - small[name].mib) * 2**20 / (many - few)
            print(f"{name}: {slope:.0f} bytes a pair")


if __name__ == "__main__":
    main()
