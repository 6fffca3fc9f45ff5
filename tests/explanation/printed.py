"""Printed explanations, read back as numbers."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

TITLE = re.compile(r"\d+\. (.+)")
CELL = re.compile(r"\(?(-?\d+(?:\.\d+)?|−∞)\)?")


def read_stages(lines: Sequence[str]) -> dict[str, Float[np.ndarray, "row column"]]:
    """The numbers of every stage that is printed by itself, by its title; minus infinity is NaN."""
    found: dict[str, list[list[float]]] = {}
    rows: list[list[float]] = []
    for line in lines:
        if (title := TITLE.fullmatch(line)) is not None:
            rows = found.setdefault(title[1], [])
        elif line.startswith("     ") or line.startswith("   > "):
            words = re.split(r"\s{2,}", line[5:].strip())
            if line[5] != " " and all(CELL.fullmatch(word) for word in words[1:]) and len(words) > 1:
                rows.append([read_cell(word) for word in words[1:]])
    return {title: np.array(rows) for title, rows in found.items() if rows}


def read_cell(text: str) -> float:
    """The number of a cell, masked or not."""
    cell = CELL.fullmatch(text)
    assert cell is not None
    return float("nan") if cell[1] == "−∞" else float(cell[1])
