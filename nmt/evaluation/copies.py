"""Words that a translation can only copy from its source."""

import string
from collections import Counter
from collections.abc import Sequence


def find_copies(source: Sequence[str], references: Sequence[str]) -> list[set[str]]:
    """The words, without punctuation, that a source line and its reference share and no other source line has: names,
    say, that a model can only copy."""
    found = [set(split_words(line)) for line in source]
    counts = Counter(word for words in found for word in words)
    pairs = zip(found, map(split_words, references), strict=True)
    return [{word for word in words.intersection(others) if counts[word] == 1} for words, others in pairs]


def compute_copied(hypotheses: Sequence[str], copies: Sequence[set[str]]) -> float:
    """The share of such words that the translation has too, in percent."""
    kept = sum(len(words.intersection(split_words(line))) for line, words in zip(hypotheses, copies, strict=True))
    return 100 * kept / max(sum(map(len, copies)), 1)


def split_words(line: str) -> list[str]:
    """The words of a line without the punctuation around them."""
    return [word for each in line.split() if (word := each.strip(string.punctuation))]
