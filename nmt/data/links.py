"""Links between the words of training pairs, and between the pieces that these words are cut into."""

import itertools
import logging
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.data.encoded import PieceLinks, RaggedIds, TokenizedBitext
from nmt.data.pharaoh import parse_pharaoh_line
from nmt.data.sources.reader import SourceReader
from nmt.data.symmetrization import grow_diag_final_and
from nmt.data.tokenizer import Tokenizer
from nmt.data.word_aligner import WordAligner
from nmt.progress import make_bar, report_time
from nmt.special_tokens import UNK

LinkSource = Literal["given", "em"]
"""Where links come from: the corpus has them, or expectation maximization makes them."""

LINES_PER_BAR = 65_536
"""A bar is shown for more lines than these."""

logger = logging.getLogger(__name__)


class WordLinks(NamedTuple):
    """Links of many sentence pairs: those of pair n are (source[k], target[k]), offsets[n] <= k < offsets[n + 1]."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @classmethod
    def from_sets(cls, pairs: Sequence[set[tuple[int, int]]]) -> "WordLinks":
        flat = np.array(list(itertools.chain.from_iterable(map(sorted, pairs))), np.int32).reshape(-1, 2)
        return cls(flat[:, 0], flat[:, 1], np.concatenate([[0], np.cumsum(list(map(len, pairs)))]).astype(np.int64))


def parse_links(lines: Sequence[str]) -> WordLinks:
    """The links of Pharaoh lines: the sure ones of each target word, or the possible ones of a word without."""
    pairs = []
    for number, line in enumerate(lines, start=1):
        gold = parse_pharaoh_line(line, where=f"links, line {number}")
        has_sure = {j for _, j in gold.sure}
        pairs.append({*gold.sure, *((i, j) for i, j in gold.possible if j not in has_sure)})
    return WordLinks.from_sets(pairs)


def learn_links(source: Sequence[str], target: Sequence[str]) -> WordLinks:
    """Links by expectation maximization over these very pairs, of both directions by grow_diag_final_and."""
    with report_time(logger, f"aligning the words of {len(source)} pairs"):
        found = WordAligner(source, target).align(source, target)
        pairs = []
        with make_bar(total=len(source), desc="joining directions", unit=" pairs", leave=False, disable=None) as bar:
            for place in range(len(source)):
                forward = {(i, j) for j, i in enumerate(found.forward.get_sentence(place)) if i >= 0}
                backward = {(i, j) for i, j in enumerate(found.backward.get_sentence(place)) if j >= 0}
                pairs.append(grow_diag_final_and(forward, backward))
                bar.update()
    return WordLinks.from_sets(pairs)


def link_pieces(links: WordLinks, train: TokenizedBitext, tokenizers: tuple[SourceReader, Tokenizer]) -> PieceLinks:
    """The links of these pairs, whose `lines` are their places among all, with the word of each of their pieces."""
    source_words = find_words(tokenizers[0], train.source, train.source_text)
    target_words = find_words(tokenizers[1], train.target, train.target_text)
    source, target = (RaggedIds(side, links.offsets).take(train.lines) for side in (links.source, links.target))
    return PieceLinks(source_words, target_words, source.flat, target.flat, source.offsets)


def find_words(tokenizer: SourceReader, ids: RaggedIds, lines: Sequence[str]) -> NDArray[np.int32]:
    """The word of every piece, in the order of `ids.flat`."""
    parts = []
    is_long = len(lines) > LINES_PER_BAR
    with make_bar(
        total=len(lines), desc="finding words", unit=" lines", leave=False, disable=None if is_long else True
    ) as bar:
        for line in lines:
            parts.append(np.array(tokenizer.encode_with_words(line)[1], np.int32))
            bar.update()
    found = np.concatenate([np.zeros(0, np.int32), *parts])
    assert len(found) == len(ids.flat)
    return found


def follow_words(
    best: RaggedIds, words: NDArray[np.int32], drawn: RaggedIds, begins: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """The word of every piece of another segmentation of the same sentences, of which `best` has these `words`.

    begins: for each id, whether its piece begins a word of the normalized text, which no piece crosses.
    """
    places = number_words(best, begins)
    counts = np.zeros(best.sentences, np.int64)
    np.maximum.at(counts, np.repeat(np.arange(best.sentences), best.lengths), places + 1)
    starts = np.cumsum(counts) - counts
    table = np.zeros(int(counts.sum()), np.int32)
    table[np.repeat(starts, best.lengths) + places] = words  # of several pieces the last
    limits = np.repeat(counts, drawn.lengths) - 1
    found: NDArray[np.int32] = table[np.repeat(starts, drawn.lengths) + np.minimum(number_words(drawn, begins), limits)]
    return found


def mark_beginnings(tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """For each id, whether its piece begins a word of normalized text."""
    pieces = tokenizer.convert_ids_to_pieces(range(tokenizer.vocab_size))
    return np.array([piece.startswith("▁") for piece in pieces], np.bool_)


def number_words(ids: RaggedIds, begins: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each piece, how many words of its sentence have begun before it and with it, less one."""
    if not len(ids.flat):
        return np.zeros(0, np.int64)
    total = np.concatenate([[0], np.cumsum(begins[np.where(ids.flat < len(begins), ids.flat, UNK)])])
    before = np.repeat(total[ids.offsets[:-1]], ids.lengths)
    places: NDArray[np.int64] = np.maximum(total[1:] - before - 1, 0)
    return places


def resegment_links(
    before: TokenizedBitext, after: TokenizedBitext, tokenizers: tuple[SourceReader, Tokenizer]
) -> PieceLinks:
    """The links of the same pairs in other segmentations."""
    assert before.links is not None
    source, target = tokenizers
    links = before.links._replace(
        target_words=follow_words(before.target, before.links.target_words, after.target, mark_beginnings(target))
    )
    if not isinstance(source, Tokenizer):
        return links
    return links._replace(
        source_words=follow_words(before.source, before.links.source_words, after.source, mark_beginnings(source))
    )
