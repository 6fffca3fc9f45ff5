"""A comparison from its words to its tables: what nmt-compare and `nmt.compare` do."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nmt import config
from nmt.composition.overrides import quote
from nmt.composition.own_settings import check_own_spelling
from nmt.composition.spelling import use_new_names
from nmt.errors import ConfigError
from nmt.printable import escape_controls
from nmt.runs.summary import check_own_folder
from nmt.storage.distinct_paths import check_distinct

if TYPE_CHECKING:
    from nmt.comparison.plan import Job
    from nmt.report.comparison import Comparison

TABLE_NAME = "comparison"
"""The name of the table's files, before .txt, .md, .csv, .tex and .json."""

TABLE_FILES = (*(f"{TABLE_NAME}.{ending}" for ending in ("json", "txt", "md", "csv", "tex")), "report.html")
"""What a comparison writes into its folder, beside figures and runs."""

MAX_SEEDS = 10_000
"""As many as a comparison has runs."""


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
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
        if (count := self.seeds if isinstance(self.seeds, int) else len(self.seeds)) > MAX_SEEDS:
            raise ConfigError(f"seeds={count} would be so many runs of each variant; {MAX_SEEDS} are enough.")
        if not self.seed_numbers or min(self.seed_numbers) < 0 or len(set(self.seed_numbers)) < len(self.seed_numbers):
            raise ConfigError(
                "seeds must be a number of seeds, at least 1, or a list of different ones from 0, such as seeds=[5,6]; "
                f"got seeds={self.seeds}."
            )

    @property
    def seed_numbers(self) -> list[int]:
        """The seeds themselves."""
        return list(range(1, self.seeds + 1)) if isinstance(self.seeds, int) else self.seeds


COMPARE_SETTINGS = frozenset(field.name for field in fields(CompareSettings))

COMPARISON_ALIAS = {"comparison=": "comparison.name="}
"""`comparison` would be a group by that name; its files are not Hydra's, but lists of what nmt-train is given."""


class ComparisonInterrupt(BaseException):
    """Raised where a comparison ends because of a signal, whose number it has; its runs have saved what they had."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


def compare_variants(settings: CompareSettings, overrides: Sequence[str], command: str) -> "Comparison":
    """Checks every run, trains those that are not finished, and writes the tables. `command` is told in them.

    Raises ConfigError with the problems of all variants, and ComparisonInterrupt.
    """
    from nmt.comparison import catalog

    comparison_name = settings.comparison.get("name")  # before what takes seconds to import
    named_comparison = None if comparison_name is None else catalog.read_comparison(comparison_name, COMPARE_SETTINGS)

    from nmt.comparison.variants import find_baseline

    baseline = find_baseline(overrides, named_comparison, len(settings.seed_numbers), settings.baseline)

    from nmt.comparison import ensembles, plan, results
    from nmt.comparison.launchers import LAUNCHER
    from nmt.storage.files import remove_unfinished
    from nmt.storage.run_lock import lock

    output = Path(settings.output)
    if not os.path.lexists(output / f"{TABLE_NAME}.json"):
        check_own_folder(output, "outputs/comparisons/mine")
    launcher = config.build_variant(
        LAUNCHER, config.check({"launcher": settings.launcher}, {"launcher": LAUNCHER})["launcher"]
    )
    launcher.check()
    check_own_spelling(overrides, COMPARE_SETTINGS)
    jobs = plan.plan_jobs(
        overrides,
        seeds=settings.seed_numbers,
        output=output,
        at_once=settings.jobs,
        named=named_comparison,
        cpus=launcher.cpus,
    )
    ensemble_rows = ensembles.plan_ensembles(jobs, settings.ensembles, output)
    check_output_is_free(output)
    check_output_paths(jobs, None if named_comparison is None else named_comparison.path, output)
    with lock(output):
        remove_unfinished(output, TABLE_FILES)
        signal_number = launcher.work(jobs, at_once=settings.jobs)
        if signal_number:
            raise ComparisonInterrupt(signal_number)
        runs, ensemble_runs = results.collect_runs(jobs), ensembles.collect_ensembles(ensemble_rows)
        pairing = ensembles.pair_by_seed(ensemble_rows, ensemble_runs)
        comparison = results.compare_runs({**runs, **ensemble_runs}, baseline=baseline, command=command, paired=pairing)
        write_tables(comparison, output)
    return comparison


def check_output_is_free(output: Path) -> None:
    """Raises ConfigError where the comparison would overwrite what is not its own: a run, or somebody's files."""
    from nmt.runs import run_folder

    table = f"{TABLE_NAME}.json"
    existing = [name for name in (*TABLE_FILES, run_folder.FIGURES) if os.path.lexists(output / name)]
    if run_folder.is_run_folder(output) or (existing and table not in existing):
        contents = "a run of nmt-train" if run_folder.is_run_folder(output) else ", ".join(existing)
        raise ConfigError(
            f"{output} holds {contents}, which a comparison would overwrite. Choose another output=..., or move that "
            "away."
        )


def check_output_paths(jobs: "Sequence[Job]", path: Path | None, output: Path) -> None:
    """Raises ConfigError where the comparison would write over the file of its variants, or over the text of a run."""
    from nmt.comparison.results import FAILURE_FILE, LOG_FILE
    from nmt.runs import run_folder

    inputs: dict[str, set[str]] = {"comparison": set() if path is None else {str(path)}}
    for job in jobs:
        for setting, paths in run_folder.list_input_files(job.settings).items():
            inputs.setdefault(setting, set()).update(paths)
    logs = [job.folder / name for job in jobs for name in (FAILURE_FILE, LOG_FILE)]
    check_distinct(inputs, {"output": [*(output / name for name in (*TABLE_FILES, run_folder.FIGURES)), *logs]})


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command line as what Hydra reads for this command, --help and the like with it, and what nmt-train gets.

    Both have the names of today. Raises ConfigError where a setting has two names and two values.
    """
    own, overrides = [], []
    for argument in use_new_names(arguments):
        key, equals, value = argument.partition("=")
        ours = key.lstrip("+~").split(".")[0] in COMPARE_SETTINGS
        if argument in ("-m", "--multirun"):  # as if it were given: sweeping is what this command does
            continue
        if key == "seeds" and re.fullmatch(r"\d+(,\d+)+", value):
            own.append(f"seeds=[{value}]")
        elif ours and "=" in value and not value.startswith(("'", '"', "{", "[")):
            own.append(f"{key}={quote(value)}")  # labels such as attention=bahdanau, for which Hydra wants quotes
        elif ours or argument.startswith("-") or not (equals or argument.startswith("~")):
            own.append(argument)
        else:
            overrides.append(argument)
    return own, overrides


def write_tables(comparison: "Comparison", output: Path) -> None:
    """The table as text, Markdown, CSV, LaTeX and JSON, and the page."""
    from nmt.report.comparison import format_csv, format_json, format_markdown, format_text
    from nmt.report.latex import format_latex
    from nmt.runs.report import write_comparison
    from nmt.storage.files import write_atomically

    table = escape_controls(format_text(comparison), keep="\n")
    contents = {
        "txt": table,
        "md": format_markdown(comparison),
        "csv": format_csv(comparison),
        "json": format_json(comparison),
    }
    contents["tex"] = format_latex(comparison)
    for ending, content in contents.items():
        write_atomically(output / f"{TABLE_NAME}.{ending}", content.encode("utf-8", "backslashreplace"))
    write_comparison(comparison, output)
