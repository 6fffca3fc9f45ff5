"""Which word of a line a piece is a part of."""

import bisect
import itertools
from collections.abc import Sequence


def assign_words(line: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """For each piece, by its span of characters, the word of the line that it is a part of: see
    `Tokenizer.encode_with_words`."""
    ends = list(itertools.accumulate(len(word) for word in line.split()))
    visible = [place for place, character in enumerate(line) if not character.isspace()]
    words = []
    for start, end in offsets:
        before = bisect.bisect_left(visible, end)  # visible characters before the end of the piece
        inside = before > bisect.bisect_left(visible, start)
        character = before - 1 if inside else before
        words.append(max(0, min(bisect.bisect_right(ends, character), len(ends) - 1)))
    return words
