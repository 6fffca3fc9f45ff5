"""Sentences as ids: a whole side in one flat array, which may lie on disk, so many are no more objects than few."""

import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from nmt.data.line_errors import shift_lines
from nmt.data.sources.reader import SourceItem, SourceReader
from nmt.data.spans import match_lines
from nmt.data.tokenizer import Tokenizers
from nmt.progress import make_bar

LINES_PER_CHUNK = 65_536
"""Lines that are Python objects at one time."""

LINES_PER_SEED = 8_192
"""Lines that are sampled together, each time with a seed of their own."""


MIN_SPOOLED_SENTENCES = 1_000_000
"""From so many on, sentences that are drawn anew lie on disk, beside those that were prepared."""


class RaggedIds(NamedTuple):
    """The ids of many sentences, without BOS and EOS: sentence n is `flat[offsets[n]:offsets[n + 1]]`. Where the source
    is no text, `flat` has float32 features [position, *feature] in their place."""

    flat: NDArray[Any]
    offsets: NDArray[np.int64]

    @classmethod
    def from_sentences(cls, sentences: Sequence[SourceItem]) -> "RaggedIds":
        lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        if len(sentences) and isinstance(sentences[0], np.ndarray):
            return cls(np.concatenate(sentences), offsets)
        return cls(np.fromiter(itertools.chain.from_iterable(sentences), np.int32, int(offsets[-1])), offsets)

    @classmethod
    def concatenate(cls, parts: Sequence["RaggedIds"]) -> "RaggedIds":
        """One after the other."""
        ends = np.cumsum([0] + [part.offsets[-1] for part in parts])
        offsets = [part.offsets[1:] + end for part, end in zip(parts, ends[:-1], strict=True)]
        return cls(np.concatenate([part.flat for part in parts]), np.concatenate([[0], *offsets]).astype(np.int64))

    @property
    def sentences(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    def measure(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        """The lengths of the sentences at these places."""
        offsets = np.asarray(self.offsets)
        lengths: NDArray[np.int64] = offsets[rows + 1] - offsets[rows]
        return lengths

    def get_sentence(self, index: int) -> list[int]:
        return self.flat[self.offsets[index] : self.offsets[index + 1]].tolist()  # type: ignore[no-any-return]

    def get_item(self, index: int) -> SourceItem:
        """A sentence as a model is given it, features as an array."""
        is_ids = self.flat.dtype.kind == "i"
        return self.get_sentence(index) if is_ids else self.flat[self.offsets[index] : self.offsets[index + 1]]

    def slice(self, start: int, stop: int) -> "RaggedIds":
        """The sentences from `start` to before `stop`, which are not copied."""
        offsets = self.offsets[start : stop + 1]
        return RaggedIds(self.flat[offsets[0] : offsets[-1]], offsets - offsets[0])

    def take(self, order: NDArray[np.int64]) -> "RaggedIds":
        """The sentences at these places, in that order."""
        lengths = self.lengths[order]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.repeat(self.offsets[order] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return RaggedIds(self.flat[places], offsets)

    def select(self, mask: NDArray[np.bool_]) -> "RaggedIds":
        """The sentences at which `mask` is True."""
        if mask.all():
            return self
        lengths = self.lengths
        offsets = np.concatenate([[0], np.cumsum(lengths[mask])]).astype(np.int64)
        return RaggedIds(self.flat[np.repeat(mask, lengths)], offsets)


class PackedLines(Sequence[str]):
    """Lines in one flat array of UTF-8 bytes, each ended by a line feed; line n begins at `offsets[n]`."""

    def __init__(self, flat: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        self.flat = flat
        self.offsets = offsets

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> "PackedLines":
        flat, sizes, left = [], [], iter(lines)
        while encoded := [line.encode() + b"\n" for line in itertools.islice(left, LINES_PER_CHUNK)]:
            flat.append(np.frombuffer(b"".join(encoded), np.uint8))
            sizes.append(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), *sizes]).cumsum()
        return cls(np.concatenate([np.zeros(0, dtype=np.uint8), *flat]), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def bytes(self) -> int:
        """Those of all lines, with their ends."""
        return len(self.flat)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                return [self[place] for place in range(start, stop, step)]
            return self._decode_range(start, stop).split("\n")[:-1] if start < stop else []
        place = range(len(self))[index]
        return self._decode_range(place, place + 1)[:-1]

    def _decode_range(self, start: int, stop: int) -> str:
        return self.flat[self.offsets[start] : self.offsets[stop]].tobytes().decode()


class PieceLinks(NamedTuple):
    """Links of words, and which words pieces are of, counted from 0 in each sentence.

    source_words, target_words: of each piece, in the order of the ids. source, target: the words of each link; those of
    pair n are from `offsets[n]` to before `offsets[n + 1]`.
    """

    source_words: NDArray[np.int32]
    target_words: NDArray[np.int32]
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    offsets: NDArray[np.int64]


class TokenizedBitext(NamedTuple):
    """Pairs of sentences as ids, beside their text; `lines` are their places in the split as it was read, from 0.
    links: None where they are not known, or not needed."""

    source: RaggedIds
    target: RaggedIds
    source_text: Sequence[str]
    target_text: Sequence[str]
    lines: NDArray[np.int64]
    links: PieceLinks | None = None

    @property
    def pairs(self) -> int:
        return self.source.sentences

    def take(self, places: Sequence[int]) -> "TokenizedBitext":
        """The pairs at these places, in that order, without links."""
        order = np.asarray(places, dtype=np.int64)
        source, target = ([text[place] for place in places] for text in (self.source_text, self.target_text))
        return TokenizedBitext(self.source.take(order), self.target.take(order), source, target, self.lines[order])


def tokenize(tokenizers: Tokenizers, source: Sequence[str], target: Sequence[str]) -> TokenizedBitext:
    """The best segmentation of every line; a progress bar on a terminal's standard error while there is much to do."""
    return TokenizedBitext(*encode_pairs(tokenizers, source, target), source, target, np.arange(len(source)))


def resegment(
    tokenized: TokenizedBitext,
    tokenizers: Tokenizers,
    seed: Sequence[int],
    check_cancelled: Callable[[], None] = lambda: None,
) -> TokenizedBitext:
    """The same pairs in segmentations drawn anew: a pure function of the text and the seed (numbers from 0).

    A sentence whose sample is longer than every best segmentation of its side keeps its best one, so that the lengths
    that filters and budgets rely on stay true. `check_cancelled` is called now and then, and may end the work by
    raising.
    """
    texts, best = (tokenized.source_text, tokenized.target_text), (tokenized.source, tokenized.target)
    source = _sample_lines(tokenizers.source, texts[0], best[0], [*seed, 0], check_cancelled)
    target = _sample_lines(tokenizers.target, texts[1], best[1], [*seed, 1], check_cancelled, source=texts[0])
    return tokenized._replace(source=source, target=target)


def encode_pairs(tokenizers: Tokenizers, source: Sequence[str], target: Sequence[str]) -> tuple[RaggedIds, RaggedIds]:
    """Both sides of a bitext; spans that the vocabulary lacks have the same ids on both. Raises LineError."""
    return encode(tokenizers.source, source, "source"), encode(tokenizers.target, target, "target", source=source)


def encode(
    tokenizer: SourceReader, lines: Sequence[str], side: str, *, source: Sequence[str] | None = None
) -> RaggedIds:
    """The best segmentation of every line, or its features. source: the lines that these translate, whose spans then
    have the ids that they have there. Raises LineError."""
    # disable=None shows the bar on terminals only
    with make_bar(
        total=len(lines),
        desc=f"encoding {side}",
        unit=" lines",
        leave=False,
        disable=None if len(lines) > LINES_PER_CHUNK else True,
    ) as bar:
        parts = []
        for start, chunk in _iterate_chunks(lines, LINES_PER_CHUNK):
            with shift_lines(start):
                items = tokenizer.encode(chunk)
            if source is not None:
                items = match_lines(tokenizer, source[start : start + len(chunk)], items)
            parts.append(RaggedIds.from_sentences(items))
            bar.update(len(chunk))
    return RaggedIds.concatenate(parts or [RaggedIds.from_sentences([])])


def _sample_lines(
    tokenizer: SourceReader,
    lines: Sequence[str],
    best: RaggedIds,
    seed: Sequence[int],
    check_cancelled: Callable[[], None],
    *,
    source: Sequence[str] | None = None,
) -> RaggedIds:
    if not tokenizer.reads_text:
        return best
    longest = int(best.lengths.max())

    def draw_parts() -> Iterator[RaggedIds]:
        for start, chunk in _iterate_chunks(lines, LINES_PER_SEED):
            check_cancelled()
            number = int(np.random.SeedSequence([*seed, start]).generate_state(1)[0])
            drawn = tokenizer.sample(chunk, seed=number)
            if source is not None:
                drawn = match_lines(tokenizer, source[start : start + len(chunk)], drawn)
            yield RaggedIds.from_sentences(
                [ids if len(ids) <= longest else best.get_sentence(start + at) for at, ids in enumerate(drawn)]
            )

    if isinstance(best.flat, np.memmap) and best.sentences >= MIN_SPOOLED_SENTENCES:
        return _spool_parts(draw_parts(), Path(str(best.flat.filename)).parent.parent)
    return RaggedIds.concatenate(list(draw_parts()))


def _spool_parts(parts: Iterable[RaggedIds], folder: Path) -> RaggedIds:
    """Sentences one after another in files without names in `folder`, mapped into memory: they are gone with them."""
    place = folder if os.access(folder, os.W_OK) else None
    end = 0
    with tempfile.TemporaryFile(dir=place) as flat, tempfile.TemporaryFile(dir=place) as offsets:
        offsets.write(np.zeros(1, np.int64).tobytes())
        for part in parts:
            flat.write(part.flat.astype(np.int32).tobytes())
            offsets.write((part.offsets[1:] + end).tobytes())
            end += int(part.offsets[-1])
        flat.flush()
        offsets.flush()
        return RaggedIds(np.memmap(flat, np.int32, "r"), np.memmap(offsets, np.int64, "r"))


def _iterate_chunks(lines: Sequence[str], size: int) -> Iterator[tuple[int, Sequence[str]]]:
    for start in range(0, len(lines), size):
        yield start, lines[start : start + size]
