"""Variants side by side: one table as text, Markdown, CSV and JSON. Pure functions from numbers to text."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any, NamedTuple

ALPHA = 0.05
"""The level at which the table counts seeds."""

NOTHING = "-"
"""A cell without a number."""


@dataclass(frozen=True)
class Run:
    """One training. `values`: name -> number; `signatures`: those of the scores; `failure`: why there are no values."""

    seed: int
    folder: str
    values: dict[str, int | float] = field(default_factory=dict)
    signatures: dict[str, str] = field(default_factory=dict)
    split: str = "test"
    failure: str | None = None


class Significance(NamedTuple):
    """A variant against the baseline, over the seeds that both finished.

    difference: of the means of BLEU; p_value: of that difference; seeds: the p-value for each seed's own pair.
    """

    difference: float
    p_value: float
    seeds: dict[int, float]

    @property
    def below(self) -> int:
        """For how many seeds the pair itself differs significantly."""
        return sum(p_value < ALPHA for p_value in self.seeds.values())


@dataclass(frozen=True)
class Variant:
    """One choice of settings and its runs; `significance` is None for the baseline, and where nothing can be paired."""

    label: str
    runs: list[Run]
    significance: Significance | None = None

    def values(self, name: str) -> list[int | float]:
        """A number of every run that has it."""
        return [run.values[name] for run in self.runs if name in run.values]

    def mean(self, name: str) -> float | None:
        """Over seeds; None where no run has the number."""
        return fmean(found) if (found := self.values(name)) else None

    def deviation(self, name: str) -> float | None:
        """The sample standard deviation over seeds, with n - 1 below; None for fewer than two."""
        return stdev(found) if len(found := self.values(name)) > 1 else None

    @property
    def finished(self) -> int:
        """How many runs came to scores."""
        return sum(run.failure is None for run in self.runs)


@dataclass(frozen=True)
class Comparison:
    """All that the table is made of."""

    command: str
    baseline: str
    variants: list[Variant]

    @property
    def runs(self) -> list[Run]:
        """Those of all variants."""
        return [run for variant in self.variants for run in variant.runs]


class Column(NamedTuple):
    """A number of every run: its name among `values`, for people and in CSV, its digits, and whether it varies."""

    name: str
    head: str
    key: str
    digits: int
    spread: bool


BLEU = Column("BLEU", "BLEU", "bleu", 2, True)
SHOWN = (
    Column("chrF2", "chrF2", "chrf2", 2, True),
    Column("perplexity", "perplexity", "perplexity", 2, True),
    Column("AER", "AER", "aer", 3, True),
    Column("parameters", "parameters", "parameters", 0, False),
    Column("tokens_per_second", "tokens/s", "tokens_per_second", 0, False),
    Column("minutes", "minutes", "minutes", 1, False),
)
"""What people are shown beside BLEU; a column that no run has a number for is left out."""

FURTHER = (
    Column("TER", "TER", "ter", 2, True),
    Column("literature BLEU", "literature BLEU", "literature_bleu", 2, True),
)
"""What only programs are given."""


def text(comparison: Comparison) -> str:
    """The table for a terminal, and below it what its numbers mean, with the signatures and the command."""
    *above, command = notes(comparison)
    return "\n".join([*aligned(cells(comparison), "  ", ""), "", *above, "", command]) + "\n"


def markdown(comparison: Comparison) -> str:
    """The table in Markdown, aligned in the source too."""
    head, *rows = [[cell.replace("|", "\\|") for cell in row] for row in cells(comparison)]
    rule = [":--", *("--:" for _ in head[1:])]
    *above, command = notes(comparison)
    lines = aligned([head, rule, *rows], " | ", "|")
    return "\n".join([*lines, "", *(f"- {note}" for note in above), "", f"    {command}"]) + "\n"


def aligned(rows: Sequence[Sequence[str]], between: str, edge: str) -> list[str]:
    """Rows as lines with straight columns: the first to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *rest = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        line = between.join([first.lstrip().ljust(widths[0]), *rest])
        lines.append(f"{edge} {line} {edge}" if edge else line.rstrip())
    return lines


