"""What a line has and the vocabulary has not, with ids of its own, so that a model can copy it."""

from collections.abc import Iterable, Sequence
from typing import Any, SupportsIndex, overload

from nmt.data.piece_words import assign_words
from nmt.data.sources.reader import SourceItem, SourceReader
from nmt.data.tokenizer import SentencePieceTrainer, Tokenizer, Tokenizers
from nmt.special_tokens import EOS, UNK


class LineIds(list[int]):
    """Ids of a line of which `first` + j stands for `spans[j]`; `first` is the size of the vocabulary that lacks them.

    A part of them has the same spans.
    """

    def __init__(self, ids: Iterable[int], spans: Sequence[str], first: int) -> None:
        super().__init__(ids)
        self.spans = list(spans)
        self.first = first

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, key: slice) -> "LineIds": ...
    def __getitem__(self, key: SupportsIndex | slice) -> "int | LineIds":
        if isinstance(key, slice):
            return LineIds(super().__getitem__(key), self.spans, self.first)
        return super().__getitem__(key)


class SpanTokenizer(Tokenizer):
    """A tokenizer that has an id for each distinct span of a line which its vocabulary lacks: names, other scripts.

    `encode` and its like give `LineIds` for such a line, with the spans as they stand in the text, in the order in
    which they first do. Every line numbers its spans for itself: see `match_spans`.
    """

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        return [self.number_spans(line, ids) for line, ids in zip(lines, super().encode(lines), strict=True)]

    def sample(self, lines: Sequence[str], *, seed: int) -> list[list[int]]:
        found = super().sample(lines, seed=seed)
        if self.sampling == 0.0:
            return found  # by `encode`
        return [self.number_spans(line, ids) for line, ids in zip(lines, found, strict=True)]

    def encode_with_words(self, line: str) -> tuple[list[int], list[int]]:
        ids, words = super().encode_with_words(line)
        return self.number_spans(line, ids), words

    def find_pieces(self, text: str) -> list[int]:
        return [id if id < self.vocab_size else UNK for id in super().find_pieces(text)]

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        plain = super().decode([self.replace_spans(each) for each in ids])
        return [
            self._decode_spans(each)["text"] if isinstance(each, LineIds) else text
            for each, text in zip(ids, plain, strict=True)
        ]

    def convert_ids_to_pieces(self, ids: Sequence[int]) -> list[str]:
        pieces = super().convert_ids_to_pieces(self.replace_spans(ids))
        if not isinstance(ids, LineIds):
            return pieces
        return [ids.spans[id - ids.first] if id >= ids.first else piece for id, piece in zip(ids, pieces, strict=True)]

    def get_word_indices(self, ids: Sequence[int]) -> list[int]:
        if not isinstance(ids, LineIds):
            return super().get_word_indices(self.replace_spans(ids))
        decoded = self._decode_spans(ids)
        return assign_words(decoded["text"], decoded["offsets"])

    def number_spans(self, line: str, ids: list[int]) -> list[int]:
        """The ids of a line, with those of its spans in place of UNK."""
        if UNK not in ids:
            return ids
        encoded = self._model.encode(line, return_type="offset_mapping")
        places = zip(encoded["ids"], encoded["offsets"], strict=True)
        texts = [line[start:end].strip() for id, (start, end) in places if id == UNK]
        if len(texts) != ids.count(UNK) or not all(texts):  # normalization made them
            return ids
        spans, left = list(dict.fromkeys(texts)), iter(texts)
        numbered = (self.vocab_size + spans.index(next(left)) if id == UNK else id for id in ids)
        return LineIds(numbered, spans, self.vocab_size)

    def replace_spans(self, ids: Sequence[int]) -> list[int]:
        """The ids with UNK in place of spans."""
        return [id if id < self.vocab_size else UNK for id in ids]

    def _decode_spans(self, ids: LineIds) -> Any:
        """The text of ids, and where each of them stands in it."""
        kept = LineIds((id for id in ids if id > EOS or id == UNK), ids.spans, ids.first)
        return self._model.decode(self.convert_ids_to_pieces(kept), return_type="offset_mapping")


def match_spans(source: SourceItem, target: Sequence[int]) -> Sequence[int]:
    """The target's ids, with the numbers that the source has for the same spans, and UNK for spans that it lacks."""
    if not isinstance(target, LineIds):
        return target
    known = source.spans if isinstance(source, LineIds) else []
    if known == target.spans:
        return target
    numbers = [target.first + known.index(span) if span in known else UNK for span in target.spans]
    return LineIds((numbers[id - target.first] if id >= target.first else id for id in target), known, target.first)


def match_lines(reader: SourceReader, lines: Sequence[str], targets: Sequence[SourceItem]) -> list[SourceItem]:
    """`match_spans` of target lines, with the source lines that they belong to."""
    return [
        match_spans(reader.encode([line])[0], target) if isinstance(target, LineIds) else target
        for line, target in zip(lines, targets, strict=True)
    ]


def drop_spans(item: SourceItem) -> SourceItem:
    """The same with UNK in place of spans."""
    return [id if id < item.first else UNK for id in item] if isinstance(item, LineIds) else item


class SpanTrainer(SentencePieceTrainer):
    """Learns one vocabulary for both sides as `trainer` does, for a model that copies what it lacks."""

    def __init__(self, trainer: SentencePieceTrainer) -> None:
        self.trainer = trainer
        self.joint = True
        self.sampling = trainer.sampling

    def get_identity(self) -> dict[str, Any]:
        return {**self.trainer.get_identity(), "spans": True}

    def train(self, source: Sequence[str], target: Sequence[str]) -> Tokenizers:
        return keep_spans(self.trainer.train(source, target))

    def load(self, source: bytes | None, target: bytes | None) -> Tokenizers:
        return keep_spans(self.trainer.load(source, target))


def keep_spans(tokenizers: Tokenizers) -> Tokenizers:
    """Tokenizers of one vocabulary with ids for what it lacks."""
    made = SpanTokenizer(tokenizers.target.serialized, sampling=tokenizers.target.sampling)
    return Tokenizers(made, made)
