"""The size of a vocabulary that is left open: bounds, growth, and what SentencePiece can make of a text."""

import logging
import re
from collections.abc import Sequence
from typing import Any

import pytest

from nmt.data.tokenizer import TOKENIZERS
from nmt.data.vocabulary_size import MAX_AUTO_SIZE, MIN_AUTO_SIZE, choose_size, count_words
from nmt.errors import DataError

LINE = "the small cat sat on the mat ."
KINDS = pytest.mark.parametrize("kind", TOKENIZERS)


class Repeated(Sequence[str]):
    """So many times the same line, without the memory for it."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Any:
        places = range(self.count)[index]
        return [LINE] * len(places) if isinstance(places, range) else LINE


def test_the_size_grows_with_the_root_of_the_text_within_bounds() -> None:
    sizes = [choose_size(Repeated(count)) for count in (1, 4_000, 16_000, 64_000, 40_000_000)]
    assert sizes[0] == MIN_AUTO_SIZE
    assert sizes[-1] == MAX_AUTO_SIZE
    assert sizes[1:4] == pytest.approx([sizes[1], 2 * sizes[1], 4 * sizes[1]], abs=150)
    assert choose_size([LINE] * 8_000, [LINE] * 8_000) == choose_size([LINE] * 16_000)


def test_words_are_counted_in_scripts_with_and_without_spaces() -> None:
    english = ["I went to the park with my small dog yesterday and it rained all day"]
    chinese = ["昨天我带着我的小狗去了公园下了一整天的雨"]
    assert count_words(english) == pytest.approx(len(english[0].split()), rel=0.3)
    assert count_words(chinese) == pytest.approx(11, rel=0.3)
    assert count_words([]) == 0


@KINDS
@pytest.mark.parametrize("joint", [True, False])
def test_every_text_gets_a_vocabulary_and_the_same_one_again(
    kind: str, joint: bool, caplog: pytest.LogCaptureFixture
) -> None:
    source, target = [LINE, "a dog"] * 5, ["".join(map(chr, range(0x4E00, 0x4E00 + 150))), "die Katze"]
    with caplog.at_level(logging.INFO, "nmt.data.tokenizer"):
        first, again = (TOKENIZERS[kind](joint=joint).train(source, target) for _ in range(2))
    assert [side.serialized for side in first] == [side.serialized for side in again]
    assert f"a vocabulary of {first.target.vocab_size} pieces for the" in caplog.text
    for side, lines in zip(first, (source, target), strict=True):
        assert side.decode(side.encode(lines)) == lines  # no character is unknown
    assert first.target.vocab_size >= 150


@KINDS
def test_a_text_that_holds_no_vocabulary_of_100_gets_the_largest_that_it_holds(kind: str) -> None:
    size = TOKENIZERS[kind]().train([LINE], [LINE]).source.vocab_size
    with pytest.raises(DataError, match="auto") as caught:
        TOKENIZERS[kind](vocab_size=size + 1).train([LINE], [LINE])
    assert re.search(rf"largest possible size is {size}\.", str(caught.value))


@KINDS
def test_lines_without_text_are_refused_all_the_same(kind: str) -> None:
    with pytest.raises(DataError, match="2 lines 2 are blank"):
        TOKENIZERS[kind]().train([" "], [""])
