"""The tables of a comparison for its page: scores of the variants, and every variant against every other."""

from collections.abc import Mapping, Sequence
from typing import Any

from nmt.evaluation.significance import TESTS
from nmt.report.columns import (
    BLEU_COLUMN,
    FAITHFULNESS_COLUMNS,
    FURTHER_FAITHFULNESS_COLUMNS,
    TABLE_COLUMNS,
    Column,
)
from nmt.report.comparison import (
    Comparison,
    VariantScores,
    format_mean,
    format_run_count,
    list_faithfulness_columns,
)
from nmt.report.significance_table import (
    ALPHA,
    DECIDING_TEST,
    SEEDS_TEST,
    STARS,
    Significance,
    build_matrix,
    format_adjusted_p,
    format_count,
    format_p_value,
    list_tests,
    select_related,
)

TEST_NAMES = {
    "bootstrap": "paired bootstrap (Koehn 2004)",
    "randomization": "paired approximate randomization (Riezler and Maxwell 2005)",
    SEEDS_TEST: "seeds and sentences as random effects (Obuchowski and Rockette 1995; Welch 1947)",
}
"""What the tests are called where there is room."""


def build_score_table(comparison: Comparison) -> dict[str, Any]:
    """Columns and rows of the scores."""
    columns = [c for c in TABLE_COLUMNS if any(c.name in run.values for run in comparison.runs)]
    over = dict.fromkeys(TESTS, " over sentences, with the translations of all seeds")
    tests = list_tests(variant.significance for variant in comparison.variants)
    number_of = "adjusted for the number of variants (Holm)"
    heads = [
        {"head": "seeds"},
        {"head": BLEU_COLUMN.head, "note": "mean and sample standard deviation over seeds"},
        {"head": "difference", "note": f"of mean BLEU from {comparison.baseline}"},
        *({"head": f"p {name}", "note": f"{TEST_NAMES[name]}{over.get(name, '')}; {number_of}"} for name in tests),
        {
            "head": f"p<{ALPHA:g}",
            "note": f"for how many seeds the pair of runs differs, by {DECIDING_TEST}, not adjusted",
        },
        *({"head": column.head} for column in columns),
    ]
    best = max((mean for v in comparison.variants if (mean := v.mean(BLEU_COLUMN.name)) is not None), default=None)
    rows = [
        {
            "label": variant.label,
            "cells": [
                {"text": format_run_count(variant)},
                {**build_score_cell(variant, BLEU_COLUMN), "best": variant.mean(BLEU_COLUMN.name) == best},
                *build_test_cells(variant.significance, tests),
                *(build_score_cell(variant, column) for column in columns),
            ],
        }
        for variant in comparison.variants
    ]
    return {"columns": heads, "rows": rows}


def build_faithfulness_table(variants: Sequence[VariantScores]) -> dict[str, Any] | None:
    """Columns and rows of the measures of faithfulness; None where no run has them."""
    shown = list_faithfulness_columns(variants)
    if not shown:
        return None
    rows = [
        {"label": variant.label, "cells": [build_score_cell(variant, column) for column in shown]}
        for variant in variants
    ]
    columns = [{"head": column.head, "note": column.note} for column in shown]
    return {"columns": columns, "rows": rows, "notes": [f"{c.head}: {c.note}." for c in shown]}


def build_measure_table(values: Mapping[str, float]) -> dict[str, Any] | None:
    """The measures of faithfulness of one run, a row for each; None where it has none."""
    columns = (*FAITHFULNESS_COLUMNS, *FURTHER_FAITHFULNESS_COLUMNS)
    shown = [column for column in columns if column.name in values]
    if not shown:
        return None
    rows = [{"label": c.head, "cells": [{"text": f"{values[c.name]:.{c.digits}f}"}]} for c in shown]
    return {"columns": [{"head": "value"}], "rows": rows, "notes": [f"{c.head}: {c.note}." for c in shown]}


def build_score_cell(variant: VariantScores, column: Column) -> dict[str, Any]:
    """A mean, with the deviation over seeds below it."""
    if (mean := variant.mean(column.name)) is not None and column.digits == 0:
        return {"text": f"{mean:,.0f}"}
    value, _, spread = format_mean(variant, column).partition(" ± ")
    return {"text": value, "interval": f"± {spread}"} if spread else {"text": value}


def build_test_cells(found: Significance | None, tests: Sequence[str]) -> list[dict[str, Any]]:
    """The cells of the `tests` against the baseline."""
    if found is None:
        return [{"text": "–"}] * (2 + len(tests))
    return [
        {"text": f"{found.difference:+.2f}", "stars": found.stars + found.doubt},
        *({"text": format_adjusted_p(found, name, "–")} for name in tests),
        {"text": format_count(found, "–")},
    ]


def build_pair_table(comparison: Comparison) -> Mapping[str, Any] | None:
    """The matrix of differences, as `nmt.report.html.page` takes it; None where there are fewer than three variants."""
    labels = select_related([variant.label for variant in comparison.variants], comparison.pairs)
    if not labels:
        return None
    rows = [
        [None if found is None else build_pair_cell(found) for found in row]
        for row in build_matrix(labels, comparison.pairs)
    ]
    note = (
        f"BLEU of the row less BLEU of the column, and below it p by {TEST_NAMES[DECIDING_TEST]}, adjusted for all "
        f"{sum(not pair.significance.untested for pair in comparison.pairs)} pairs (Holm). Blue: the row is better; "
        "orange: the column is; the deeper, the surer. What has no colour could be chance."
    )
    return {"labels": labels, "rows": rows, "note": note}


def build_pair_cell(found: Significance) -> dict[str, Any]:
    """A difference with its p-value below; `heat` has its sign, and is the greater the surer it is."""
    if found.untested:
        return {"text": f"{found.difference:+.2f}", "interval": "no test", "stars": "", "heat": 0}
    sure = sum(found.adjusted[DECIDING_TEST] < level for level, _ in STARS)
    return {
        "text": f"{found.difference:+.2f}",
        "interval": f"p {format_p_value(found.adjusted[DECIDING_TEST])}",
        "stars": found.stars + found.doubt,
        "heat": sure if found.difference > 0 else -sure,
    }
