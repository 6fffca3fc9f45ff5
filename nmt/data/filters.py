"""Which training pairs are used."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmt.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which training pairs are used, by their lengths in pieces (BOS and EOS not counted).

    Both sides must have `min_length` to `max_length` pieces, and the longer no more than `max_ratio` times the shorter.
    overfit: to see whether a model can learn at all, only the first so many of these are used, and validation is on
    the same, with no test set; None is off.
    """

    min_length: int = 1
    max_length: int = 100
    max_ratio: float = 9.0
    overfit: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.min_length <= self.max_length:
            raise ConfigError(
                f"filters.min_length={self.min_length} and filters.max_length={self.max_length}: "
                "1 <= min_length <= max_length must hold, or no pair could be used."
            )
        if self.max_ratio < 1.0:
            raise ConfigError(f"filters.max_ratio={self.max_ratio} is below 1; no pair could be used.")
        if self.overfit is not None and self.overfit < 1:
            raise ConfigError(f"filters.overfit={self.overfit} must be at least 1 pair, or null to use all.")

    def keep(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> tuple[NDArray[np.bool_], dict[str, int]]:
        """A mask of the pairs to use, and how many are left out for which reason (the first that holds for a pair)."""
        shorter, longer = np.minimum(source, target), np.maximum(source, target)
        reasons = {
            "empty": shorter == 0,
            "too_short": shorter < self.min_length,
            "too_long": longer > self.max_length,
            "unequal": longer > self.max_ratio * shorter,
        }
        kept = np.ones(len(source), dtype=bool)
        counts = {"read": len(source)}
        for reason, holds in reasons.items():
            counts[reason] = int((kept & holds).sum())
            kept &= ~holds
        if self.overfit is not None:
            kept &= np.cumsum(kept) <= self.overfit
        return kept, counts | {"kept": int(kept.sum())}
