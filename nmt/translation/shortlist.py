"""What each source piece is translated to: a lexicon learnt from a bitext, and the words it leaves a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.data.encoded import RaggedIds
from nmt.data.lexicon import choose_evenly, count_kinds
from nmt.errors import ConfigError, DataError
from nmt.special_tokens import EOS, PAD, UNK

ROUNDS = 5
MAX_CELLS = 2**25
"""The most pairs of a source and a target position that a lexicon is learnt from, to bound memory."""


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
    is_used = choose_evenly(cells, MAX_CELLS)
    kinds, blocks = count_kinds(source.select(is_used), target.select(is_used), target_vocab)
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
        known_own = [np.where(ids < len(translations), ids, UNK) for ids in own]  # others may be copied
        begun = [np.asarray(prefix, np.int64) for prefix in prefixes or [()] * len(own)]
        each = [
            np.concatenate([everywhere, translations[known].ravel(), ids if joint else ids[:0], prefix])
            for ids, known, prefix in zip(own, known_own, begun, strict=True)
        ]
        words, places = np.unique(np.concatenate(each), return_inverse=True)
        allowed = np.zeros((len(sentences), len(words)), bool)
        allowed[np.repeat(np.arange(len(each)), [len(some) for some in each]), places] = True
        return Shortlist(words.astype(np.int64), allowed)


SHORTLISTS: dict[str, type[FullVocabulary | LexicalShortlist]] = {"none": FullVocabulary, "lexical": LexicalShortlist}
