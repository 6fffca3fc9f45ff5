"""Words that are misspelt on purpose: as many as are asked for, and each in the way that is asked for."""

from random import Random

import pytest

from scripts import disturb_words
from scripts.disturb_words import LEET, disturb_line, swap_letters

WORDS = ["Zwei", "junge", "weiße", "Männer", "stehen", "draußen", "in", "der", "Nähe", "vieler", "Büsche"]


def test_two_neighbours_inside_a_word_change_places() -> None:
    draw = Random(1)
    for word in WORDS:
        for _ in range(20):
            found = swap_letters(word, draw)
            if len(word) < 4:
                assert found == word
                continue
            places = [n for n, (a, b) in enumerate(zip(word, found, strict=True)) if a != b]
            assert len(places) == 2
            assert places[1] == places[0] + 1
            assert places[0] > 0
            assert places[1] < len(word) - 1
            assert sorted(found) == sorted(word)


def test_letters_become_digits_that_look_like_them() -> None:
    assert disturb_line("This is a boat", "leet", 1.0, Random(1)) == "7h15 15 4 b047"
    assert all(digit.isdigit() for digit in LEET.values() for digit in chr(digit))


def test_so_many_words_are_disturbed() -> None:
    line = " ".join(["testing"] * 2000)
    for kind in ("swap", "leet"):
        found = disturb_line(line, kind, 0.2, Random(3)).split()
        changed = sum(word != "testing" for word in found)
        assert 300 < changed < 500
    assert disturb_line(line, "swap", 0.0, Random(3)) == line


def test_the_same_seed_disturbs_the_same_words() -> None:
    line = " ".join(WORDS)
    assert disturb_line(line, "swap", 0.5, Random(7)) == disturb_line(line, "swap", 0.5, Random(7))


def test_a_negative_seed_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["disturb_words.py", "leet", "1", "--seed=-1"])
    with pytest.raises(SystemExit):
        disturb_words.main()
    assert "--seed must be 0 or more" in capsys.readouterr().err
