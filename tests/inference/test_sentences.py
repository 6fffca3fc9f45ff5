"""Sentences of a line: the rule of Moses, and the marks of other scripts."""

import pytest
from hypothesis import given
from hypothesis.strategies import lists, sampled_from, text

from nmt.inference.sentences import has_several_sentences, join_sentences, split_sentences

WHOLE = [
    ("en", "Dr. Smith met J. K. Rowling at the U.S. Army base."),
    ("en", "It costs 3.5 dollars, see No. 5."),
    ("en", "He shouted stop! and ran."),
    ("de", "Am 3. Mai kam Herr Dr. Müller z. B. nach Berlin."),
    ("en", "2. Go there"),
    ("ja", "「はい。」と言った。"),
    ("en", ""),
    ("en", "  "),
    ("en", "www.example.com. is a name"),
]

SEVERAL = [
    ("en", ["Hello there.", "How are you?", "Fine!"]),
    ("en", ['He said "Stop."', "(Then he ran.)", "20 people came."]),
    ("de", ["Er kam.", "„Wer?“", "Ärzte!"]),
    ("ru", ["Он пришёл.", "Потом ушёл."]),
    ("hi", ["वह आया।", "वह गया।"]),
    ("ur", ["وہ آیا۔", "وہ گیا۔"]),
    ("ar", ["ماذا؟", "نعم."]),
]


@pytest.mark.parametrize(("language", "line"), WHOLE)
def test_one_sentence_is_left_alone(language: str, line: str) -> None:
    assert split_sentences(line, language) == [line]
    assert not has_several_sentences(line, language)


@pytest.mark.parametrize(("language", "sentences"), SEVERAL)
def test_sentences_with_spaces_between_them_come_apart(language: str, sentences: list[str]) -> None:
    assert split_sentences(" ".join(sentences), language) == sentences
    assert has_several_sentences("  ".join(sentences), language)


@pytest.mark.parametrize("sentences", [["他来了！", "真的？", "是的。"], ["猫が眠る。", "犬が走る。"]])
def test_marks_of_languages_without_spaces_need_none(sentences: list[str]) -> None:
    assert split_sentences("".join(sentences), "ja") == sentences
    assert join_sentences(sentences, spaces=False) == "".join(sentences)


@given(lists(sampled_from([".", "! ", "A", "b", "3", " ", "。", "「", "」", "と", '"', "Dr"])).map("".join) | text())
def test_nothing_but_spaces_is_lost(line: str) -> None:
    found = split_sentences(line, "en")
    assert "".join("".join(found).split()) == "".join(line.split())
    assert all(part.strip() for part in found) or found == [line]


def test_a_line_of_megabytes_is_split_in_one_pass() -> None:
    # The square of its length would be hours.
    assert len(split_sentences("A. " * 30_000)) == 1
    assert len(split_sentences("Go there. " * 10_000)) == 10_000
    assert has_several_sentences("Go there. " * 30_000)
