"""Words with meaning keys, and how two sides that share keys become a pair of sentences with links."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Word(NamedTuple):
    """A word and the meanings it carries; two words of different sides are linked where they share one.

    The link is sure when both carry the meaning as `sure`, otherwise possible.
    """

    text: str
    sure: tuple[int, ...]
    possible: tuple[int, ...] = ()


Words = tuple[Word, ...]
COMMA = Word(",", ())


class Chunk(NamedTuple):
    """The two sides of a constituent; `slot` says where it stands in the German middle field."""

    english: Words
    german: Words
    slot: str = "late"


class SentencePair(NamedTuple):
    english: str
    german: str
    links: tuple[tuple[int, int, bool], ...]
    """(English word, German word, sure?), in order."""


def make_words(texts: Iterable[str], sure: tuple[int, ...], possible: tuple[int, ...] = ()) -> Words:
    return tuple(Word(text, sure, possible) for text in texts)


def write_side(side: Sequence[Word], mark: str) -> tuple[str, list[Word]]:
    """The sentence as it is written and its words; commas and the closing mark attach to the word before them."""
    texts: list[str] = []
    kept: list[Word] = []
    for word in side:
        if word is not COMMA:
            texts.append(word.text)
            kept.append(word)
        elif not texts[-1].endswith(","):
            texts[-1] += ","
    texts[0] = texts[0][0].upper() + texts[0][1:]
    return " ".join(texts).removesuffix(",") + mark, kept


def link_pair(english: Sequence[Word], german: Sequence[Word], mark: str) -> SentencePair:
    """Write both sides down and link the words that share a meaning."""
    english_text, english_words = write_side(english, mark)
    german_text, german_words = write_side(german, mark)
    holders: dict[int, list[tuple[int, bool]]] = {}
    for j, word in enumerate(german_words):
        for key in word.sure:
            holders.setdefault(key, []).append((j, True))
        for key in word.possible:
            holders.setdefault(key, []).append((j, False))
    links: dict[tuple[int, int], bool] = {}
    for i, word in enumerate(english_words):
        for key in word.sure:
            for j, sure in holders.get(key, ()):
                links[i, j] = links.get((i, j), False) or sure
        for key in word.possible:
            for j, _ in holders.get(key, ()):
                links.setdefault((i, j), False)
    return SentencePair(english_text, german_text, tuple((i, j, sure) for (i, j), sure in sorted(links.items())))
