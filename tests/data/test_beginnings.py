"""The pieces of a beginning are those of the whole line, as far as they are wanted."""

import random

import pytest

from nmt.data.beginnings import MAX_CHARACTERS_PER_PIECE, check_lengths, cut_to_pieces
from nmt.data.tokenizer import TOKENIZERS, Tokenizer
from nmt.errors import DataError

WORDS = ["the", "dog", "runs", "over", "a", "small", "green", "hill", "and", "sees", "another,", "larger", "brown"]
IDEOGRAPHS = "".join(map(chr, range(0x4E00, 0x4E20)))
WANTED = (1, 7, 40)


def make_line(kind: str, size: int) -> str:
    """A line of thousands of characters of one kind, the same always."""
    draw = random.Random(kind)
    parts = {
        "words": lambda: draw.choice(WORDS) + " ",
        "spaces": lambda: draw.choice(WORDS) + " " * draw.randint(1, 400),
        "no spaces": lambda: "".join(draw.choices(IDEOGRAPHS, k=draw.randint(1, 9))) + draw.choice("。，，"),
        "unknown": lambda: draw.choice("\ufdfa\u0416\u1234 "),
        "mixed": lambda: draw.choice([*WORDS, " ", "\t", "\u3000", "\ufdfa", "...", IDEOGRAPHS[:5]]),
        "one word": lambda: draw.choice(WORDS),
        "periods": lambda: "a.b.",
    }
    text = ""
    while len(text) < size:
        text += parts[kind]()
    return text


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    draw = random.Random(1)
    lines = [" ".join(draw.choices(WORDS, k=9)) for _ in range(60)]
    lines += ["".join(draw.choices(IDEOGRAPHS, k=12)) + "。a.b.c" for _ in range(60)]
    return TOKENIZERS[request.param]().train(lines, lines).source


@pytest.mark.parametrize("kind", ["words", "spaces", "no spaces", "unknown", "mixed", "one word", "periods"])
def test_the_first_pieces_are_those_of_the_whole_line(tokenizer: Tokenizer, kind: str) -> None:
    line = make_line(kind, 12_000)
    (whole,) = tokenizer.encode([line])
    for wanted in WANTED:
        beginning = cut_to_pieces(tokenizer, line, wanted)
        assert line.startswith(beginning)
        (found,) = tokenizer.encode([beginning])
        assert found[: wanted + 1] == whole[: wanted + 1]
        assert len(beginning) < len(line) or kind in ("spaces", "unknown") or wanted == 40


def test_what_is_short_or_has_no_limit_is_left_alone(tokenizer: Tokenizer) -> None:
    for line, wanted in (("", 1), ("a dog", 1), ("a dog " * 5000, None)):
        assert cut_to_pieces(tokenizer, line, wanted) is line


@pytest.mark.parametrize("filler", [" ", "\u0416", "\u200b"])
def test_of_a_line_that_makes_no_pieces_a_bounded_part_is_looked_at(tokenizer: Tokenizer, filler: str) -> None:
    line = filler * 2_000_000
    assert len(cut_to_pieces(tokenizer, line, 7)) <= 2 * MAX_CHARACTERS_PER_PIECE * 71 < len(line)


def test_the_first_line_that_is_too_long_is_named(tokenizer: Tokenizer) -> None:
    lines = ["a dog", "", "a dog runs " * 3, "a " * 400_000]
    lengths = check_lengths(tokenizer, lines[:3], 60, name="text.en")
    assert lengths == [len(ids) for ids in tokenizer.encode(lines[:3])]
    with pytest.raises(DataError, match=r"text\.en, line 4 has more than 60 pieces, the limit \(max_length\)"):
        check_lengths(tokenizer, lines, 60, name="text.en")
    with pytest.raises(DataError, match=r"text\.en, line 3 has more than 5 pieces"):
        check_lengths(tokenizer, lines, 5, name="text.en")
