"""Words as numbers, for what is learnt about words rather than pieces."""

from collections.abc import Iterable

from nmt.data.encoded import RaggedIds


class WordIds(dict[str, int]):
    """Words by number. Case, and punctuation at the ends of a word, are ignored; words that are met later have the
    number `unseen` once it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.normalized: dict[str, int] = {}
        self.unseen: int | None = None

    def __missing__(self, word: str) -> int:
        bare = normalize_word(word)
        if self.unseen is not None:
            return self.normalized.get(bare, self.unseen)
        self[word] = found = self.normalized.setdefault(bare, len(self.normalized))
        return found

    def encode(self, lines: Iterable[str]) -> RaggedIds:
        """The numbers of the words of each line."""
        return RaggedIds.from_sentences([list(map(self.__getitem__, line.split())) for line in lines])


def normalize_word(word: str) -> str:
    """The word in lower case and without punctuation at its ends, unless it is nothing else."""
    lower = word.lower()
    start, stop = 0, len(lower)
    while start < stop and not lower[start].isalnum():
        start += 1
    while stop > start and not lower[stop - 1].isalnum():
        stop -= 1
    return lower[start:stop] or lower
