"""Variants side by side: one table as text, Markdown, CSV and JSON. Pure functions from numbers to text."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

from nmt.evaluation import floor
from nmt.evaluation.bleu_by_length import Bucket
from nmt.evaluation.significance import TESTS
from nmt.report import significance_table
from nmt.report.cautions import list_cautions
from nmt.report.columns import BLEU_COLUMN, EXTRA_COLUMNS, FAITHFULNESS_COLUMNS, TABLE_COLUMNS, Column
from nmt.report.significance_table import (
    ALPHA,
    EMPTY_CELL,
    SEEDS_TEST,
    Significance,
    VariantPair,
    format_adjusted_p,
    format_count,
)
from nmt.report.text_table import align_columns


@dataclass(frozen=True)
class RunScores:
    """One training, or what `members` of them say together. `values`: name -> number, where it is known; `signatures`:
    those of the scores; `lengths`: BLEU by source length; `failure`: why there are no values."""

    seed: int
    folder: str
    values: dict[str, int | float] = field(default_factory=dict)
    signatures: dict[str, str] = field(default_factory=dict)
    split: str = "test"
    failure: str | None = None
    lengths: list[Bucket] = field(default_factory=list)
    members: int = 1
    still_improving: bool = False


@dataclass(frozen=True)
class VariantScores:
    """One choice of settings and its runs; `significance` is None for the baseline, and where nothing can be paired."""

    label: str
    runs: list[RunScores]
    significance: Significance | None = None

    def get_values(self, name: str) -> list[int | float]:
        """A number of every run that has it."""
        return [run.values[name] for run in self.runs if name in run.values]

    def mean(self, name: str) -> float | None:
        """Over seeds; None where no run has the number."""
        return fmean(found) if (found := self.get_values(name)) else None

    def std(self, name: str) -> float | None:
        """The sample standard deviation over seeds, with n - 1 below; None for fewer than two."""
        return stdev(found) if len(found := self.get_values(name)) > 1 else None

    @property
    def scores(self) -> dict[str, float]:
        """Means by which it is judged whether the variant has learnt."""
        return floor.average([run.values for run in self.runs])

    @property
    def is_ensemble(self) -> bool:
        """Whether its rows are of several runs together."""
        return any(run.members > 1 for run in self.runs)

    @property
    def finished_runs(self) -> int:
        """How many runs came to scores."""
        return sum(run.failure is None for run in self.runs)


@dataclass(frozen=True)
class Comparison:
    """All that the table is made of. `pairs`: every variant against every other, where they can be paired."""

    command: str
    baseline: str
    variants: list[VariantScores]
    pairs: list[VariantPair] = field(default_factory=list)

    @property
    def runs(self) -> list[RunScores]:
        """Those of all variants."""
        return [run for variant in self.variants for run in variant.runs]


def format_text(comparison: Comparison) -> str:
    """The tables for a terminal, and below them what their numbers mean, with the signatures and the command."""
    *above, command = list_notes(comparison)
    lines = [line for table in build_tables(comparison) for line in [*align_columns(table, "  ", ""), ""]]
    return "\n".join([*lines, *above, "", command]) + "\n"


def format_markdown(comparison: Comparison) -> str:
    """The tables in Markdown, aligned in the source too."""
    lines = []
    for table in build_tables(comparison):
        head, *rows = [[cell.replace("|", "\\|") for cell in row] for row in table]
        rule = [":--", *("--:" for _ in head[1:])]
        lines += [*align_columns([head, rule, *rows], " | ", "|"), ""]
    *above, command = list_notes(comparison)
    return "\n".join([*lines, *(f"- {note}" for note in above), "", f"    {command}"]) + "\n"


def build_tables(comparison: Comparison) -> list[list[list[str]]]:
    """Variants with their scores; how faithful their attention is, where it was measured; and every variant against
    every other, if there are more than two."""
    matrix = significance_table.build_cells([variant.label for variant in comparison.variants], comparison.pairs)
    return [table for table in (build_cells(comparison), build_faithfulness_cells(comparison), matrix) if table]


def build_faithfulness_cells(comparison: Comparison) -> list[list[str]]:
    """Head and rows of the measures of faithfulness; nothing where no run has them."""
    shown = list_faithfulness_columns(comparison.variants)
    rows = [[variant.label, *(format_mean(variant, column) for column in shown)] for variant in comparison.variants]
    return [["faithfulness", *(column.head for column in shown)], *rows] if shown else []


def list_faithfulness_columns(variants: Sequence[VariantScores]) -> list[Column]:
    """The measures of faithfulness that any run has."""
    known = {name for variant in variants for run in variant.runs for name in run.values}
    return [column for column in FAITHFULNESS_COLUMNS if column.name in known]


def build_cells(comparison: Comparison) -> list[list[str]]:
    """Head and rows as people read them."""
    shown = [column for column in TABLE_COLUMNS if any(column.name in run.values for run in comparison.runs)]
    tests = significance_table.list_tests(variant.significance for variant in comparison.variants)
    rows = [
        [
            "variant",
            "seeds",
            BLEU_COLUMN.head,
            "difference",
            *(f"p {name}" for name in tests),
            f"p<{ALPHA:g}",
            *(column.head for column in shown),
        ],
    ]
    for variant in comparison.variants:
        rows.append(
            [
                variant.label,
                format_run_count(variant),
                format_mean(variant, BLEU_COLUMN),
                *format_tests(variant.significance, tests),
                *(format_mean(variant, column) for column in shown),
            ]
        )
    return rows


def format_mean(variant: VariantScores, column: Column) -> str:
    """Mean and standard deviation in one cell."""
    mean, deviation = variant.mean(column.name), variant.std(column.name)
    if mean is None:
        return EMPTY_CELL
    shown = f"{mean:.{column.digits}f}"
    return f"{shown} ± {deviation:.{column.digits}f}" if column.spread and deviation is not None else shown


def format_run_count(variant: VariantScores) -> str:
    """How many runs finished, and of how many if some did not."""
    whole = variant.finished_runs == len(variant.runs)
    return f"{variant.finished_runs}" if whole else f"{variant.finished_runs}/{len(variant.runs)}"


def format_tests(found: Significance | None, tests: Sequence[str]) -> list[str]:
    """The cells of the `tests` against the baseline."""
    if found is None:
        return [EMPTY_CELL] * (2 + len(tests))
    return [f"{found.difference:+.2f}", *(format_adjusted_p(found, name) for name in tests), format_count(found)]


def list_notes(comparison: Comparison) -> list[str]:
    """What a reader must know to trust the table, what failed, and last the command."""
    split = next((run.split for run in comparison.runs if run.values), "test")
    against = sum(v.significance is not None and not v.significance.untested for v in comparison.variants)
    labels = [variant.label for variant in comparison.variants]
    lines = [f"{head}: {signature}" for head, signature in list_signatures(comparison)]
    lines += [
        f"Scores are those of the {split} split; ± is the sample standard deviation over seeds.",
        f"difference: of mean BLEU from {comparison.baseline}, over the seeds that both have.",
        *significance_table.explain_tests(labels, comparison.pairs, against=against),
        *list_cautions(comparison.variants),
        "perplexity: of the validation split, per target piece; to be compared for the same vocabulary only.",
        "tokens/s and minutes: of training; sentences/s: of translating what is scored; MiB: most memory, no GPU's.",
    ]
    if measured := list_faithfulness_columns(comparison.variants):
        told = "; ".join(f"{column.head}, {column.note}" for column in measured)
        lines.append(f"faithfulness: of attention for the model's own validation translations: {told}.")
    if any(variant.is_ensemble for variant in comparison.variants):
        lines.append(
            "ensemble-of-...: the mean of several runs' distributions at each step; parameters and minutes are sums."
        )
    for variant in comparison.variants:
        lines += [
            f"FAILED: {variant.label} seed {run.seed}: {run.failure} ({run.folder})"
            for run in variant.runs
            if run.failure
        ]
    return [*lines, comparison.command]


def list_signatures(comparison: Comparison) -> list[tuple[str, str]]:
    """Those of the scores that are shown; where runs differ, all of them, for then their scores cannot be compared."""
    found = []
    for column in (BLEU_COLUMN, *TABLE_COLUMNS):
        different = dict.fromkeys(
            run.signatures[column.name] for run in comparison.runs if column.name in run.signatures
        )
        found += [(column.head, signature) for signature in different]
    return found


def format_csv(comparison: Comparison) -> str:
    """A row for each variant, with the same columns always, numbers in full, and empty cells where there is none."""
    columns = (BLEU_COLUMN, *TABLE_COLUMNS, *EXTRA_COLUMNS)
    head = ["variant", "seeds", "failed"]
    for column in columns:
        head += [f"{column.key}_mean", f"{column.key}_std"] if column.spread else [column.key]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    tests = (*TESTS, SEEDS_TEST)
    p_heads = [f"p_{name}{which}" for name in tests for which in ("", "_adjusted")]
    last = ["bleu_difference", *p_heads, "seeds_tested", "seeds_significant", "untested", "still_improving"]
    writer.writerow([*head, *last])
    for variant in comparison.variants:
        row: list[Any] = [variant.label, variant.finished_runs, len(variant.runs) - variant.finished_runs]
        for column in columns:
            row += [get_exact_mean(variant, column), *([variant.std(column.name)] if column.spread else [])]
        found = variant.significance
        if found is None:
            row += [None] * (len(last) - 1)
        else:
            p_values = [p for name in tests for p in (found.p_values.get(name), found.adjusted.get(name))]
            counts = [None, None] if found.untested else [len(found.seeds), found.significant_seeds]
            row += [found.difference, *p_values, *counts, found.untested]
        writer.writerow([*row, sum(run.still_improving for run in variant.runs)])
    return out.getvalue()


def get_exact_mean(variant: VariantScores, column: Column) -> int | float | None:
    """The mean in full; to the whole number for what is counted in large ones."""
    mean = variant.mean(column.name)
    return round(mean) if mean is not None and column.digits == 0 else mean


def format_json(comparison: Comparison) -> str:
    """Everything: for each variant its means, its tests against the baseline, BLEU by source length and all numbers of
    each run; and the tests of every pair."""
    columns = (BLEU_COLUMN, *TABLE_COLUMNS, *EXTRA_COLUMNS)
    variants = []
    for variant in comparison.variants:
        found = variant.significance
        variants.append(
            {
                "variant": variant.label,
                "mean": {column.key: get_exact_mean(variant, column) for column in columns},
                "std": {column.key: variant.std(column.name) for column in columns if column.spread},
                "significance": None if found is None else found._asdict(),
                "lengths": average_by_length(variant),
                "runs": [{**vars(run), "lengths": convert_buckets(run.lengths)} for run in variant.runs],
            }
        )
    pairs = [{"first": pair.first, "other": pair.other, **pair.significance._asdict()} for pair in comparison.pairs]
    whole = {"command": comparison.command, "baseline": comparison.baseline, "variants": variants, "pairs": pairs}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def average_by_length(variant: VariantScores) -> list[dict[str, Any]]:
    """BLEU by source length, mean and deviation over those runs that were scored on the same sentences as the first."""
    measured = [run.lengths for run in variant.runs if run.lengths]
    same = [buckets for buckets in measured if [b[:3] for b in buckets] == [b[:3] for b in measured[0]]]
    found = []
    for buckets in zip(*same, strict=True):
        values = [bucket.bleu for bucket in buckets]
        spread = stdev(values) if len(values) > 1 else None
        found.append({**convert_buckets(buckets[:1])[0], "bleu": fmean(values), "std": spread})
    return found


def convert_buckets(buckets: Sequence[Bucket]) -> list[dict[str, Any]]:
    """Buckets with names for programs."""
    return [{"from": b.first, "to": b.last, "sentences": b.sentences, "bleu": b.bleu} for b in buckets]
