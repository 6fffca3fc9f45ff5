"""The tables of a comparison for its page: scores of the variants, and every variant against every other."""

from collections.abc import Mapping, Sequence
from typing import Any

from nmt.evaluation.significance import TESTS
from nmt.report.comparison import BLEU, SHOWN, Column, Comparison, Variant, counted, number
from nmt.report.significance_table import (
    ALPHA,
    DECIDING,
    SEEDS,
    STARS,
    Significance,
    format_count,
    format_p,
    list_tests,
    matrix,
    p_shown,
    related,
)

TESTED = {
    "bootstrap": "paired bootstrap (Koehn 2004)",
    "randomization": "paired approximate randomization (Riezler and Maxwell 2005)",
    SEEDS: "seeds and sentences as random effects (Obuchowski and Rockette 1995; Welch 1947)",
}
"""What the tests are called where there is room."""


def score_table(comparison: Comparison) -> dict[str, Any]:
    """Columns and rows of the scores."""
    columns = [c for c in SHOWN if any(c.name in run.values for run in comparison.runs)]
    over = dict.fromkeys(TESTS, " over sentences, with the translations of all seeds")
    tests = list_tests(variant.significance for variant in comparison.variants)
    number_of = "adjusted for the number of variants (Holm)"
    heads = [
        {"head": "seeds"},
        {"head": BLEU.head, "note": "mean and sample standard deviation over seeds"},
        {"head": "difference", "note": f"of mean BLEU from {comparison.baseline}"},
        *({"head": f"p {name}", "note": f"{TESTED[name]}{over.get(name, '')}; {number_of}"} for name in tests),
        {"head": f"p<{ALPHA:g}", "note": f"for how many seeds the pair of runs differs, by {DECIDING}, not adjusted"},
        *({"head": column.head} for column in columns),
    ]
    best = max((mean for v in comparison.variants if (mean := v.mean(BLEU.name)) is not None), default=None)
    rows = [
        {
            "label": variant.label,
            "cells": [
                {"text": counted(variant)},
                {**score(variant, BLEU), "best": variant.mean(BLEU.name) == best},
                *tested(variant.significance, tests),
                *(score(variant, column) for column in columns),
            ],
        }
        for variant in comparison.variants
    ]
    return {"columns": heads, "rows": rows}


def score(variant: Variant, column: Column) -> dict[str, Any]:
    """A mean, with the deviation over seeds below it."""
    if (mean := variant.mean(column.name)) is not None and column.digits == 0:
        return {"text": f"{mean:,.0f}"}
    value, _, spread = number(variant, column).partition(" ± ")
    return {"text": value, "interval": f"± {spread}"} if spread else {"text": value}


def tested(found: Significance | None, tests: Sequence[str]) -> list[dict[str, Any]]:
    """The cells of the `tests` against the baseline."""
    if found is None:
        return [{"text": "–"}] * (2 + len(tests))
    return [
        {"text": f"{found.difference:+.2f}", "stars": found.stars + found.doubt},
        *({"text": format_p(found, name, "–")} for name in tests),
        {"text": format_count(found, "–")},
    ]


def pair_table(comparison: Comparison) -> Mapping[str, Any] | None:
    """The matrix of differences, as `nmt.report.html.page` takes it; None where there are fewer than three variants."""
    labels = related([variant.label for variant in comparison.variants], comparison.pairs)
    if not labels:
        return None
    rows = [[None if found is None else pair_cell(found) for found in row] for row in matrix(labels, comparison.pairs)]
    note = (
        f"BLEU of the row less BLEU of the column, and below it p by {TESTED[DECIDING]}, adjusted for all "
        f"{sum(not pair.significance.untested for pair in comparison.pairs)} pairs (Holm). Blue: the row is better; "
        "orange: the column is; the deeper, the surer. What has no colour could be chance."
    )
    return {"labels": labels, "rows": rows, "note": note}


def pair_cell(found: Significance) -> dict[str, Any]:
    """A difference with its p-value below; `heat` has its sign, and is the greater the surer it is."""
    if found.untested:
        return {"text": f"{found.difference:+.2f}", "interval": "no test", "stars": "", "heat": 0}
    sure = sum(found.adjusted[DECIDING] < level for level, _ in STARS)
    return {
        "text": f"{found.difference:+.2f}",
        "interval": f"p {p_shown(found.adjusted[DECIDING])}",
        "stars": found.stars + found.doubt,
        "heat": sure if found.difference > 0 else -sure,
    }
