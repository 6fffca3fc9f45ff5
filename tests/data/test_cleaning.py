"""Each rule leaves out what a plain loop leaves out, and nothing beside it."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import lists, text

from nmt.data.cleaning import Cleaner
from nmt.data.corpus import Bitext, Corpus, stream_chunks
from nmt.data.filters import MAX_EXAMPLES, Filters
from nmt.data.held_out import join_chunks, select_pairs
from nmt.data.prepare import prepare
from nmt.data.scripts import choose_scripts, compute_shares, find_script
from nmt.data.tokenizer import Bpe
from nmt.errors import ConfigError, DataError
from tests.data.test_mix import build_mix, make_files
from tests.data.test_prepare import Memory

PAIRS = [
    ("a man walks", "ein Mann geht"),
    ("a man  walks ", "ein Mann geht"),
    ("a man walks", "ein Mann läuft"),
    ("two dogs", "zwei Hunde"),
    ("two dogs", "zwei Katzen"),
    ("Berlin 42", "Berlin 42"),
    ("42", "42"),
    ("", ""),
    ("", ""),
    ("собака", "der Hund"),
    ("a dog", "собака"),
    ("a собака", "ein Hund bellt"),
]
HELD_OUT = Bitext(["two dogs"], ["zwei Hunde"])


def memory(pairs: list[tuple[str, str]] = PAIRS) -> Memory:
    train = Bitext([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    return Memory({"train": train, "validation": HELD_OUT}, source_language="en", target_language="de")


def clean(
    corpus: Corpus, filters: Filters, held_out: list[Bitext], size: int = 1000
) -> tuple[list[tuple[str, str]], Cleaner]:
    """The pairs that are left, and what was counted, when the text is read so many pairs at a time."""
    cleaner = Cleaner(corpus, filters, held_out)
    whole = join_chunks(stream_chunks(corpus, "train"))
    chunks = (
        select_pairs(whole, range(len(whole.source))[start : start + size])
        for start in range(0, len(whole.source), size)
    )
    left = [pair for chunk in cleaner.clean(chunks) for pair in zip(chunk.source, chunk.target, strict=True)]
    return left, cleaner


def drop(**settings: Any) -> tuple[list[int], dict[str, int]]:
    """The places of the pairs that these filters leave, and how many they leave out by reason."""
    corpus = memory()
    whole = clean(corpus, Filters(**settings), [HELD_OUT])
    text, cleaner = clean(corpus, Filters(**settings), [HELD_OUT], size=2)
    assert cleaner.places is not None
    assert whole[0] == text
    assert (whole[1].counts, whole[1].examples) == (cleaner.counts, cleaner.examples)
    assert text == [PAIRS[place] for place in cleaner.places]
    assert sum(cleaner.counts.values()) + len(cleaner.places) == len(PAIRS)
    return cleaner.places.tolist(), {reason: count for reason, count in cleaner.counts.items() if count}


ALL = list(range(len(PAIRS)))


@pytest.mark.parametrize(
    ("settings", "left_out", "reason"),
    [
        ({"drop": ["duplicates"]}, [1], "duplicate"),
        ({"drop": ["held_out"]}, [3], "held_out"),
        ({"drop": ["held_out_sources"]}, [3, 4], "held_out_source"),
        ({"drop": ["identical"]}, [5, 6], "identical"),
        ({"source_script": "Latin"}, [9, 11], "source_script"),
        ({"source_script": "auto", "script_share": 0.1}, [9], "source_script"),
        ({"target_script": ["Latin", "Greek"]}, [10], "target_script"),
    ],
)
def test_a_rule_leaves_out_its_pairs_and_spares_their_siblings(
    settings: dict[str, Any], left_out: list[int], reason: str
) -> None:
    kept, counts = drop(**settings)
    assert kept == [place for place in ALL if place not in left_out]
    assert counts == {reason: len(left_out)}


def test_the_first_rule_that_holds_counts() -> None:
    kept, counts = drop(drop=["duplicates", "identical", "held_out_sources"], source_script="Latin")
    assert kept == [0, 2, 7, 8, 10]
    assert counts == {"held_out_source": 2, "identical": 2, "source_script": 2, "duplicate": 1}


def test_no_rule_looks_at_no_text() -> None:
    text, cleaner = clean(memory(), Filters(), [HELD_OUT])
    assert cleaner.places is None
    assert text == PAIRS


@given(lists(text("ab ", max_size=3), min_size=1, max_size=12))
def test_of_equal_pairs_the_first_is_left(sides: list[str]) -> None:
    corpus = memory([(side, side[::-1]) for side in sides])
    wanted, seen = [], set()
    for place, side in enumerate(sides):
        words = (*side.split(), "|", *side[::-1].split())
        if not side.strip() or words not in seen:
            wanted.append(place)
        seen.add(words)
    _, cleaner = clean(corpus, Filters(drop=["duplicates"]), [], size=3)
    assert cleaner.places is not None
    assert cleaner.places.tolist() == wanted


def test_counts_and_examples_of_all_rules_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pairs = [*PAIRS, *[(f"the line {n}", f"die Zeile {n}") for n in range(60)], *[("long " * 30, "lang")] * 25]
    caplog.set_level("INFO")
    filters = Filters(drop=["duplicates"], max_length=20, max_ratio=30.0)
    report = prepare(memory(pairs), Bpe(vocab_size=70), filters, tmp_path).report
    again = prepare(memory(pairs), Bpe(vocab_size=70), filters, tmp_path)
    assert again.report == report
    assert report["pairs"]["read"] == len(pairs)
    assert report["pairs"]["duplicate"] == 1 + 24
    left_out = sum(count for reason, count in report["pairs"].items() if reason not in ("read", "kept"))
    assert report["pairs"]["kept"] == len(pairs) - left_out
    for line, source, target in (each for found in report["dropped"].values() for each in found):
        assert pairs[line - 1] == (source, target)
    assert len(report["dropped"]["duplicate"]) == MAX_EXAMPLES
    assert report["dropped"]["empty"] == [[8, "", ""], [9, "", ""]]
    assert [pairs[line] for line in again.train.lines] == list(
        zip(again.train.source_text, again.train.target_text, strict=True)
    )
    assert "left out as duplicate: 25 pairs, such as line 2: a man  walks  ||| ein Mann geht" in caplog.text


def test_in_a_mixture_tags_make_no_difference_and_target_languages_do(tmp_path: Path) -> None:
    corpora = {name: make_files(tmp_path, name, name[:2]) for name in ("de", "de2", "fr")}
    for name, tag in (("de", None), ("de2", "<bt>"), ("fr", None)):
        corpora[name]["tag"] = tag
        for side in ("source", "target"):
            Path(corpora[name]["train"][side]).write_text("OK\n")
    mix = build_mix(corpora)
    text, cleaner = clean(mix, Filters(drop=["duplicates"]), [])
    assert [source for source, _ in text] == ["<2de> OK", "<2fr> OK"]
    assert cleaner.corpora == {"de": 1, "de2": 1, "fr": 1}
    with pytest.raises(DataError, match=r"No training pair is left of 3 .*3 identical"):
        clean(mix, Filters(drop=["identical"]), [])


# Scripts --------------------------------------------------------------------------------------------------------------


@given(lists(text(max_size=8), max_size=5))
def test_shares_of_scripts_are_counted_letter_by_letter(lines: list[str]) -> None:
    def share(line: str) -> float:
        letters = [c for c in line if unicodedata.category(c).startswith("L")]
        return sum("LATIN" in unicodedata.name(c, "") for c in letters) / len(letters) if letters else 1.0

    found = compute_shares(lines, {"Latin"})
    assert found.tolist() == pytest.approx([share(line) for line in lines])


@pytest.mark.parametrize(
    ("letters", "script"),
    [
        ("aßéＡ", "Latin"),
        ("日本", "Han"),
        ("かな", "Hiragana"),
        ("カﾅ", "Katakana"),
        ("한국", "Hangul"),
        ("ру", "Cyrillic"),
    ],
)
def test_letters_have_the_script_of_their_name(letters: str, script: str) -> None:
    assert {find_script(letter) for letter in letters} == {script}


def test_auto_is_the_script_of_the_language() -> None:
    def find(language: str) -> frozenset[str]:
        return choose_scripts("auto", language, setting="s")

    assert find("de") == {"Latin"}
    assert find("ja_JP") >= {"Han", "Hiragana"}
    assert find("sr_Cyrl") == {"Cyrillic"}
    with pytest.raises(ConfigError, match=r"does not know the script of the language sr\. Name it"):
        find("sr")
    with pytest.raises(ConfigError, match=r"filters\.target_script=latin is no script"):
        Filters(target_script="latin")
    with pytest.raises(ConfigError, match="script_share"):
        Filters(script_share=0.0)
