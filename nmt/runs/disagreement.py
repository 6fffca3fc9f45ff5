"""How differently runs look at the same probe sentences."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from nmt.evaluation.measures import Disagreement, compute_disagreement

ForcedWeights = dict[tuple[str, str], np.ndarray]
"""By source and reference."""


def tabulate_disagreements(variants: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Every variant against every other, and against itself between its seeds: means over pairs of runs.

    From the forced references of the probes at each run's last checkpoint that drew them.
    """
    runs = [[read_forced_weights(run["probes"]) for run in variant["runs"]] for variant in variants]
    size, words = len(runs), 0
    tables: dict[str, list[list[float | None]]] = {
        key: [[None] * size for _ in range(size)] for key in ("divergence", "variation")
    }
    for i in range(size):
        for j in range(i, size):
            pairs = [(a, b) for m, a in enumerate(runs[i]) for n, b in enumerate(runs[j]) if i != j or m < n]
            found = [each for a, b in pairs if (each := compare_forced_weights(a, b)) is not None]
            if found:
                words = max(words, *(each.words for each in found))
                for key, cells in tables.items():
                    cells[i][j] = cells[j][i] = fmean(getattr(each, key) for each in found)
    return {**tables, "words": words} if words else None


def read_forced_weights(probes: Sequence[Mapping[str, Any]]) -> ForcedWeights:
    """The last forced weights of each probe, by its source and reference."""
    found = {}
    for probe in probes:
        frames = [frame["forced"] for frame in probe["frames"] if frame.get("forced")]
        if frames:
            found[" ".join(probe["source"]), probe["reference"]] = np.array(frames[-1]["weights"], dtype=float)
    return found


def compare_forced_weights(first: ForcedWeights, other: ForcedWeights) -> Disagreement | None:
    """How differently two runs look at the probes that both have."""
    return compute_disagreement((first[key], other[key]) for key in first if key in other)
