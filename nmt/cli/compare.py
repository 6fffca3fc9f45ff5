"""nmt-compare: every variant with every seed, and one table with significance tests of what came out."""

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nmt.cli.door import open_door
from nmt.errors import ConfigError

SETTINGS: dict[str, Any] = {"output": str, "seeds": int | list[int], "baseline": str | None, "jobs": int}
"""What the comparison itself can be told; every other setting goes to nmt-train."""

TABLE = "comparison"
"""The name of the table's files, before .txt, .md, .csv and .json."""

UNFINISHED = 1
"""Exit status when the table is there, but some of its runs failed."""


def main() -> None:
    """The command line: see `nmt-compare --help`."""
    given = sys.argv[1:]
    own, overrides = divided(given)
    command = shlex.join(["nmt-compare", *given])
    sys.argv[1:] = own
    open_door("compare", lambda composed: task(composed, overrides, command))


def task(composed: dict[str, Any], overrides: Sequence[str], command: str) -> None:
    """Checks every run, trains those that are not finished, and prints the table."""
    from nmt import config

    settings = config.check(composed, SETTINGS)
    seeds = named(settings["seeds"])
    if settings["jobs"] < 1:
        raise ConfigError(f"jobs is a number of runs at once and must be at least 1; got {settings['jobs']}.")

    from nmt.cli import jobs, results, sweep

    output = Path(settings["output"])
    planned = sweep.plan(overrides, seeds=seeds, output=output, at_once=settings["jobs"])
    baseline = sweep.baseline(planned, settings["baseline"])
    caught = jobs.work(planned, at_once=settings["jobs"])
    if caught:
        print("nmt-compare: interrupted; the same command goes on from here", file=sys.stderr)
        raise SystemExit(128 + caught)
    comparison = results.collect(planned, baseline=baseline, command=command)
    write(comparison, output)
    if any(run.failure for variant in comparison.variants for run in variant.runs):
        raise SystemExit(UNFINISHED)


def divided(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command line as what Hydra reads for this command, options such as --help with it, and what nmt-train is given."""
    own, overrides = [], []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if argument in ("-m", "--multirun"):  # as if it were given: sweeping is what this command does
            continue
        if key in SETTINGS and "=" in value and not re.match(r"""['"\[]""", value):
            own.append(f"{key}={quoted(value)}")  # labels such as attention=bahdanau, for which Hydra wants quotes
        elif argument.startswith("-") or key in SETTINGS or not (equals or argument.startswith("~")):
            own.append(argument)
        else:
            overrides.append(argument)
    return own, overrides


def quoted(value: str) -> str:
    """A text as Hydra's grammar reads it back, whatever is in it."""
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)  # backslashes count only before a quote, and before the end
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"


def named(seeds: int | list[int]) -> list[int]:
    """The seeds themselves: a number is how many, from 1."""
    found = list(range(1, seeds + 1)) if isinstance(seeds, int) else seeds
    if not found or min(found) < 0 or len(set(found)) < len(found):
        raise ConfigError(
            f"seeds must be a number of seeds, at least 1, or a list of different ones from 0; got seeds={seeds}. "
            "For example, seeds=3 or seeds=[5,6]."
        )
    return found


def write(comparison: Any, output: Path) -> None:
    """The table as text, Markdown, CSV and JSON; the text to stdout too."""
    from nmt.report.comparison import csv_table, json_table, markdown, text

    shown = text(comparison)
    contents = {"txt": shown, "md": markdown(comparison), "csv": csv_table(comparison), "json": json_table(comparison)}
    for ending, content in contents.items():
        (output / f"{TABLE}.{ending}").write_text(content, encoding="utf-8", newline="\n")
    print(shown, end="")


if __name__ == "__main__":
    main()
