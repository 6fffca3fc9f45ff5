"""Validation pairs split off from the training text: the same text gives the same split, and nothing of it leaks."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

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
    return hash_normal(*(normalize_space(side) for side in sides))


def normalize_space(lines: Sequence[str]) -> list[str]:
    """The lines with one space between words, and none around them."""
    return [" ".join(line.split()) for line in lines]


def hash_normal(*sides: Sequence[str]) -> NDArray[np.uint64]:
    """`hash_lines` of what `normalize_space` has made."""
    found = np.empty(len(sides[0]), dtype=np.uint64)
    for place, parts in enumerate(zip(*sides, strict=True)):
        text = "\n".join(parts).encode("utf-8", errors="surrogatepass")
        found[place] = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
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


def stream_split(
    stream: "Callable[[Split], Iterator[Bitext] | None]", split: "Split", pairs: int | None, *, setting: str
) -> "Iterator[Bitext] | None":
    """The same as `load_split`, in chunks, where `stream` reads those of the splits that a corpus has."""
    if pairs is None or split == "test":
        return stream(split)
    train, again = stream("train"), stream("train")
    assert train is not None  # every corpus has it
    assert again is not None
    held = choose_held_out(train, pairs, setting=setting)
    return iter([held.text]) if split == "validation" else _leave_out(again, held.left)


class HeldOut(NamedTuple):
    """Validation pairs, for each pair of the training text whether it is left for training, and the places in it of the
    validation pairs."""

    text: "Bitext"
    left: NDArray[np.bool_]
    places: NDArray[np.int64]


def split_off(text: "Bitext", pairs: int, *, setting: str) -> "tuple[Bitext, Bitext]":
    """The training text without the validation pairs, and those, as `choose_held_out` says."""
    held = choose_held_out([text], pairs, setting=setting)
    return select_pairs(text, np.flatnonzero(held.left)), held.text


def choose_held_out(chunks: "Iterable[Bitext]", pairs: int, *, setting: str) -> HeldOut:
    """The validation pairs of a training text, in the order of the text, and what is left for training.

    The sources with the smallest hashes are held out: neither a seed nor the order of lines has a say. Of each, the
    first pair with text on both sides is for validation, and every pair with the same source leaves the training text.
    Raises DataError where the text has too few different sources; `setting` is the key that asked for `pairs`.
    """
    keys: list[NDArray[np.uint64]] = []
    smallest, places, text = np.zeros(0, np.uint64), np.zeros(0, np.int64), None
    for chunk in chunks:
        found, start = hash_lines(chunk.source), sum(map(len, keys))
        full = np.array([all(map(str.strip, pair)) for pair in zip(chunk.source, chunk.target, strict=True)], np.bool_)
        if len(smallest) > pairs:
            full &= found < smallest[-1]
        rows = np.flatnonzero(full)
        more = select_pairs(chunk, rows)
        # Those of before come first, so that of pairs with one source the first is taken.
        smallest, firsts = np.unique(np.concatenate([smallest, found[rows]]), return_index=True)
        smallest, firsts = smallest[: pairs + 1], firsts[: pairs + 1]
        places = np.concatenate([places, rows + start])[firsts]
        text = select_pairs(more if text is None else join_chunks([text, more]), firsts)
        keys.append(found)
    if pairs >= len(smallest) or text is None:
        raise DataError(
            f"{setting}={pairs} cannot be split off: the training text has {len(smallest)} different source sentences "
            "with a translation, and some must be left for training. Give a smaller number."
        )
    left = np.concatenate([~np.isin(part, smallest[:pairs]) for part in keys])
    logger.info(
        "%s: %d pairs are split off for validation; %d more with the same sources leave the training text",
        *(setting, pairs, len(left) - int(left.sum()) - pairs),
    )
    return HeldOut(select_pairs(text, np.argsort(places[:pairs])), left, np.sort(places[:pairs]))


def find_place(text: "Iterable[Bitext]", pairs: int, split: "Split", place: int, *, setting: str) -> int:
    """Where in the chunks of a training text the pair stands that has a place in a split of it."""
    held = choose_held_out(text, pairs, setting=setting)
    return int((held.places if split == "validation" else np.flatnonzero(held.left))[place])


def _leave_out(chunks: "Iterable[Bitext]", left: NDArray[np.bool_]) -> "Iterator[Bitext]":
    """The pairs that are left of a text in chunks."""
    start = 0
    for chunk in chunks:
        yield select_pairs(chunk, np.flatnonzero(left[start : start + len(chunk.source)]))
        start += len(chunk.source)


def join_chunks(chunks: "Iterable[Bitext]") -> "Bitext":
    """Texts, of which there is at least one, one after another."""
    parts = list(chunks)
    if len(parts) == 1:
        return parts[0]
    columns = zip(*parts, strict=True)
    return type(parts[0])._make(None if column[0] is None else list(chain.from_iterable(column)) for column in columns)


def select_pairs(text: "Bitext", places: Sequence[int] | NDArray[np.int64]) -> "Bitext":
    """The pairs at these places, in that order."""

    def take(side: Sequence[str]) -> list[str]:
        return [side[int(place)] for place in places]

    return type(text)._make(None if side is None else take(side) for side in text)
