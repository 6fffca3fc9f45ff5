"""Tasks on strings of symbols, which need no files: what an attention must find is known, and so are the links."""

import string
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from random import Random
from typing import Any, ClassVar, NamedTuple

from nmt.data.corpus import Bitext, Split
from nmt.errors import ConfigError

NO_LANGUAGE = "zxx"
"""The code of ISO 639-2 for what is no language."""

MAX_SYMBOLS = len(string.ascii_lowercase)
MAX_LENGTH = 1500
MAX_PAIRS = 1_000_000

KEY_PLACES = 10
"""So many of the first places may hold what `retrieval` asks for."""

REPEATS = (1, 2, 3)
"""How often `expansion` writes a symbol."""


def check_seed(seed: int) -> None:
    """Raises ConfigError for a negative seed: NumPy takes none, and Python draws the same for -1 as for 1."""
    if seed < 0:
        raise ConfigError(f"data.seed must be 0 or more; got {seed}.")


class TaskPair(NamedTuple):
    """Words of either side, and the source word that each target word comes from."""

    source: list[str]
    target: list[str]
    origins: list[int]


class SymbolTask(ABC):
    """Strings of symbols, the first letters of the alphabet, drawn alike and independently, and what a task makes of
    them. train, validation and test are numbers of pairs; lengths are drawn from `shortest` to `longest`. test_length:
    that of every string of the test set, None for such lengths too: longer ones ask what a model knows of lengths.

    The text is a function of the settings. Pairs of test and validation are drawn first, and strings of one split may
    occur in another where there are few of them. Raises ConfigError for a number that is out of range.
    """

    name: ClassVar[str]

    def __init__(
        self,
        *,
        symbols: int = 20,
        shortest: int = 5,
        longest: int = 10,
        test_length: int | None = None,
        seed: int = 1,
        train: int = 20000,
        validation: int = 500,
        test: int = 500,
    ) -> None:
        check_seed(seed)
        if not 1 <= symbols <= MAX_SYMBOLS:
            raise ConfigError(f"data.symbols must be from 1 to {MAX_SYMBOLS}, the letters there are; got {symbols}.")
        if not 1 <= shortest <= longest <= MAX_LENGTH:
            raise ConfigError(
                f"data.shortest and data.longest must be from 1 to {MAX_LENGTH}, the longest not below the shortest; "
                f"got {shortest} and {longest}."
            )
        if test_length is not None and not 1 <= test_length <= MAX_LENGTH:
            raise ConfigError(
                f"data.test_length must be from 1 to {MAX_LENGTH}, or null for the lengths of all strings; got "
                f"{test_length}."
            )
        self.test_length = test_length
        self.sizes: dict[Split, int] = {"test": test, "validation": validation, "train": train}
        for split, size in self.sizes.items():
            if not 1 <= size <= MAX_PAIRS:
                raise ConfigError(f"data.{split} is a number of pairs, from 1 to {MAX_PAIRS}; got {size}.")
        self.symbols, self.shortest, self.longest, self.seed = symbols, shortest, longest, seed
        self.source_language = self.target_language = NO_LANGUAGE

    @abstractmethod
    def draw(self, random: Random, letters: list[str]) -> TaskPair:
        """The pair of a string of letters."""

    def check(self) -> None:
        """Nothing can be missing: the task is code."""
        return None

    def get_identity(self) -> dict[str, Any]:
        """All that shapes the text."""
        settings = {"symbols": self.symbols, "shortest": self.shortest, "longest": self.longest, "seed": self.seed}
        sizes = {str(split): size for split, size in self.sizes.items()}
        if self.test_length is not None:
            settings["test_length"] = self.test_length
        return {"corpus": self.name, "version": 1} | settings | sizes

    def load(self, split: Split) -> Bitext:
        """The pairs of a split; the first call draws all."""
        start = 0
        for name, size in self.sizes.items():
            if name == split:
                break
            start += size
        pairs = self._pairs[start : start + self.sizes[split]]
        links = [
            " ".join(f"{s}-{t}" for t, s in sorted(enumerate(pair.origins), key=lambda link: link[::-1]))
            for pair in pairs
        ]
        return Bitext([" ".join(pair.source) for pair in pairs], [" ".join(pair.target) for pair in pairs], links)

    @cached_property
    def _pairs(self) -> list[TaskPair]:
        return list(self._draw_all())

    def _draw_all(self) -> Iterator[TaskPair]:
        random = Random(self.seed)
        alphabet = string.ascii_lowercase[: self.symbols]
        for split, size in self.sizes.items():
            fixed = self.test_length if split == "test" else None
            for _ in range(size):
                length = random.randint(self.shortest, self.longest) if fixed is None else fixed
                yield self.draw(random, random.choices(alphabet, k=length))


class Copying(SymbolTask):
    """The same string. With few symbols content tells no two places apart, so attention must know where it was."""

    name = "copying"

    def draw(self, random: Random, letters: list[str]) -> TaskPair:
        return TaskPair(letters, letters, list(range(len(letters))))


class Reversal(SymbolTask):
    """The string backwards, each symbol replaced by the capital of the one after it in the alphabet."""

    name = "reversal"

    def draw(self, random: Random, letters: list[str]) -> TaskPair:
        capitals = string.ascii_uppercase[: self.symbols]
        target = [capitals[(ord(letter) - ord("a") + 1) % self.symbols] for letter in reversed(letters)]
        return TaskPair(letters, target, list(reversed(range(len(letters)))))


class Expansion(SymbolTask):
    """a2 b1 c3 -> a a b c c c: each symbol as often as its number says, from left to right (monotonic)."""

    name = "expansion"

    def draw(self, random: Random, letters: list[str]) -> TaskPair:
        counts = random.choices(REPEATS, k=len(letters))
        source = [f"{letter}{count}" for letter, count in zip(letters, counts, strict=True)]
        target = [letter for letter, count in zip(letters, counts, strict=True) for _ in range(count)]
        return TaskPair(source, target, [place for place, count in enumerate(counts) for _ in range(count)])


class Retrieval(SymbolTask):
    """a d B c c a ... -> B: the one capital, which is among the first ten letters, however many follow.

    A long string asks how what is far apart is brought together.
    """

    name = "retrieval"

    def draw(self, random: Random, letters: list[str]) -> TaskPair:
        place = random.randrange(min(KEY_PLACES, len(letters)))
        key = letters[place].upper()
        return TaskPair([*letters[:place], key, *letters[place + 1 :]], [key], [place])


TASKS: dict[str, type[SymbolTask]] = {cls.name: cls for cls in (Copying, Reversal, Expansion, Retrieval)}
