"""Random segmentations of words, from nothing but the words and the random numbers: the same in every process.

SentencePiece samples as well, but it mixes its seed with entropy of the process, so that no run could be repeated, and
none resumed exactly. Pieces never cross the beginning of a word, so that every word is drawn for itself. What the
occurrences of a word have in common is computed once and kept; all words of a call are drawn side by side.
"""

import math
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_TABLE_BYTES = 2**26
"""Bytes that the table of known words may have before it is begun anew."""

UNIT = 2**36
"""Probabilities of a unigram model are whole multiples of 1 / UNIT. Sums of whole numbers are exact, so that a draw
does not depend on where in the table a word lies, which depends on the words that were met before."""

UNMERGEABLE_RANK = np.iinfo(np.int32).max
"""The rank of a pair that cannot be merged."""


class ScoredPiece(NamedTuple):
    """score: its log-probability in a unigram model; the higher, the earlier it is merged in BPE."""

    id: int
    score: float


class SampledPieces(NamedTuple):
    """Ids of pieces, each with the word (an index) that it is a part of and its place there; in any order."""

    words: NDArray[np.int64]
    positions: NDArray[np.int64]
    ids: NDArray[np.int32]


class SubwordSampler(ABC):
    """Draws segmentations into `pieces`, whose scores are those of the model.

    `fallback` gives the ids of words that the pieces cannot spell.
    """

    def __init__(
        self, pieces: Mapping[str, ScoredPiece], alpha: float, fallback: Callable[[str], Sequence[int]]
    ) -> None:
        self.pieces = pieces
        self.alpha = alpha
        self.fallback = fallback
        self.longest = max(map(len, pieces), default=0)
        self.word_table = _WordTable(self._learn)

    def draw(self, words: Sequence[str], generator: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The ids of one segmentation of each word (not ""), one after the other, and how many each word has.

        A pure function of the words and the state of `generator`.
        """
        if self._count_bytes() > MAX_TABLE_BYTES:
            self.word_table.clear()
            self._clear()
        entries = np.fromiter(map(self.word_table.__getitem__, words), np.int64, len(words))
        spelled = np.flatnonzero(entries >= 0)
        sizes = np.fromiter(map(len, words), np.int64, len(words))[spelled]
        parts = [
            part._replace(words=spelled[part.words])
            for part in self._draw_segmentations(entries[spelled], sizes, generator)
        ]
        for word in np.flatnonzero(entries < 0).tolist():
            ids = np.array(self.fallback(words[word]), dtype=np.int32)
            parts.append(SampledPieces(np.full(len(ids), word), np.arange(len(ids)), ids))
        return _order_by_word(parts, len(words))

    @abstractmethod
    def _learn(self, word: str) -> int | None:
        """Puts a word into the table and returns where; None if the pieces cannot spell it."""

    @abstractmethod
    def _draw_segmentations(
        self, entries: NDArray[np.int64], sizes: NDArray[np.int64], generator: np.random.Generator
    ) -> Iterator[SampledPieces]:
        """Segmentations of the words that lie at `entries` and have `sizes` characters."""

    @abstractmethod
    def _count_bytes(self) -> int:
        """How many bytes the table has."""

    @abstractmethod
    def _clear(self) -> None:
        """Makes the table empty."""


class UnigramSampler(SubwordSampler):
    """p(x_1 .. x_n) ~ prod_i p(x_i) ^ strength, over all segmentations of the word   (Kudo 2018, equation 7)

    Filtering from the end of the word, then sampling from its beginning: exact, and without a list of the best
    segmentations. A state is a word with a place in it where a piece may start; what may be drawn there are its arcs.
    """

    def __init__(
        self, pieces: Mapping[str, ScoredPiece], alpha: float, fallback: Callable[[str], Sequence[int]]
    ) -> None:
        super().__init__(pieces, alpha, fallback)
        self.scaled_scores = {text: (piece.id, self.alpha * piece.score) for text, piece in self.pieces.items()}
        self._clear()

    def _clear(self) -> None:
        self.states = 0
        # For each arc: its state * UNIT + the sum of the probabilities of the arcs of its state up to it, its piece,
        # and the state after it, -1 at the end of a word.
        self.bounds, self.ids, self.next = array("q"), array("i"), array("i")

    def _count_bytes(self) -> int:
        return 16 * len(self.ids)

    def _learn(self, word: str) -> int | None:
        size, first = len(word), self.states
        totals: list[float | None] = [None] * size + [0.0]
        arcs = []
        for start in reversed(range(size)):
            ways = [
                (total + found[1], end, found[0])
                for end in range(start + 1, min(start + self.longest, size) + 1)
                if (found := self.scaled_scores.get(word[start:end])) is not None and (total := totals[end]) is not None
            ]
            arcs.append(ways)
            if ways:
                largest = max(ways)[0]
                totals[start] = largest + math.log(math.fsum(math.exp(way[0] - largest) for way in ways))
        if totals[0] is None:
            return None
        for start, ways in enumerate(reversed(arcs)):
            total = totals[start]
            if total is None:
                continue
            sums = [round(UNIT * share) for share in accumulate(math.exp(way[0] - total) for way in ways)]
            sums[-1] = UNIT
            self.bounds.extend([(first + start) * UNIT + min(bound, UNIT) for bound in sums])
            self.ids.extend([way[2] for way in ways])
            self.next.extend([first + way[1] if way[1] < size else -1 for way in ways])
        self.states += size
        return first

    def _draw_segmentations(
        self, entries: NDArray[np.int64], sizes: NDArray[np.int64], generator: np.random.Generator
    ) -> Iterator[SampledPieces]:
        bounds, ids, following = np.array(self.bounds), np.array(self.ids), np.array(self.next)
        words, states, place = np.arange(len(entries)), entries, 0
        while len(words):
            arcs = np.searchsorted(bounds, states * UNIT + generator.integers(UNIT, size=len(states)), side="right")
            yield SampledPieces(words, np.full(len(words), place), ids[arcs])
            states = following[arcs].astype(np.int64)
            going_on = states >= 0
            words, states, place = words[going_on], states[going_on], place + 1


class BpeSampler(SubwordSampler):
    """Merges as BPE does, but at each step leaves out every possible merge with probability `alpha`

    (BPE-dropout: Provilkov, Emelianenko and Voita 2020, algorithm 1.) It ends where all that is possible is left out.
    """

    def __init__(
        self, pieces: Mapping[str, ScoredPiece], alpha: float, fallback: Callable[[str], Sequence[int]]
    ) -> None:
        super().__init__(pieces, alpha, fallback)
        by_score = sorted(self.pieces.values(), key=lambda piece: -piece.score)
        # The last one is for -1, which is no piece.
        self.ranks = np.full(max((piece.id for piece in by_score), default=0) + 2, UNMERGEABLE_RANK, dtype=np.int32)
        self.ranks[[piece.id for piece in by_score]] = np.arange(len(by_score))
        self.numbers = {text: piece.id for text, piece in self.pieces.items()}
        self._clear()

    def _clear(self) -> None:
        # For each character of a word and each length from 0 to the longest there can be: the piece that begins there,
        # or -1.
        self.spans = array("i")

    def _count_bytes(self) -> int:
        return 4 * len(self.spans)

    def _learn(self, word: str) -> int | None:
        if any(character not in self.pieces for character in word):
            return None
        found, size = len(self.spans), len(word)
        longest, get = min(self.longest, size), self.numbers.get
        table: list[int] = []
        for start in range(size):
            ends = range(start + 1, min(start + longest, size) + 1)
            table.append(-1)
            table += [get(word[start:end], -1) for end in ends]
            table += [-1] * (longest - len(ends))
        self.spans.extend(table)
        return found

    def _draw_segmentations(
        self, entries: NDArray[np.int64], sizes: NDArray[np.int64], generator: np.random.Generator
    ) -> Iterator[SampledPieces]:
        spans, widths = np.array(self.spans), np.minimum(sizes, self.longest) + 1

        def look_up_pieces(cuts: NDArray[np.int64], words: NDArray[np.int64], apart: int) -> NDArray[np.int32]:
            lengths = cuts[apart:] - cuts[:-apart]
            lengths[lengths > self.longest] = 0
            found: NDArray[np.int32] = spans[entries[words] + cuts[:-apart] * widths[words] + lengths]
            return found

        # A merge takes one part from every word that goes on, so that all words of one number of parts go together,
        # beginning with the longest. Cuts are the places between the parts; they come first and the words last, so that
        # each operation runs along many words.
        order = np.argsort(-sizes, kind="stable")
        starts = np.searchsorted(-sizes[order], -np.arange(int(sizes.max(initial=0)) + 2), side="left")
        words = order[:0]
        cuts = np.zeros((len(starts), 0), dtype=np.int64)
        for parts in range(len(starts) - 2, 0, -1):
            begun = order[starts[parts] : starts[parts - 1]]
            words = np.concatenate([words, begun])
            whole = np.broadcast_to(np.arange(parts + 1)[:, None], (parts + 1, len(begun)))
            cuts = np.concatenate([cuts[: parts + 1], whole], axis=1)
            left = self._choose_merges(self.ranks[look_up_pieces(cuts, words, 2)], generator)
            ended = left < 0
            ids = look_up_pieces(cuts[:, ended], words[ended], 1)
            places = np.broadcast_to(np.arange(parts)[:, None], ids.shape)
            yield SampledPieces(np.broadcast_to(words[ended], ids.shape).ravel(), places.ravel(), ids.ravel())
            words, cuts, left = words[~ended], cuts[:, ~ended], left[~ended]
            cuts = np.where(np.arange(parts)[:, None] <= left, cuts[:-1], cuts[1:])

    def _choose_merges(self, ranks: NDArray[np.int32], generator: np.random.Generator) -> NDArray[np.int64]:
        """For each word, the place of the merge that is done; -1 if none is. `ranks` has a row for each place."""
        if not len(ranks):
            return np.full(ranks.shape[1], -1)
        # The first merge of all in BPE's order, and the leftmost of those of one rank.
        keys = (ranks.astype(np.int64) << 32) + np.arange(len(ranks))[:, None]
        first = keys.min(0)
        asked = np.arange(ranks.shape[1])
        while len(asked):
            asked = asked[(first[asked] >> 32 < UNMERGEABLE_RANK) & (generator.random(len(asked)) < self.alpha)]
            keys[first[asked] & 0xFFFFFFFF, asked] = UNMERGEABLE_RANK << 32
            first[asked] = keys[:, asked].min(0)
        return np.where(first >> 32 < UNMERGEABLE_RANK, first & 0xFFFFFFFF, -1)


class _WordTable(dict[str, int]):
    """Where the words met so far lie in a table; -1 for those that are not in it."""

    def __init__(self, learn: Callable[[str], int | None]) -> None:
        self.learn = learn

    def __missing__(self, word: str) -> int:
        entry = self.learn(word)
        self[word] = -1 if entry is None else entry
        return self[word]


def _order_by_word(parts: Sequence[SampledPieces], words: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    counts = np.zeros(words, dtype=np.int64)
    for part in parts:
        counts += np.bincount(part.words, minlength=words)
    starts = np.cumsum(counts) - counts
    flat = np.empty(int(counts.sum()), dtype=np.int32)
    for part in parts:
        flat[starts[part.words] + part.positions] = part.ids
    return flat, counts
