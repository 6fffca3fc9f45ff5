"""Text to measure with: made up in any amount where none is given, and written for whoever reads plain files."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from nmt.data.corpus import Corpus
from nmt.data.tokenizer import Tokenizer
from nmt.special_tokens import EOS

SYLLABLES = [f"{consonant}{vowel}" for consonant in "bdfghklmnprstvz" for vowel in ("a", "e", "i", "o", "u", "au")]
VOCABULARY_SIZE = 20_000
MEAN_LENGTH = 12
"""Words of a line, on average."""


def make_words(marker: str) -> list[str]:
    """As many words as there are; the most frequent ones are the shortest. `marker` makes a language of them."""
    count = len(SYLLABLES)
    made = []
    for number in range(VOCABULARY_SIZE):
        word, rest = SYLLABLES[number % count], number // count
        while rest:
            word, rest = word + SYLLABLES[rest % count], rest // count
        made.append(word + marker)
    return made


def make_bitext(lines: int, seed: int) -> tuple[list[str], list[str]]:
    """Lines of Zipf-distributed words, and the same word by word in another language, backwards."""
    draw = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, VOCABULARY_SIZE + 1)
    lengths = draw.poisson(MEAN_LENGTH - 3, lines) + 3
    numbers = draw.choice(VOCABULARY_SIZE, size=int(lengths.sum()), p=shares / shares.sum())
    source, target = make_words(""), make_words("n")
    cuts = np.split(numbers, np.cumsum(lengths)[:-1])
    return (
        [" ".join(source[number] for number in cut) for cut in cuts],
        [" ".join(target[number] for number in cut[::-1]) for cut in cuts],
    )


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    """One line a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_bitext_files(folder: Path, *, lines: int) -> list[str]:
    """Made-up training and validation files, and the overrides of `nmt-train` that name them."""
    overrides = ["data=files", "data.source_language=xx", "data.target_language=yy"]
    for split, count, seed in (("train", lines, 1), ("validation", 1000, 2)):
        sides = zip(("source", "target"), make_bitext(count, seed), strict=True)
        overrides += [
            f"data.{split}.{side}={write_lines(folder / f'{split}.{lines}.{side}', text)}" for side, text in sides
        ]
    return overrides


def write_texts(corpus: Corpus, serialized: bytes, folder: Path, sentences: int, peers: bool) -> None:
    """The first validation lines, to be translated: `test.source` and `test.target`; and for peers the corpus as they
    read it.

    Those are lines and lines of pieces with spaces between them, whitespace made plain in both, so that every toolkit
    sees the same lines, the SentencePiece model, and its pieces without the control symbols.
    """
    validation = corpus.load("validation")
    assert validation is not None
    lines = normalize_whitespace(validation.source)[:sentences]
    write_lines(folder / "test.source", lines)
    write_lines(folder / "test.target", validation.target[:sentences])
    if not peers:
        return
    tokenizer = Tokenizer.load(serialized)
    (folder / "spm.model").write_bytes(serialized)
    write_lines(folder / "vocabulary.pieces", tokenizer.convert_ids_to_pieces(range(EOS + 1, tokenizer.vocab_size)))
    write_lines(folder / "test.pieces", segment(tokenizer, lines))
    for name, sides in (("train", corpus.load("train")), ("validation", validation)):
        assert sides is not None
        for side, text in (("source", sides.source), ("target", sides.target)):
            write_lines(folder / f"{name}.{side}", normalize_whitespace(text))
            write_lines(folder / f"{name}.{side}.pieces", segment(tokenizer, normalize_whitespace(text)))


def normalize_whitespace(lines: Sequence[str]) -> list[str]:
    """Lines whose only whitespace is single spaces."""
    return [" ".join(line.split()) for line in lines]


def segment(tokenizer: Tokenizer, lines: Sequence[str]) -> list[str]:
    """Lines in pieces, with spaces between them."""
    return [" ".join(tokenizer.convert_ids_to_pieces(ids)) for ids in tokenizer.encode(lines)]
