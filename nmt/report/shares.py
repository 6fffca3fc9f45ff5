"""Numbers as they are printed: shares of a whole keep their sum, and what is whole has no digits."""

import math

import numpy as np
from jaxtyping import Float

from nmt.report.explanation import Explanation, Stage


def round_shares(row: Float[np.ndarray, " share"], digits: int) -> Float[np.ndarray, " share"]:
    """Numbers of so many digits whose sum is the rounded sum of the row, each less than a unit of the last digit away.

    Each is rounded down; the units that are missing go to the largest remainders, of equal ones to the first (the
    method of Hamilton, 1792). A share of 0 stays 0.
    """
    units = np.asarray(row, dtype=np.float64) * 10**digits
    # What is a whole number of units but for the last bits of a float has no remainder.
    whole = np.where(np.abs(units - np.rint(units)) < 1e-6, np.rint(units), np.floor(units))
    missing = int(np.rint(units.sum()) - whole.sum())
    order = np.argsort(-(units - whole), kind="stable")
    whole[order[: max(missing, 0)]] += 1
    rounded: np.ndarray = whole / 10**digits
    return rounded


def is_whole(values: Float[np.ndarray, "row column"]) -> bool:
    """Whether all numbers that are finite are whole."""
    finite = values[np.isfinite(values)]
    return bool((finite == np.rint(finite)).all())


def format_number(value: float, digits: int) -> str:
    """A number with so many digits; minus infinity by its sign, and no minus before zero."""
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def format_stage(stage: Stage, digits: int) -> list[list[str]]:
    """The numbers of a stage as text, row by row."""
    if stage.values is None:
        return []
    if stage.is_share:
        return [[format_number(value, digits) for value in round_shares(row, digits)] for row in stage.values]
    kept = 0 if is_whole(stage.values) else digits
    return [[format_number(value, kept) for value in row] for row in stage.values]


def format_comparison(first: Explanation, other: Explanation, digits: int) -> list[list[str]] | None:
    """For each source position both weights of the query, and what the second is more, as they are printed; None where
    the two have not the same source."""
    if list(first.source) != list(other.source):
        return None
    rows = [round_shares(each.weights[each.query], digits) for each in (first, other)]
    return [
        [format_number(a, digits), format_number(b, digits), format_change(b - a, digits)]
        for a, b in zip(*rows, strict=True)
    ]


def format_change(value: float, digits: int) -> str:
    """A difference with its sign; nothing where it is none."""
    text = format_number(value, digits)
    return "" if float(text) == 0 else text if text.startswith("-") else f"+{text}"
