"""How many pieces a vocabulary has, and what it is learnt from, where the settings leave it open: `auto`."""

import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from nmt.errors import ConfigError

T = TypeVar("T")

LearnFrom = int | Literal["auto"]
"""How many lines a vocabulary is learnt from at most."""

PIECES_PER_ROOT = 4
"""Pieces for each square root of a running word."""

MIN_AUTO_SIZE, MAX_AUTO_SIZE = 100, 32_000
"""Bounds of the rule, before SentencePiece has its say."""

MAX_COUNTED_LINES = 100_000
"""The most lines of a side that are counted; of more lines, evenly spaced ones stand for all."""

TOO_LARGE = re.compile(r"Please set it to a value <= (\d+)")
TOO_SMALL = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")
"""What SentencePiece says of a size that it cannot make, and the size that it names."""

NO_TEXT = re.compile(r"sentences_\.empty|all_chars_count")
"""What it says where no line has anything to learn from."""

INTERNAL_PLACE = re.compile(r"^\w+: \S+\(\d+\) \[.*?\] ?")
"""Where in its source it found that, which helps nobody."""

MAX_TRAINING_LINES = 2_000_000
"""The most lines that one model is learnt from."""

MAX_TRAINING_BYTES = 32_000_000
"""The most bytes of text that one is learnt from: a unigram model takes some 25 bytes of memory for each."""

CHARACTERS_PER_WORD = 6
"""Characters of a word with the space after it."""

IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""A character of a script in which two, without a space, make a word."""


def choose_size(*sides: Sequence[str]) -> int:
    """A vocabulary size for the text that a model is learnt from: 4 * sqrt(running words), from 100 to 32,000.

    A piece must occur often enough to be learnt (Gowda and May 2020), and small corpora want small vocabularies
    (Sennrich and Zhang 2019: 2,000 pieces for 5,000 pairs of TED talks). The factor puts 29,000 captions at about
    3,500, 160,000 pairs of TED talks at about 10,000 and millions of pairs at 32,000, which are sizes of the
    literature. A pure function of the text, rounded to hundreds.
    """
    size = PIECES_PER_ROOT * math.sqrt(sum(map(count_words, sides)))
    return min(MAX_AUTO_SIZE, max(MIN_AUTO_SIZE, round(size / 100) * 100))


def count_words(lines: Sequence[str]) -> int:
    """About how many words lines have, in any script: by their characters, because not all scripts have spaces."""
    step = max(1, -(-len(lines) // MAX_COUNTED_LINES))
    counted = lines[::step] if step > 1 else lines
    characters = sum(len(line) + 1 + 2 * len(IDEOGRAPH.findall(line)) for line in counted)
    return step * characters // CHARACTERS_PER_WORD


def learn_near(learn: Callable[[int], T], size: int) -> T:
    """What `learn` makes of `size`, or of the nearest size of which SentencePiece can make a model.

    Where `size` has no room for all characters, it counts the pieces that come on top of them. Raises RuntimeError
    where there is no such size.
    """
    wanted, largest = size, sys.maxsize
    while True:
        try:
            return learn(wanted)
        except RuntimeError as problem:
            if limit := TOO_LARGE.search(str(problem)):
                nearest = largest = min(largest, int(limit[1]))
            elif limit := TOO_SMALL.search(str(problem)):
                nearest = min(largest, int(limit[1]) + size)
            else:
                raise
            if nearest == wanted:
                raise
            wanted = nearest


def explain_size(problem: str, size: int | str, side: str, lines: Sequence[str], longest: int) -> str:
    """What SentencePiece found wrong, for a person. `side` names the text; lines of more than `longest` bytes do not
    count."""
    asked = f"tokenizer.vocab_size={size}"
    if largest := TOO_LARGE.search(problem):
        return (
            f"{asked} is too large for the {side} training data ({len(lines)} lines): the largest possible "
            f"size is {largest[1]}. Set tokenizer.vocab_size to at most that, or to auto, or use more data."
        )
    if smallest := TOO_SMALL.search(problem):
        return (
            f"{asked} is too small for the {side} training data: every character and control symbol needs "
            f"a place, and there are {smallest[1]} of them, which is the smallest possible size. Set "
            "tokenizer.vocab_size to that or more, or to auto, or leave rare characters out with a lower "
            "tokenizer.character_coverage."
        )
    if NO_TEXT.search(problem):
        return explain_no_text(side, lines, longest)
    reason = INTERNAL_PLACE.sub("", problem).strip() or "it gave no reason"
    return (
        f"SentencePiece could learn no vocabulary of {asked} from the {side} training data ({len(lines)} lines): "
        f"{reason}. Try tokenizer.vocab_size=auto and other settings of the tokenizer, or look at the training files."
    )


def explain_no_text(side: str, lines: Sequence[str], longest: int) -> str:
    """Why lines have no text to learn from."""
    blank, long = sum(not line.strip() for line in lines), sum(len(line.encode()) > longest for line in lines)
    reasons = {
        "are blank": blank,
        f"have more than {longest} bytes, which is no sentence": long,
        "have nothing but characters that normalization deletes": len(lines) - blank - long,
    }
    told = " and ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    return (
        f"There is nothing to learn a vocabulary from in the {side} training data: of {len(lines)} lines {told}. Give "
        "files with one sentence a line."
    )


def choose_lines(lines: Sequence[str], learn_from: LearnFrom, sides: int = 1) -> Sequence[str]:
    """The lines of one of so many `sides` that a model is learnt from: all, or evenly spaced ones of too many.

    learn_from: the most lines of all sides; "auto" is MAX_TRAINING_LINES, and no more than MAX_TRAINING_BYTES.
    """
    limit = max(1, (MAX_TRAINING_LINES if learn_from == "auto" else learn_from) // sides)
    step = -(-len(lines) // limit)
    if learn_from == "auto":
        step = max(step, -(-sides * count_bytes(lines) // MAX_TRAINING_BYTES))
    return lines if step <= 1 else lines[::step]


def describe_choice(learn_from: LearnFrom) -> Any:
    """What `choose_lines` depends on besides the text, as JSON. Raises ConfigError for too few lines."""
    if learn_from != "auto" and learn_from < 2:
        raise ConfigError(f"tokenizer.learn_from={learn_from} must be at least 2 lines, or auto.")
    return [MAX_TRAINING_LINES, MAX_TRAINING_BYTES] if learn_from == "auto" else learn_from


def count_bytes(lines: Sequence[str]) -> int:
    """The bytes of lines in a file of UTF-8."""
    counted: int | None = getattr(lines, "bytes", None)  # of lines that lie packed
    return sum(len(line.encode()) + 1 for line in lines) if counted is None else counted
