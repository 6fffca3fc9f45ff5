"""Numbers as a vocabulary."""

import pytest

from nmt.data.numbers import Numbers
from nmt.data.tokenizer import Tokenizer
from nmt.errors import ConfigError
from nmt.special_tokens import UNK


@pytest.mark.parametrize("count", [1, 3, 256, 300])
def test_each_number_is_a_word_in_its_order(count: int) -> None:
    tokenizers = Numbers(count=count).train([], [])
    assert tokenizers.source is tokenizers.target
    tokenizer = Tokenizer.load(tokenizers.target.serialized)
    assert tokenizer.vocab_size == 4 + count
    line = " ".join(str(number) for number in range(count))
    assert tokenizer.encode([line, ""]) == [[4 + number for number in range(count)], []]
    assert tokenizer.decode([range(4, 4 + count)]) == [line]


def test_words_are_pieces_and_others_are_unknown() -> None:
    tokenizer = Numbers(count=20).train([], []).target
    assert tokenizer.encode(["3 20 12 012 5"]) == [[7, UNK, 16, UNK, 9]]
    assert tokenizer.encode_with_words("3  19 0") == ([7, 23, 4], [0, 1, 2])
    assert tokenizer.get_word_indices([7, 23, 4]) == [0, 1, 2]
    assert tokenizer.convert_ids_to_pieces([4, 23]) == ["▁0", "▁19"]
    assert tokenizer.sample(["3 4"], seed=1) == [[7, 8]]
    assert tokenizer.find_pieces("19") == [23]


@pytest.mark.parametrize("count", [0, -1, 10**6])
def test_a_count_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(ConfigError, match=r"tokenizer\.count"):
        Numbers(count=count)
