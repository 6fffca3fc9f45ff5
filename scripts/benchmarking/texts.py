"""Text to measure with: made up in any amount where none is given, and written for whoever reads plain files."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from nmt.data.corpus import Corpus
from nmt.data.tokenizer import Tokenizer
from nmt.special_tokens import END

SYLLABLES = [f"{consonant}{vowel}" for consonant in "bdfghklmnprstvz" for vowel in ("a", "e", "i", "o", "u", "au")]
WORDS = 20_000
MEAN = 12
"""Words of a line, on average."""


def words(marker: str) -> list[str]:
    """As many words as there are; the most frequent ones are the shortest. `marker` makes a language of them."""
    count = len(SYLLABLES)
    made = []
    for number in range(WORDS):
        word, rest = SYLLABLES[number % count], number // count
        while rest:
            word, rest = word + SYLLABLES[rest % count], rest // count
        made.append(word + marker)
    return made


def bitext(lines: int, seed: int) -> tuple[list[str], list[str]]:
    """Lines of Zipf-distributed words, and the same word by word in another language, backwards."""
    draw = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, WORDS + 1)
    lengths = draw.poisson(MEAN - 3, lines) + 3
    numbers = draw.choice(WORDS, size=int(lengths.sum()), p=shares / shares.sum())
    source, target = words(""), words("n")
    cuts = np.split(numbers, np.cumsum(lengths)[:-1])
    return (
        [" ".join(source[number] for number in cut) for cut in cuts],
        [" ".join(target[number] for number in cut[::-1]) for cut in cuts],
    )


def write(path: Path, lines: Iterable[str]) -> Path:
    """One line a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def files(folder: Path, *, lines: int) -> list[str]:
    """Made-up training and validation files, and the overrides of `nmt-train` that name them."""
    given = ["data=files", "data.source_language=xx", "data.target_language=yy"]
    for split, count, seed in (("train", lines, 1), ("validation", 1000, 2)):
        sides = zip(("source", "target"), bitext(count, seed), strict=True)
        given += [f"data.{split}.{side}={write(folder / f'{split}.{lines}.{side}', text)}" for side, text in sides]
    return given


def spread(corpus: Corpus, serialized: bytes, folder: Path, sentences: int, peers: bool) -> None:
    """The first validation lines, to be translated: `test.source` and `test.target`; and for peers the corpus as they
    read it.

    Those are lines and lines of pieces with spaces between them, whitespace made plain in both, so that every toolkit
    sees the same lines, the SentencePiece model, and its pieces without the control symbols.
    """
    validation = corpus.load("validation")
    assert validation is not None
    lines = plain(validation.source)[:sentences]
    write(folder / "test.source", lines)
    write(folder / "test.target", validation.target[:sentences])
    if not peers:
        return
    tokenizer = Tokenizer.load(serialized)
    (folder / "spm.model").write_bytes(serialized)
    write(folder / "vocabulary.pieces", tokenizer.pieces(range(END + 1, tokenizer.vocab_size)))
    write(folder / "test.pieces", segmented(tokenizer, lines))
    for name, sides in (("train", corpus.load("train")), ("validation", validation)):
        assert sides is not None
        for side, text in (("source", sides.source), ("target", sides.target)):
            write(folder / f"{name}.{side}", plain(text))
            write(folder / f"{name}.{side}.pieces", segmented(tokenizer, plain(text)))


def plain(lines: Sequence[str]) -> list[str]:
    """Lines whose only whitespace is single spaces."""
    return [" ".join(line.split()) for line in lines]


def segmented(tokenizer: Tokenizer, lines: Sequence[str]) -> list[str]:
    """Lines in pieces, with spaces between them."""
    return [" ".join(tokenizer.pieces(ids)) for ids in tokenizer.encode(lines)]
