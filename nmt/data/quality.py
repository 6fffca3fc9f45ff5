"""What is wrong with pairs that can be read: blank sides, targets that repeat the source, held-out text in training."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.data.corpus import Bitext, Split
from nmt.data.held_out import hash_normal, normalize_space, select_pairs
from nmt.errors import DataError

KEYS_PER_PART = 1_000_000
"""Hashes that are looked at together."""

MAX_EXAMPLES = 3
"""So many pairs are shown of those that occur in the training text."""


def find_complete(*sides: Sequence[str]) -> list[int]:
    """The places of the lines that are blank on no side, from 0."""
    return [place for place, parts in enumerate(zip(*sides, strict=True)) if all(part.strip() for part in parts)]


def pick(side: Sequence[str], places: Sequence[int]) -> list[str]:
    """The lines at these places."""
    return [side[place] for place in places]


def count_blank(text: Bitext) -> dict[str, int]:
    """How many pairs there are, how many are blank on both sides, or on one alone, and how many are not."""
    source, target = (np.array([not line.strip() for line in side], dtype=bool) for side in text[:2])
    return {
        "read": len(source),
        "both": int((source & target).sum()),
        "source": int((source & ~target).sum()),
        "target": int((~source & target).sum()),
        "used": int((~source & ~target).sum()),
    }


def explain_no_pairs(split: Split) -> str:
    """What is said where a split that training needs is empty."""
    return f"The corpus has no pairs in its {split} split, which training needs."


def check_not_blank(text: Bitext) -> None:
    """Raises DataError where one side of the training text has nothing but blank lines."""
    for side, lines in (("source", text.source), ("target", text.target)):
        if not any(line.strip() for line in lines):
            raise DataError(
                f"All {len(lines)} lines of the {side} training data are blank. Give files with one sentence a line."
            )


def leave_out_blank(text: Bitext, split: Split) -> tuple[Bitext, list[int]]:
    """The pairs with text on both sides, and their places. Raises DataError if there are none."""
    places = find_complete(text.source, text.target)
    if not places:
        advice = "Give other files." if split == "validation" else "Give other files, or leave the test split out."
        raise DataError(
            f"There is nothing to score in the {split} split: none of its {len(text.source)} pairs has text on both "
            f"sides. {advice}"
        )
    return (text if len(places) == len(text.source) else select_pairs(text, places)), places


def count_copies(text: Bitext) -> int:
    """How many pairs say the same on both sides; space between words makes no difference."""
    return sum(
        first == second or first.split() == second.split()
        for first, second in zip(text.source, text.target, strict=True)
    )


class TextHashes(NamedTuple):
    """64-bit hashes of the sources, targets and pairs of a text, in its order."""

    source: NDArray[np.uint64]
    target: NDArray[np.uint64]
    pair: NDArray[np.uint64]

    @classmethod
    def from_text(cls, source: Sequence[str], target: Sequence[str]) -> "TextHashes":
        first, second = normalize_space(source), normalize_space(target)
        return cls(hash_normal(first), hash_normal(second), hash_normal(first, second))

    def count_copies(self) -> dict[str, Any]:
        """How many pairs say the same on both sides."""
        alike = int((self.source == self.target).sum())
        return {"read": len(self.pair), "pairs": alike, "share": alike / max(1, len(self.pair))}


def find_overlap(text: Bitext, train: TextHashes) -> dict[str, Any]:
    """How many pairs of a held-out text, and how many of its sources, occur in the training text.

    `share` is that of the pairs. Space between words makes no difference. `examples`: the first such pairs, else the
    first with such a source.
    """
    keys = TextHashes.from_text(text.source, text.target)
    pairs, sources = find_known(keys.pair, train.pair), find_known(keys.source, train.source)
    shown = np.flatnonzero(pairs if pairs.any() else sources)[:MAX_EXAMPLES]
    return {
        "read": len(pairs),
        "pairs": int(pairs.sum()),
        "sources": int(sources.sum()),
        "share": float(pairs.mean()) if len(pairs) else 0.0,
        "examples": [[text.source[int(place)], text.target[int(place)]] for place in shown],
    }


def find_known(keys: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each of `keys` is among `known`, of which a part at a time is looked at."""
    found = np.zeros(len(keys), np.bool_)
    for start in range(0, len(known), KEYS_PER_PART):
        found |= np.isin(keys, known[start : start + KEYS_PER_PART])
    return found
