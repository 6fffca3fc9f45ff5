"""Which differences in BLEU could be chance: between a variant and the baseline, and between any two of them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nmt.evaluation.significance import SAMPLES, TESTS

ALPHA = 0.05
"""The level at which the table counts seeds."""

DECIDING_TEST = "randomization"
"""The test that stars, counts and the matrix go by: the one that finds noise significant as seldom as its p says."""

STARS = ((0.001, "***"), (0.01, "**"), (ALPHA, "*"))

SEEDS_TEST = "seeds"
"""The test for which seeds are a random effect too; absent where a variant has one seed."""

DOUBT_MARK = "†"
"""Marks a difference that holds over sentences and not over seeds."""

EMPTY_CELL = "-"
"""A cell without a number."""


class Significance(NamedTuple):
    """One variant against another, over the seeds that both finished.

    difference: of the means of BLEU; p_values: of that difference, by test; adjusted: the same, for being some of many
    (Holm 1979); seeds: the p-values of each seed's own pair, by test, not adjusted; untested: why there are no tests.
    """

    difference: float
    p_values: dict[str, float]
    adjusted: dict[str, float]
    seeds: dict[int, dict[str, float]]
    untested: str | None = None

    @property
    def significant_seeds(self) -> int:
        """For how many seeds the pair itself differs significantly."""
        return sum(tests[DECIDING_TEST] < ALPHA for tests in self.seeds.values() if tests)

    @property
    def stars(self) -> str:
        """The more, the surer: * p < 0.05, ** p < 0.01, *** p < 0.001, of the adjusted p-value that decides."""
        return next((stars for level, stars in STARS if self.adjusted.get(DECIDING_TEST, 1.0) < level), "")

    @property
    def doubt(self) -> str:
        """The mark of a difference that other sentences would hardly turn, but other seeds could; empty for others."""
        return DOUBT_MARK if self.stars and self.adjusted.get(SEEDS_TEST, 0.0) >= ALPHA else ""

    @property
    def opposite(self) -> "Significance":
        """The other variant against the one. The tests ask about either direction at once."""
        return self._replace(difference=-self.difference)


class VariantPair(NamedTuple):
    """`other` against `first`; what is adjusted is so for all pairs."""

    first: str
    other: str
    significance: Significance


def build_matrix(labels: Sequence[str], pairs: Sequence[VariantPair]) -> list[list[Significance | None]]:
    """The variant of each row against that of each column; None between a variant and itself, and where nothing can be
    paired."""
    known = {(pair.other, pair.first): pair.significance for pair in pairs}
    known |= {(pair.first, pair.other): pair.significance.opposite for pair in pairs}
    return [[known.get((row, column)) for column in labels] for row in labels]


def select_related(labels: Sequence[str], pairs: Sequence[VariantPair]) -> list[str]:
    """The variants that a matrix has something to say about; of two, the table itself says all."""
    found = [label for label in labels if any(label in (pair.first, pair.other) for pair in pairs)]
    return found if len(found) > 2 else []


def build_cells(labels: Sequence[str], pairs: Sequence[VariantPair]) -> list[list[str]]:
    """Head and rows of the matrix as people read them, variants named by number in the head; empty if there is none."""
    names = select_related(labels, pairs)
    if not names:
        return []
    head = ["row less column, p", *(f"{number}" for number in range(1, len(names) + 1))]
    rows = build_matrix(names, pairs)
    return [
        head,
        *(
            [f"{number} {name}", *map(format_cell, row)]
            for number, (name, row) in enumerate(zip(names, rows, strict=True), 1)
        ),
    ]


def format_cell(found: Significance | None) -> str:
    """A difference and its p-value."""
    return EMPTY_CELL if found is None else f"{found.difference:+.2f} {format_adjusted_p(found, DECIDING_TEST)}"


def format_p_value(p_value: float) -> str:
    """Three digits; p is never zero."""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def format_adjusted_p(found: Significance, test: str, missing: str = EMPTY_CELL) -> str:
    """The adjusted p-value of a test, with the mark of doubt at the one that decides; `missing` where there is none."""
    if test not in found.adjusted:
        return missing
    return format_p_value(found.adjusted[test]) + (found.doubt if test == DECIDING_TEST else "")


def format_count(found: Significance, missing: str = EMPTY_CELL) -> str:
    """For how many of the seeds the pair itself differs."""
    return missing if found.untested else f"{found.significant_seeds}/{len(found.seeds)}"


def list_tests(found: Iterable[Significance | None]) -> list[str]:
    """The tests that have a column: those over sentences always, that over seeds where it was made."""
    return [*TESTS, *([SEEDS_TEST] if any(each is not None and SEEDS_TEST in each.adjusted for each in found) else [])]


def explain_tests(labels: Sequence[str], pairs: Sequence[VariantPair], *, against: int) -> list[str]:
    """How the p-values came about, `against` of them against the baseline, and what they do not tell."""
    tested = [pair for pair in pairs if not pair.significance.untested]
    if pairs and not tested:
        return []
    lines = [
        "p: of that difference, by paired bootstrap and paired approximate randomization over sentences, each with the "
        f"translations of all seeds; {SAMPLES} samples; adjusted (Holm) as {against} tested against the baseline.",
        f"p<{ALPHA:g}: for how many seeds the pair of runs differs, by {DECIDING_TEST}, not adjusted.",
    ]
    if select_related(labels, pairs):
        lines.append(
            f"row less column: the difference of mean BLEU, and its p by {DECIDING_TEST}, adjusted for "
            f"{len(tested)} pairs."
        )
    return [
        *lines,
        "The bootstrap takes noise for a difference oftener than its p says; where they disagree, trust "
        f"{DECIDING_TEST}.",
        *explain_seeds([pair.significance for pair in tested]),
    ]


def explain_seeds(found: Sequence[Significance]) -> list[str]:
    """What the tests say of other seeds."""
    lines = ["Both ask about other test sentences, not about other seeds: what those would change is what ± shows."]
    if any(SEEDS_TEST in each.adjusted for each in found):
        lines.append(
            f"p {SEEDS_TEST}: of the same difference, with seeds and sentences as random effects; adjusted as the "
            "others."
        )
    elif found:
        lines.append(
            f"p {SEEDS_TEST}: no test, which needs several seeds of each variant that differ: seeds=3, better 5."
        )
    if any(each.doubt for each in found):
        lines.append(
            f"{DOUBT_MARK}: the models differ over sentences, but p {SEEDS_TEST} is {ALPHA:g} or more: other seeds "
            "could turn it."
        )
    return lines
