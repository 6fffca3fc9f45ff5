"""Measures speed and memory on the spot, as ratios: to the machine's matrix ceiling, and to other toolkits beside it.

  python scripts/benchmark.py                                   made-up text; about 10 minutes
  python scripts/benchmark.py --quick                           every table in 2 minutes, with few repetitions
  python scripts/benchmark.py data.train.source=train.en data.train.target=train.de \\
      data.validation.source=valid.en data.validation.target=valid.de \\
      --opennmt ~/onmt/bin/python --joeynmt ~/joey/bin/python   real text, peers measured in turn with ours

Ours is measured in the setting of configs/experiment/benchmark.yaml, which overrides of nmt-train may change; peers
have its sizes fixed. What is translated is the source side of the validation set. The tables go to stdout, the log to
stderr; results.json, results.md and growth.png go to --work. Measure on an idle machine: the first table says how fast
the machine was, and when.
"""

import argparse
import signal
import sys
from pathlib import Path

# The checkout takes the place of this folder, whose file names would hide modules of the same name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

SECTIONS = ("training", "stages", "translation", "growth")


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("overrides", nargs="*", help="settings of nmt-train, such as model.decoder.hidden_size=256")
    add("--work", type=Path, default=Path("outputs/benchmark"), help="folder for all that is written (%(default)s)")
    add("--quick", action="store_true", help="every table, with few repetitions")
    add("--only", action="append", choices=SECTIONS, help="one section; may be given several times (all)")
    add("--threads", type=int, default=2, help="CPU threads of everything that is measured (%(default)s)")
    add("--rounds", type=int, help="turns of each system (2; quick: 1)")
    add("--seconds", type=float, help="of training in a turn, after the warm-up (8; quick: 0.5)")
    add("--learn", type=float, help="seconds of training a model to translate with, once for a --work (150; quick: 10)")
    add("--model", type=Path, help="a run or model folder to translate with, instead of training one")
    add("--opennmt", metavar="PYTHON", help="the interpreter of an environment with OpenNMT-py 3")
    add("--joeynmt", metavar="PYTHON", help="the interpreter of an environment with JoeyNMT 2.3")
    return parser.parse_intermixed_args()


def main() -> None:
    """Measures, prints, and writes."""
    import logging

    from scripts.benchmarking.bench import Benchmark
    from scripts.benchmarking.growth import build_panels, plot_panels
    from scripts.benchmarking.plan import Effort
    from scripts.benchmarking.tables import format_report

    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that what was started ends too
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    effort = Effort.make_quick() if options.quick else Effort()
    effort_options = {name: getattr(options, name) for name in ("rounds", "seconds", "learn")}
    effort = effort.replace(**{name: value for name, value in effort_options.items() if value is not None})
    peers = {name: getattr(options, name) for name in ("opennmt", "joeynmt") if getattr(options, name)}
    bench = Benchmark(options.overrides, options.work, options.threads, effort, peers, options.model)
    results = bench.run(options.only or SECTIONS)
    text = format_report(results)
    (options.work / "results.md").write_text(text, encoding="utf-8")
    if "growth" in results:
        plot_panels(build_panels(results["growth"]), options.work / "growth.png")
    print(text, end="")


if __name__ == "__main__":
    main()
