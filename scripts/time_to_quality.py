"""Minutes from raw text to BLEU: trains, then scores a test set with every checkpoint and says when each was on disk.

  python scripts/time_to_quality.py --source test.en --references test.de --output outputs/mine \\
      experiment=multi30k data.train.source=train.en ... training.stop.minutes=20 training.validation.every_epochs=1

The clock starts with the command, and nothing is prepared before: learning the vocabulary, validation and writing
checkpoints are in the minutes; scoring the test set is not. A table goes to stdout, and as JSON to OUTPUT/minutes.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# The checkout takes the place of this folder, whose file names would hide modules of the same name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from scripts.benchmarking.measures import build_environment  # noqa: E402


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="settings of nmt-train: data, model, when to stop")
    parser.add_argument("--source", required=True, help="the test set's source side")
    parser.add_argument("--references", required=True, help="its target side")
    parser.add_argument("--output", required=True, type=Path, help="the run folder; there must be none yet")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (%(default)s)")
    return parser.parse_intermixed_args()


def train(given: argparse.Namespace) -> float:
    """Trains with every checkpoint kept, and returns when that began, in seconds since 1970."""
    with tempfile.TemporaryDirectory() as cache:
        words = [f"output={given.output}", f"cache={cache}", "training.keep.last=1000000", f"threads={given.threads}"]
        started = time.time()
        command = [sys.executable, "-m", "nmt.cli.train", *given.overrides, *words, "resume=never"]
        subprocess.run(command, env=build_environment(given.threads), stdout=sys.stderr, check=True)
    return started


def score_checkpoint(checkpoint: Path, given: argparse.Namespace) -> dict[str, float]:
    """Scores of the test set, by the search that the model was trained with."""
    command = [sys.executable, "-m", "nmt.cli.evaluate", f"model={checkpoint}", f"source={given.source}"]
    command += [f"references={given.references}", "format=json", f"threads={given.threads}"]
    done = subprocess.run(command, env=build_environment(given.threads), stdout=subprocess.PIPE, check=True, text=True)
    return {score["name"]: score["value"] for score in json.loads(done.stdout)["scores"]}


def main() -> None:
    """Trains, scores, and prints."""
    from tqdm import tqdm

    options = parse_arguments()
    started = train(options)
    rows = []
    manifests = sorted((options.output / "checkpoints").glob("step-*/MANIFEST.json"))
    for manifest in tqdm(manifests, desc="scoring", unit=" checkpoints", disable=None):
        minutes = (manifest.stat().st_mtime - started) / 60
        rows.append(
            {"checkpoint": manifest.parent.name, "minutes": minutes, **score_checkpoint(manifest.parent, options)}
        )
    (options.output / "minutes.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print("| checkpoint | minutes from raw text | BLEU |\n| --- | --- | --- |")
    for row in rows:
        print(f"| {row['checkpoint']} | {row['minutes']:.1f} | {row['BLEU']:.2f} |")


if __name__ == "__main__":
    main()
