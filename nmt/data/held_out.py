"""Validation pairs split off from the training text: the same text gives the same split, and nothing of it leaks."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nmt.errors import ConfigError, DataError

if TYPE_CHECKING:  # which imports this file
    from nmt.data.corpus import Bitext, Split

logger = logging.getLogger(__name__)


def hash_lines(*sides: Sequence[str]) -> NDArray[np.uint64]:
    """64 bits for each line, or for each group of lines where there are several sides; space between words is ignored.

    The same on every machine. Two different lines have the same hash with probability 2^-64.
    """
    found = np.empty(len(sides[0]), dtype=np.uint64)
    for place, parts in enumerate(zip(*sides, strict=True)):
        text = "\n".join([" ".join(part.split()) for part in parts])
        digest = hashlib.blake2b(text.encode("utf-8", errors="surrogatepass"), digest_size=8).digest()
        found[place] = int.from_bytes(digest, "little")
    return found


def check_pairs(pairs: int | None, *, setting: str) -> None:
    """Raises ConfigError where no such number of pairs can be split off."""
    if pairs is not None and pairs < 1:
        raise ConfigError(f"{setting}={pairs} must be at least 1: so many pairs are split off for validation.")


def load_split(
    read: "Callable[[Split], Bitext | None]", split: "Split", pairs: int | None, *, setting: str
) -> "Bitext | None":
    """The text of a split, where `read` gives those that a corpus has, and so many `pairs` of the training text are for
    validation; None where validation is a split of its own. `setting` is the key that asked for `pairs`."""
    if pairs is None or split == "test":
        return read(split)
    train = read("train")
    assert train is not None  # every corpus has it
    return split_off(train, pairs, setting=setting)[split == "validation"]


def split_off(text: "Bitext", pairs: int, *, setting: str) -> "tuple[Bitext, Bitext]":
    """The training text without the validation pairs, and those; both in the order of the text.

    The sources with the smallest hashes are held out: neither a seed nor the order of lines has a say. Of each, the
    first pair with text on both sides is for validation, and every pair with the same source leaves the training text.
    Raises DataError where the text has too few different sources; `setting` is the key that asked for `pairs`.
    """
    keys = hash_lines(text.source)
    full = [place for place, both in enumerate(zip(text.source, text.target, strict=True)) if all(map(str.strip, both))]
    distinct, firsts = np.unique(keys[full], return_index=True)  # sorted, with the first place of each
    if pairs >= len(distinct):
        raise DataError(
            f"{setting}={pairs} cannot be split off: the training text has {len(distinct)} different source sentences "
            "with a translation, and some must be left for training. Give a smaller number."
        )
    chosen = np.sort(np.asarray(full)[firsts[:pairs]])
    left = np.flatnonzero(~np.isin(keys, distinct[:pairs]))
    logger.info(
        "%s: %d pairs are split off for validation; %d more with the same sources leave the training text",
        *(setting, pairs, len(keys) - len(left) - pairs),
    )
    return select_pairs(text, left), select_pairs(text, chosen)


def select_pairs(text: "Bitext", places: Sequence[int] | NDArray[np.int64]) -> "Bitext":
    """The pairs at these places, in that order."""

    def take(side: Sequence[str]) -> list[str]:
        return [side[int(place)] for place in places]

    return text._make(None if side is None else take(side) for side in text)
