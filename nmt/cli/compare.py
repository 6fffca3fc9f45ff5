"""nmt-compare: every variant with every seed, and one table with significance tests of what came out."""

import shlex
import sys
from collections.abc import Sequence
from typing import Any

from nmt import config
from nmt.cli.application import exit_with_usage, require_arguments, run_command
from nmt.comparison.compare import (
    COMPARISON_ALIAS,
    CompareSettings,
    ComparisonInterrupt,
    compare_variants,
    split_arguments,
)
from nmt.errors import ConfigError
from nmt.printable import print_text

FAILED_RUNS_STATUS = 1
"""Exit status when the table is there, but some of its runs failed."""


def main() -> None:
    """The command line: see `nmt-compare --help`."""
    require_arguments("compare", "nmt-compare comparison=attentions experiment=quickstart")
    arguments = sys.argv[1:]
    try:
        own, overrides = split_arguments(arguments)
    except ConfigError as problem:
        exit_with_usage("compare", *map(str, problem.args))
    command = shlex.join(["nmt-compare", *arguments])
    sys.argv[1:] = own
    run_command("compare", lambda composed: run_task(composed, overrides, command), aliases=COMPARISON_ALIAS)


def run_task(composed: dict[str, Any], overrides: Sequence[str], command: str) -> None:
    """Checks every run, trains those that are not finished, and prints the table."""
    settings = config.build(CompareSettings, config.check(composed, CompareSettings))
    try:
        comparison = compare_variants(settings, overrides, command)
    except ComparisonInterrupt as problem:
        print("nmt-compare: interrupted; the same command goes on from here", file=sys.stderr)
        raise SystemExit(128 + problem.signal_number) from None

    from nmt.report.comparison import format_text

    print_text(format_text(comparison), end="")  # last, as whoever reads it may have seen enough of it
    if any(run.failure for run in comparison.runs):
        raise SystemExit(FAILED_RUNS_STATUS)


if __name__ == "__main__":
    main()
