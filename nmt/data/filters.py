"""Which training pairs are used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.data.corpus import Bitext
from nmt.data.scripts import check_script
from nmt.errors import ConfigError

Rule = Literal["duplicates", "held_out", "held_out_sources", "identical"]

Reasons = Mapping[str, NDArray[np.bool_]]
"""Why pairs are left out: reason -> the pairs for which it holds. The first that holds for a pair counts."""

MAX_EXAMPLES = 10
"""So many of the pairs that are left out are shown for each reason."""


MAX_CHARACTERS = 200
"""Of a line that is shown."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which training pairs are used, by their lengths in pieces (BOS and EOS not counted), and by rules for their text.

    Both sides must have `min_length` to `max_length` pieces, and the longer no more than `max_ratio` times the shorter.
    drop: which other pairs are left out: "duplicates", all but the first of equal pairs; "held_out", those that are in
    the validation or the test set, and "held_out_sources", those whose source is; "identical", those that say the same
    on both sides. source_script, target_script: of the letters of a side, at least a share of `script_share` must be of
    this script, or of one of these; "auto" is that of the language.
    overfit: to see whether a model can learn at all, only the first so many of these are used, and validation is on
    the same, with no test set; None is off.
    """

    min_length: int = 1
    max_length: int = 100
    max_ratio: float = 9.0
    drop: list[Rule] = field(default_factory=list)
    source_script: str | list[str] | None = None
    target_script: str | list[str] | None = None
    script_share: float = 0.5
    overfit: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.min_length <= self.max_length:
            raise ConfigError(
                f"filters.min_length={self.min_length} and filters.max_length={self.max_length}: "
                "1 <= min_length <= max_length must hold, or no pair could be used."
            )
        if self.max_ratio < 1.0:
            raise ConfigError(f"filters.max_ratio={self.max_ratio} is below 1; no pair could be used.")
        check_script(self.source_script, setting="filters.source_script")
        check_script(self.target_script, setting="filters.target_script")
        if not 0.0 < self.script_share <= 1.0:
            raise ConfigError(f"filters.script_share={self.script_share:g} must be above 0, and at most 1.")
        if self.overfit is not None and self.overfit < 1:
            raise ConfigError(f"filters.overfit={self.overfit} must be at least 1 pair, or null to use all.")

    def find_reasons(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
        """What is wrong with the lengths of pairs."""
        shorter, longer = np.minimum(source, target), np.maximum(source, target)
        return {
            "empty": shorter == 0,
            "too_short": shorter < self.min_length,
            "too_long": longer > self.max_length,
            "unequal": longer > self.max_ratio * shorter,
        }

    def keep(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> "Kept":
        """The pairs to use, by their lengths."""
        kept, dropped = split_by_reason(self.find_reasons(source, target))
        if self.overfit is not None:
            kept &= np.cumsum(kept) <= self.overfit
        counts = {reason: len(places) for reason, places in dropped.items()}
        examples = {reason: places[:MAX_EXAMPLES] for reason, places in dropped.items()}
        return Kept(kept, {"read": len(source), **counts, "kept": int(kept.sum())}, examples)


class Kept(NamedTuple):
    """Which of some pairs are used, how many are left out for which reason, and the places of the first of these."""

    mask: NDArray[np.bool_]
    counts: dict[str, int]
    examples: dict[str, NDArray[np.int64]]


def split_by_reason(reasons: Reasons) -> tuple[NDArray[np.bool_], dict[str, NDArray[np.int64]]]:
    """A mask of the pairs for which no reason holds, and by reason the places of the others."""
    kept = np.ones(len(next(iter(reasons.values()))), dtype=bool)
    dropped = {}
    for reason, holds in reasons.items():
        dropped[reason] = np.flatnonzero(kept & holds)
        kept &= ~holds
    return kept, dropped


def describe_pairs(text: Bitext, rows: Sequence[int], places: NDArray[np.int64] | None = None) -> list[list[Any]]:
    """Pairs for people: the number of the line, from 1, source and target, of long lines the beginning. places: where
    pairs stood before others were left out."""
    return [
        [int(row if places is None else places[row]) + 1, *(side[row][:MAX_CHARACTERS] for side in text[:2])]
        for row in rows
    ]
