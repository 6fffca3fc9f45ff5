"""Names that no other sentence has."""

import re

import pytest

from nmt.data.synthetic import Grammar
from nmt.data.synthetic.names import Script
from nmt.data.synthetic.nouns import NAMES
from nmt.evaluation.copies import compute_copied, find_copies

SIZES = {"train": 30, "validation": 8, "test": 8}


@pytest.mark.parametrize(("script", "letters"), [("latin", "[A-Z][a-z]{5}"), ("cyrillic", "[А-Я][а-я]{5}")])
def test_each_pair_has_a_name_of_its_own(script: Script, letters: str) -> None:
    corpus = Grammar(names=script, **SIZES)
    seen: set[str] = set()
    for split, size in SIZES.items():
        text = corpus.load(split)
        assert len(text.source) == len(text.target) == size
        for source, target, copies in zip(text.source, text.target, find_copies(text.source, text.target), strict=True):
            (name,) = (word for word in copies if re.fullmatch(letters, word) and word not in NAMES)
            assert target.count(name) == source.count(name) == 1
            assert name not in seen
            assert not set(NAMES) & set(re.findall(r"\w+", source))
            seen.add(name)


def test_names_are_a_function_of_the_settings_and_another_corpus() -> None:
    one, other = (Grammar(names="latin", **SIZES) for _ in range(2))
    assert one.load("train") == other.load("train")
    assert one.get_identity() != Grammar(**SIZES).get_identity()
    backwards = Grammar(names="latin", source_language="de", target_language="en", **SIZES).load("test")
    assert (backwards.source, backwards.target) == (one.load("test").target, one.load("test").source)


def test_what_can_only_be_copied_is_shared_and_in_one_line() -> None:
    source, target = ["Anna met Bob.", "Bob saw 17 dogs"], ["Anna traf Bob!", "Bob sah (17) Hunde"]
    assert find_copies(source, target) == [{"Anna"}, {"17"}]
    assert compute_copied(["anna Anna, traf", "Bob sah 18"], find_copies(source, target)) == 50.0
    assert compute_copied([], []) == 0.0