def cells(comparison: Comparison) -> list[list[str]]:
    """Head and rows as people read them."""
    shown = [column for column in SHOWN if any(column.name in run.values for run in comparison.runs)]
    rows = [
        ["variant", "seeds", BLEU.head, "difference", "p", f"p<{ALPHA:g}", *(column.head for column in shown)],
    ]
    for variant in comparison.variants:
        rows.append(
            [
                variant.label,
                f"{variant.finished}"
                if variant.finished == len(variant.runs)
                else f"{variant.finished}/{len(variant.runs)}",
                number(variant, BLEU),
                *tested(variant.significance),
                *(number(variant, column) for column in shown),
            ]
        )
    return rows


def number(variant: Variant, column: Column) -> str:
    """Mean and standard deviation in one cell."""
    mean, deviation = variant.mean(column.name), variant.deviation(column.name)
    if mean is None:
        return NOTHING
    shown = f"{mean:.{column.digits}f}"
    return f"{shown} ± {deviation:.{column.digits}f}" if column.spread and deviation is not None else shown


def tested(found: Significance | None) -> list[str]:
    """The cells of the test against the baseline."""
    if found is None:
        return [NOTHING] * 3
    return [f"{found.difference:+.2f}", f"{found.p_value:.3f}", f"{found.below}/{len(found.seeds)}"]


def notes(comparison: Comparison) -> list[str]:
    """What a reader must know to trust the table, what failed, and last the command."""
    split = next((run.split for run in comparison.runs if run.values), "test")
    lines = [f"{head}: {signature}" for head, signature in signatures(comparison)]
    lines += [
        f"Scores are those of the {split} split; ± is the sample standard deviation over seeds.",
        f"difference: of mean BLEU from {comparison.baseline}, over the seeds that both have.",
        "p: of that difference, by a paired bootstrap over sentences, each with the translations of all seeds.",
        f"p<{ALPHA:g}: for how many seeds the pair of runs differs, by sacreBLEU's paired bootstrap.",
        "Both tests ask about other test sentences, not other seeds; neither corrects for the number of variants.",
        "perplexity: of the validation split, per target piece; to be compared for the same vocabulary only.",
    ]
    for variant in comparison.variants:
        lines += [
            f"FAILED: {variant.label} seed {run.seed}: {run.failure} ({run.folder})"
            for run in variant.runs
            if run.failure
        ]
    return [*lines, comparison.command]


def signatures(comparison: Comparison) -> list[tuple[str, str]]:
    """Those of the scores that are shown; where runs differ, all of them, for then their scores cannot be compared."""
    found = []
    for column in (BLEU, *SHOWN):
        different = dict.fromkeys(
            run.signatures[column.name] for run in comparison.runs if column.name in run.signatures
        )
        found += [(column.head, signature) for signature in different]
    return found


def csv_table(comparison: Comparison) -> str:
    """A row for each variant, with the same columns always, numbers in full, and empty cells where there is none."""
    columns = (BLEU, *SHOWN, *FURTHER)
    head = ["variant", "seeds", "failed"]
    for column in columns:
        head += [f"{column.key}_mean", f"{column.key}_std"] if column.spread else [column.key]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*head, "bleu_difference", "p_value", "seeds_tested", "seeds_significant"])
    for variant in comparison.variants:
        row: list[Any] = [variant.label, variant.finished, len(variant.runs) - variant.finished]
        for column in columns:
            row += [exact(variant, column), *([variant.deviation(column.name)] if column.spread else [])]
        found = variant.significance
        row += [None] * 4 if found is None else [found.difference, found.p_value, len(found.seeds), found.below]
        writer.writerow(row)
    return out.getvalue()


def exact(variant: Variant, column: Column) -> int | float | None:
    """The mean in full; to the whole number for what is counted in large ones."""
    mean = variant.mean(column.name)
    return round(mean) if mean is not None and column.digits == 0 else mean


def json_table(comparison: Comparison) -> str:
    """Everything: for each variant its means, its test against the baseline, and all numbers of each run."""
    columns = (BLEU, *SHOWN, *FURTHER)
    variants = []
    for variant in comparison.variants:
        found = variant.significance
        variants.append(
            {
                "variant": variant.label,
                "mean": {column.key: exact(variant, column) for column in columns},
                "std": {column.key: variant.deviation(column.name) for column in columns if column.spread},
                "significance": None if found is None else found._asdict(),
                "runs": [vars(run) for run in variant.runs],
            }
        )
    whole = {"command": comparison.command, "baseline": comparison.baseline, "variants": variants}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
