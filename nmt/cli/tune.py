"""nmt-tune: a search for the best settings, in which runs that fall behind end early."""

import shlex
import sys
from collections.abc import Sequence
from typing import Any

from nmt import config
from nmt.cli.application import exit_with_usage, require_arguments, run_command
from nmt.comparison.compare import ComparisonInterrupt
from nmt.errors import ConfigError
from nmt.printable import escape_controls, print_text
from nmt.tuning.settings import TuneSettings, split_arguments
from nmt.tuning.tune import tune_settings


def main() -> None:
    """The command line: see `nmt-tune --help`."""
    require_arguments("tune", "nmt-tune 'optimizer.learning_rate=log(1e-4,1e-2)' experiment=quickstart")
    arguments = sys.argv[1:]
    try:
        own, words = split_arguments(arguments)
    except ConfigError as problem:
        exit_with_usage("tune", *map(str, problem.args))
    command = shlex.join(["nmt-tune", *arguments])
    sys.argv[1:] = own
    run_command("tune", lambda composed: run_task(composed, words, command))


def run_task(composed: dict[str, Any], words: Sequence[str], command: str) -> None:
    """Checks what is searched, trains what is not trained yet, and prints the table."""
    settings = config.build(TuneSettings, config.check(composed, TuneSettings))
    try:
        tuning = tune_settings(settings, words, command)
    except ComparisonInterrupt as problem:
        print("nmt-tune: interrupted; the same command goes on from here", file=sys.stderr)
        raise SystemExit(128 + problem.signal_number) from None

    from nmt.report.tuning import format_text

    print_text(escape_controls(format_text(tuning), keep="\n"), end="")


if __name__ == "__main__":
    main()
