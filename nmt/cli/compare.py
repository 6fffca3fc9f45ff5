"""nmt-compare: every variant with every seed, and one table with significance tests of what came out."""

import difflib
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nmt import config
from nmt.cli.application import asked, open_door
from nmt.composition.overrides import quoted
from nmt.errors import ConfigError
from nmt.printable import escape_controls, print_text

if TYPE_CHECKING:
    from nmt.report.comparison import Comparison

TABLE = "comparison"
"""The name of the table's files, before .txt, .md, .csv, .tex and .json."""

UNFINISHED = 1
"""Exit status when the table is there, but some of its runs failed."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `configs/compare.yaml` says; every other setting goes to nmt-train.

    comparison: under `name`, a file of variants that have names. seeds: how many, from 1, or which. baseline: the label
    of the variant that the others are tested against; None is the comparison's own, or the first. jobs: runs at once.
    launcher: where they run, and its settings. ensembles: which runs are put together for further rows.
    """

    output: str
    seeds: int | list[int]
    baseline: str | None
    jobs: int
    comparison: dict[str, str | None] = field(default_factory=lambda: {"name": None})
    launcher: dict[str, Any] = field(default_factory=lambda: {"name": "local"})
    ensembles: Literal["none", "seeds", "variants", "both"] = "none"

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise ConfigError(f"jobs is a number of runs at once and must be at least 1; got {self.jobs}.")
        if not self.named or min(self.named) < 0 or len(set(self.named)) < len(self.named):
            raise ConfigError(
                "seeds must be a number of seeds, at least 1, or a list of different ones from 0, such as seeds=[5,6]; "
                f"got seeds={self.seeds}."
            )

    @property
    def named(self) -> list[int]:
        """The seeds themselves."""
        return list(range(1, self.seeds + 1)) if isinstance(self.seeds, int) else self.seeds


OWN = frozenset(field.name for field in fields(Settings))

NAMED = {"comparison=": "comparison.name="}
"""`comparison` would be a group by that name; its files are not Hydra's, but lists of what nmt-train is given."""


def main() -> None:
    """The command line: see `nmt-compare --help`."""
    asked("compare", "nmt-compare comparison=attentions experiment=quickstart")
    given = sys.argv[1:]
    own, overrides = divided(given)
    command = shlex.join(["nmt-compare", *given])
    sys.argv[1:] = own
    open_door("compare", lambda composed: task(composed, overrides, command), spelled=NAMED)


def task(composed: dict[str, Any], overrides: Sequence[str], command: str) -> None:
    """Checks every run, trains those that are not finished, and prints the table."""
    settings = config.build(Settings, config.check(composed, Settings))

    from nmt.comparison import catalog, ensembles, plan, results
    from nmt.comparison.launchers import LAUNCHER
    from nmt.storage.run_lock import lock

    launcher = config.make(LAUNCHER, config.check({"launcher": settings.launcher}, {"launcher": LAUNCHER})["launcher"])
    launcher.check()
    misspelt(overrides)
    output = Path(settings.output)
    asked = settings.comparison.get("name")
    found = None if asked is None else catalog.read(asked, OWN)
    planned = plan.plan(
        overrides, seeds=settings.named, output=output, at_once=settings.jobs, named=found, cpus=launcher.cpus
    )
    theirs = None if found is None else found.baseline
    baseline = plan.baseline(planned, theirs if settings.baseline is None else settings.baseline)
    together = ensembles.planned(planned, settings.ensembles, output)
    is_free(output)
    with lock(output):
        caught = launcher.work(planned, at_once=settings.jobs)
        if caught:
            print("nmt-compare: interrupted; the same command goes on from here", file=sys.stderr)
            raise SystemExit(128 + caught)
        runs, further = results.collect(planned), ensembles.collect(together)
        pairing = ensembles.paired(together, further)
        comparison = results.compared({**runs, **further}, baseline=baseline, command=command, paired=pairing)
        write(comparison, output)
    if any(run.failure for run in comparison.runs):
        raise SystemExit(UNFINISHED)


def is_free(output: Path) -> None:
    """Raises ConfigError where the comparison would overwrite what is not its own: a run, or somebody's files."""
    from nmt.runs import run_folder

    table = f"{TABLE}.json"
    names = [table, *(f"{TABLE}.{ending}" for ending in ("txt", "md", "csv", "tex")), "report.html", run_folder.FIGURES]
    found = [name for name in names if (output / name).exists()]
    if run_folder.is_ours(output) or (found and table not in found):
        held = "a run of nmt-train" if run_folder.is_ours(output) else ", ".join(found)
        raise ConfigError(
            f"{output} holds {held}, which a comparison would overwrite. Choose another output=..., or move that away."
        )


def divided(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command line as what Hydra reads for this command, --help and the like with it, and what nmt-train gets."""
    own, overrides = [], []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        ours = key.lstrip("+~").split(".")[0] in OWN
        if argument in ("-m", "--multirun"):  # as if it were given: sweeping is what this command does
            continue
        if key == "seeds" and re.fullmatch(r"\d+(,\d+)+", value):
            own.append(f"seeds=[{value}]")
        elif ours and "=" in value and not value.startswith(("'", '"', "{", "[")):
            own.append(f"{key}={quoted(value)}")  # labels such as attention=bahdanau, for which Hydra wants quotes
        elif ours or argument.startswith("-") or not (equals or argument.startswith("~")):
            own.append(argument)
        else:
            overrides.append(argument)
    return own, overrides


def misspelt(overrides: Sequence[str]) -> None:
    """Raises ConfigError where a word for nmt-train is none of its settings, but nearly one of the comparison's."""
    from nmt import build

    theirs = {*build.TRAIN, "experiment", "debug", "hydra"}
    for override in overrides:
        key = re.split("[./=]", override.lstrip("+~"))[0]
        if key not in theirs and difflib.get_close_matches(key, [*theirs, *OWN], n=1) in (
            [name] for name in OWN - theirs
        ):
            raise ConfigError(f"{key} is not a setting. {config.nearest(key, OWN)}")


def write(comparison: "Comparison", output: Path) -> None:
    """The table as text, Markdown, CSV, LaTeX and JSON, and the page; then the text to stdout."""
    from nmt.report.comparison import csv_table, json_table, markdown, text
    from nmt.report.latex import latex
    from nmt.runs.report import write_comparison

    shown = escape_controls(text(comparison), keep="\n")
    contents = {"txt": shown, "md": markdown(comparison), "csv": csv_table(comparison), "json": json_table(comparison)}
    contents["tex"] = latex(comparison)
    for ending, content in contents.items():
        (output / f"{TABLE}.{ending}").write_bytes(content.encode("utf-8", "backslashreplace"))
    write_comparison(comparison, output)
    print_text(shown, end="")  # last, as whoever reads it may have seen enough of it


if __name__ == "__main__":
    main()
