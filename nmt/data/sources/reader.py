"""What a source line becomes before a model reads it: ids of pieces, or a sequence of features, and what makes it."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from nmt.data.line_errors import LineError
from nmt.data.pictures.source_picture import SourcePicture
from nmt.errors import DataError

Features = Float32[ndarray, "_ ..."]
"""Of each position of a source, an array of one shape: a vector, the slice of a picture."""

SourceItem = Sequence[int] | Features
"""What a line is to a model, without its end: the ids of pieces, or features [position, *feature]."""


@runtime_checkable
class SourceReader(Protocol):
    """Turns source lines into items, and names their positions. For text it is a `Tokenizer`.

    reads_text: whether items are ids of a vocabulary. sampling: as in `Tokenizer`; 0 where an item is never drawn.
    """

    reads_text: ClassVar[bool]
    sampling: float

    @property
    def serialized(self) -> bytes:
        """All that shapes an item: two readers with the same make the same items."""

    @property
    def vocab_size(self) -> int:
        """How many ids there are; 0 where an item is no ids."""

    def encode(self, lines: Sequence[str]) -> Sequence[SourceItem]:
        """The item of each line; that of an empty line has no position. Raises LineError."""

    def sample(self, lines: Sequence[str], *, seed: int) -> Sequence[SourceItem]:
        """A random item of each line: a pure function of lines and seed; `encode` where sampling is 0."""

    def encode_with_words(self, line: str) -> tuple[SourceItem, list[int]]:
        """The item of a line and, for each position, the index of its word in `split_words`. Raises DataError."""

    def split_words(self, line: str) -> list[str]:
        """What heatmaps, reports and links call the words of a line."""

    def label(self, item: SourceItem) -> list[str]:
        """A name for each position of an item."""


class FeatureReader(ABC):
    """A reader of lines that are no text: an item is features, and each of its positions is a word of its own.

    Its constructor takes those settings of `model.source` that shape an item, by the names that the frontend has for
    them. feature_shape: that of the features of one position. is_grid: whether positions are cells of a picture,
    of which there are always as many.
    """

    reads_text: ClassVar[bool] = False
    is_grid: ClassVar[bool] = False
    vocab_size = 0
    sampling = 0.0
    feature_shape: tuple[int, ...]

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    @property
    def serialized(self) -> bytes:
        return json.dumps({"reader": type(self).__name__, **self.settings}, sort_keys=True).encode()

    @abstractmethod
    def read(self, line: str) -> Features:
        """The item of a line that is not blank. Raises DataError, which says what is wrong and not where."""

    def check_line(self, line: str) -> None:
        """Raises DataError where it can be told fast that a line that is not blank cannot be read."""
        return

    def check(self, lines: Sequence[str]) -> None:
        """Raises LineError for the first line of which `check_line` says that it cannot be read."""
        for index, line in enumerate(lines):
            try:
                if line.strip():
                    self.check_line(line)
            except DataError as problem:
                raise LineError(index, str(problem)) from None

    def encode(self, lines: Sequence[str]) -> list[Features]:
        found = []
        for index, line in enumerate(lines):
            try:
                found.append(self.read_any(line))
            except DataError as problem:
                raise LineError(index, str(problem)) from None
        return found

    def sample(self, lines: Sequence[str], *, seed: int) -> list[Features]:
        return self.encode(lines)

    def read_any(self, line: str) -> Features:
        """The item of any line."""
        return self.read(line) if line.strip() else np.zeros((0, *self.feature_shape), np.float32)

    def encode_with_words(self, line: str) -> tuple[SourceItem, list[int]]:
        item = self.read_any(line)
        return item, list(range(len(item)))

    def split_words(self, line: str) -> list[str]:
        return self.label(self.read_any(line))

    def label(self, item: SourceItem) -> list[str]:
        return [str(position) for position in range(len(item))]

    def show(self, line: str) -> SourcePicture | None:
        """The picture that a line is to the model, with the part that each position is; None where it is none."""
        return None
