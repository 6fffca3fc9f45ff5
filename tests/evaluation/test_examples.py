"""Which sentences are shown: in the order of their scores, and of equal ones the first line first."""

import pytest

from nmt.errors import DataError
from nmt.evaluation.bleu import chrf
from nmt.evaluation.examples import find_furthest, find_worst, sentence_chrf


def test_a_sentence_is_scored_as_a_corpus_of_one_line() -> None:
    hypotheses, references = ["the cat sat", "a dog", "x"], ["the cat sits", "a dog", "unlike"]
    expected = [chrf([h], [r]).value for h, r in zip(hypotheses, references, strict=True)]
    assert sentence_chrf(hypotheses, references) == pytest.approx(expected)


def test_empty_lines_have_scores() -> None:
    assert sentence_chrf(["", "", "a"], [" ", "a", ""]) == [100.0, 0.0, 0.0]


def test_sides_must_be_equally_long() -> None:
    with pytest.raises(DataError, match="have 1 lines"):
        sentence_chrf(["a"], ["a", "b"])


def test_the_worst_come_first() -> None:
    assert find_worst([3.0, 1.0, 2.0, 1.0], count=3) == [1, 3, 2]
    assert find_worst([], count=3) == []


def test_the_furthest_apart_come_first_and_equal_ones_not_at_all() -> None:
    assert find_furthest([1.0, 5.0, 3.0, 9.0], [2.0, 1.0, 3.0, 13.0], count=9) == [1, 3, 0]
    assert find_furthest([1.0, 5.0], [2.0, 1.0], count=1) == [1]
