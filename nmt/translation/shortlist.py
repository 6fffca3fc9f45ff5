"""What each source piece is translated to: a lexicon learnt from a bitext, and the words it leaves a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.data.encoded import RaggedIds
from nmt.errors import ConfigError, DataError
from nmt.special_tokens import EOS, PAD

ROUNDS = 5
MAX_CELLS = 2**25
"""The most pairs of a source and a target position that a lexicon is learnt from, to bound memory."""

BLOCK_CELLS = 2**21
"""So many pairs of positions, or those of one sentence pair if it has more, are worked on at once."""


class Lexicon(NamedTuple):
    """translations: target ids of each source id, most probable first, then PAD. frequent: target ids by frequency."""

    translations: NDArray[np.int32]
    frequent: NDArray[np.int32]


class Shortlist(NamedTuple):
    """words: target ids, increasing, control symbols first. allowed: which of them each sentence may be made of."""

    words: NDArray[np.int64]
    allowed: NDArray[np.bool_]


def train_ibm1(
    source: RaggedIds, target: RaggedIds, *, source_vocab: int, target_vocab: int, max_translations: int
) -> Lexicon:
    """The `max_translations` most probable translations of every source piece under IBM model 1 (Brown et al. 1993)

        t(f | e) = sum over pairs, positions of  t(f | e) / sum over e' in the source of t(f | e')  ...normalized

    after 5 rounds of expectation maximization from a uniform start; ties go to the lower id. Of a bitext with more than
    2^25 pairs of positions, evenly spaced sentence pairs are used. Memory is that of the largest pair at least: see
    `select_short`. Raises DataError where there is nothing to learn.
    """
    cells = source.lengths * target.lengths
    if not cells.sum():
        raise DataError("A lexicon needs pairs of sentences that are not empty; this text has none.")
    # Every n-th pair, for the least n that brings the cells under the bound.
    step = next(n for n in range(1, len(cells) + 1) if cells[::n].sum() <= MAX_CELLS or n == len(cells))
    is_used = np.zeros(len(cells), np.bool_)
    is_used[np.flatnonzero(cells)[::step]] = True
    kinds, blocks = _count_kinds(source.select(is_used), target.select(is_used), target_vocab)
    first, second = np.divmod(kinds, target_vocab)
    probability = np.ones(len(kinds))
    for _ in range(ROUNDS):
        count = np.zeros(len(kinds))
        for block in blocks:
            each = probability[block.kind]
            each /= np.repeat(np.add.reduceat(each, np.cumsum(block.times) - block.times), block.times)
            np.add.at(count, block.kind, each)
        probability = count / np.bincount(first, count, minlength=source_vocab)[first]
    order = np.lexsort((second, -probability, first))
    first, second = first[order], second[order]
    rank = np.arange(len(first)) - np.searchsorted(first, first)
    found = np.full((source_vocab, max_translations), PAD, np.int32)
    found[first[rank < max_translations], rank[rank < max_translations]] = second[rank < max_translations]
    counts = np.bincount(target.flat, minlength=target_vocab)
    return Lexicon(found, np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)].astype(np.int32))


def select_short(source: RaggedIds, target: RaggedIds, max_length: int) -> tuple[RaggedIds, RaggedIds, list[int]]:
    """The pairs of at most `max_length` pieces on either side, and the places of the others, from 0.

    The pairs of positions of a pair are the product of its lengths, so that one long line would fill the memory.
    """
    is_short = np.maximum(source.lengths, target.lengths) <= max_length
    return source.select(is_short), target.select(is_short), np.flatnonzero(~is_short).tolist()


class _Block(NamedTuple):
    """Some sentence pairs: for every pair of a source and a target position which kind it is, target by target, and
    how many source positions each target position meets."""

    kind: NDArray[np.int32]
    times: NDArray[np.int32]


def _count_kinds(source: RaggedIds, target: RaggedIds, target_vocab: int) -> tuple[NDArray[np.int64], list[_Block]]:
    """The kinds, which are the distinct pairs of a source and a target id, each as one number, in order; and the bitext
    as blocks of about BLOCK_CELLS pairs of positions, so that little more than one block is in memory as numbers."""
    ends = np.cumsum(source.lengths * target.lengths)
    block_of_pair = (ends - 1) // BLOCK_CELLS
    kinds, found = np.zeros(0, np.int64), list[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]]()
    for number in np.unique(block_of_pair):
        inside = block_of_pair == number
        entry, times = _pair_positions(source.select(inside), target.select(inside), target_vocab)
        own_kinds, places = np.unique(entry, return_inverse=True)
        found.append((own_kinds, places.astype(np.int32), times.astype(np.int32)))
        merged = np.sort(np.concatenate([kinds, own_kinds]))  # several times as fast as np.union1d
        kinds = merged[np.diff(merged, prepend=-1) != 0]
    return kinds, [_Block(np.searchsorted(kinds, own)[places].astype(np.int32), times) for own, places, times in found]


def _pair_positions(
    source: RaggedIds, target: RaggedIds, target_vocab: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For every pair of a source and a target position, the two ids as one number, target position by target position;
    and how many source positions each target position meets."""
    times = np.repeat(source.lengths, target.lengths)
    starts = np.repeat(source.offsets[:-1], target.lengths)
    inside = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
    entry = source.flat[np.repeat(starts, times) + inside].astype(np.int64) * target_vocab
    return entry + np.repeat(target.flat, times), times


@dataclass(frozen=True, kw_only=True)
class FullVocabulary:
    """Every sentence may be made of the whole vocabulary."""


@dataclass(frozen=True, kw_only=True)
class LexicalShortlist:
    """A sentence may be made of the most probable translations of its pieces and of the most frequent words.

    translations: of each source piece. frequent: words, for every sentence. Control symbols are always allowed, and so
    are the source's own pieces where the two languages have one vocabulary, for what is copied.
    """

    translations: int = 20
    frequent: int = 100

    def __post_init__(self) -> None:
        if self.translations < 1 or self.frequent < 0:
            raise ConfigError(
                "a shortlist needs at least 1 translation a piece, and 0 or more frequent words; "
                f"got translations {self.translations} and frequent {self.frequent}."
            )

    def shortlist(
        self,
        lexicon: Lexicon,
        sentences: Sequence[Sequence[int]],
        *,
        joint: bool,
        prefixes: Sequence[Sequence[int]] | None = None,
    ) -> Shortlist:
        """The words of a batch, those of a sentence's prefix among them. What a sentence may be made of does not depend
        on the rest of the batch."""
        translations = lexicon.translations[:, : self.translations]
        everywhere = np.concatenate([np.arange(EOS + 1), lexicon.frequent[: self.frequent]])
        own = [np.asarray(sentence, np.int64) for sentence in sentences]
        begun = [np.asarray(prefix, np.int64) for prefix in prefixes or [()] * len(own)]
        each = [
            np.concatenate([everywhere, translations[ids].ravel(), ids if joint else ids[:0], prefix])
            for ids, prefix in zip(own, begun, strict=True)
        ]
        words, places = np.unique(np.concatenate(each), return_inverse=True)
        allowed = np.zeros((len(sentences), len(words)), bool)
        allowed[np.repeat(np.arange(len(each)), [len(some) for some in each]), places] = True
        return Shortlist(words.astype(np.int64), allowed)


SHORTLISTS: dict[str, type[FullVocabulary | LexicalShortlist]] = {"none": FullVocabulary, "lexical": LexicalShortlist}
