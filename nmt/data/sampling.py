"""Random segmentations of words, from nothing but the word and the random numbers: the same in every process.

SentencePiece samples as well, but it mixes its seed with entropy of the process, so that no run could be repeated, and
none resumed exactly. Pieces never cross the beginning of a word, so that words are drawn one by one, and what the
words of a corpus have in common is computed once.
"""

import bisect
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

REMEMBERED = 2**18
"""Words, or partly merged words, whose next choices are kept."""


class Piece(NamedTuple):
    """score: its log-probability in a unigram model; the higher, the earlier it is merged in BPE."""

    id: int
    score: float


class Sampler(ABC):
    """Draws segmentations into `pieces`, whose scores are those of the model."""

    def __init__(self, pieces: Mapping[str, Piece], strength: float) -> None:
        self.pieces = pieces
        self.strength = strength

    @abstractmethod
    def draw(self, word: str, uniform: Callable[[], float]) -> list[int] | None:
        """The ids of one segmentation; None where the pieces cannot spell the word. `uniform` draws from [0, 1)."""


class UnigramSampler(Sampler):
    """p(x_1 .. x_n) ~ prod_i p(x_i) ^ strength, over all segmentations of the word   (Kudo 2018, equation 7)

    Forward filtering, backward sampling: exact, and without a list of the best segmentations.
    """

    def __init__(self, pieces: Mapping[str, Piece], strength: float) -> None:
        super().__init__(pieces, strength)
        self.longest = max(map(len, pieces), default=0)
        self.choices = lru_cache(REMEMBERED)(self._choices)

    def draw(self, word: str, uniform: Callable[[], float]) -> list[int] | None:
        choices = self.choices(word)
        if choices[-1] is None:
            return None
        ids: list[int] = []
        end = len(word)
        while end:
            starts, cumulative = choices[end] or ([], [])
            # The last sum may fall short of 1 by rounding.
            start = starts[min(bisect.bisect_right(cumulative, uniform()), len(starts) - 1)]
            ids.append(self.pieces[word[start:end]].id)
            end = start
        return ids[::-1]

    def _choices(self, word: str) -> list[tuple[list[int], list[float]] | None]:
        """For each end, where its last piece may start and the sums of their probabilities; None: nowhere."""
        totals: list[float | None] = [0.0]
        choices: list[tuple[list[int], list[float]] | None] = [([], [])]
        for end in range(1, len(word) + 1):
            ways = {
                start: total + self.strength * self.pieces[word[start:end]].score
                for start in range(max(0, end - self.longest), end)
                if (total := totals[start]) is not None and word[start:end] in self.pieces
            }
            if not ways:
                totals.append(None)
                choices.append(None)
                continue
            largest = max(ways.values())
            total = largest + math.log(sum(math.exp(way - largest) for way in ways.values()))
            totals.append(total)
            cumulative = itertools.accumulate(math.exp(way - total) for way in ways.values())
            choices.append((list(ways), list(cumulative)))
        return choices


class BpeSampler(Sampler):
    """Merges as BPE does, but at each step leaves out every possible merge with probability `strength`

    (BPE-dropout: Provilkov, Emelianenko and Voita 2020, algorithm 1.) It ends where all that is possible is left out.
    """

    def __init__(self, pieces: Mapping[str, Piece], strength: float) -> None:
        super().__init__(pieces, strength)
        self.merges = lru_cache(REMEMBERED)(self._merges)

    def draw(self, word: str, uniform: Callable[[], float]) -> list[int] | None:
        parts = tuple(word)
        if any(part not in self.pieces for part in parts):
            return None
        while (left := next((m for m in self.merges(parts) if uniform() >= self.strength), None)) is not None:
            parts = (*parts[:left], parts[left] + parts[left + 1], *parts[left + 2 :])
        return [self.pieces[part].id for part in parts]

    def _merges(self, parts: tuple[str, ...]) -> list[int]:
        """The left places of all pairs that can be merged, in the order in which BPE would."""
        joined = [left + right for left, right in itertools.pairwise(parts)]
        possible = [place for place, piece in enumerate(joined) if piece in self.pieces]
        return sorted(possible, key=lambda place: -self.pieces[joined[place]].score)
