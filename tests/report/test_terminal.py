"""The grid of a terminal: straight columns and every word once, whatever the words, and nothing that steers it."""

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.printable import escape_controls
from nmt.report.terminal import (
    BASE,
    FULL_SHADE,
    ISOLATE,
    MAX_WORD_COLUMNS,
    MIN_COLUMNS,
    RELEASE,
    SHADES,
    make_legible,
    measure_width,
    render_grid,
)

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
PLAIN = st.text("abcdefgh", min_size=1, max_size=6)
ANY = st.text(min_size=1, max_size=40)
WORDS = st.lists(PLAIN, min_size=1, max_size=40)


def weights(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """Rows that sum to one."""
    scores = np.exp(3 * np.random.default_rng(seed).normal(size=(rows, columns)))
    return scores / scores.sum(1, keepdims=True)


def place(line: str, text: str) -> int:
    """The column of the terminal at which a text begins."""
    return measure_width(line[: line.index(text)])


def columns_of(text: str) -> int:
    """What `width` says, by a slow and separate count."""
    count = 0
    for character in text:
        if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
            continue
        count += 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
    return count


@given(
    st.lists(ANY, min_size=1, max_size=30), st.lists(ANY, min_size=1, max_size=9), st.integers(1, 130), st.booleans()
)
def test_lines_are_of_one_width_and_fit(source: list[str], target: list[str], columns: int, colour: bool) -> None:
    lines = render_grid(weights(len(target), len(source)), source, target, columns=columns, colour=colour)
    sizes = {measure_width(COLOURS.sub("", line)) for line in lines}
    assert len(sizes) == 1
    assert sizes.pop() <= max(columns, MIN_COLUMNS)
    for line in lines:
        bare = COLOURS.sub("", line).replace(ISOLATE, "").replace(RELEASE, "")
        assert escape_controls(bare) == bare


@given(WORDS, WORDS, st.integers(40, 130))
def test_every_source_word_is_there_once_and_every_target_word_once_a_band(
    source: list[str], target: list[str], columns: int
) -> None:
    source, target = [f"{word}{n}s" for n, word in enumerate(source)], [f"{word}{n}t" for n, word in enumerate(target)]
    lines = render_grid(weights(len(target), len(source)), source, target, columns=columns)
    words = [word for line in lines for word in re.findall(r"[a-h]+\d+[st]", line)]
    assert [word for word in words if word.endswith("s")] == source
    bands, rest = divmod(len(lines) - len(source), len(target))
    assert rest == 0
    assert [word for word in words if word.endswith("t")] == target * bands


@given(WORDS, WORDS)
def test_a_wide_terminal_needs_one_band_with_the_sum_of_every_row(source: list[str], target: list[str]) -> None:
    alignment = weights(len(target), len(source), seed=3) * np.linspace(0.2, 1, len(target))[:, None]
    lines = render_grid(alignment, source, target, columns=1000)
    assert len(lines) == len(source) + len(target)
    assert sum("sum" in line for line in lines) == 1
    for line, word, row in zip(lines[len(source) :], target, alignment, strict=True):
        assert line.split()[:2] == [word, f"{row.sum():.2f}"]


@given(WORDS, WORDS)
def test_a_weight_stands_under_its_word(source: list[str], target: list[str]) -> None:
    """One cell is dark, and the rail over it leads to its word."""
    row, column = len(target) // 2, len(source) // 3
    alignment = np.zeros((len(target), len(source)))
    alignment[row, column] = 1.0
    lines = render_grid(alignment, source, target, columns=1000)
    stair, rows = lines[: len(source)], lines[len(source) :]
    assert [FULL_SHADE in line for line in rows] == [number == row for number in range(len(target))]
    at = place(rows[row], FULL_SHADE)
    assert stair[column][at:].startswith(source[column])
    assert all(line[at] == "│" for line in stair[column + 1 :])


def test_wide_and_combining_letters_keep_columns_straight() -> None:
    source = ["図書館", "한국어", "e\u0301te\u0301", "ＡＢ", "नमस्ते", "plain"]
    target = ["私は", "e\u0301", "x"]
    lines = render_grid(np.eye(3, 6), source, target, columns=100)
    places = [place(line, word[0]) for line, word in zip(lines, source, strict=False)]
    assert places == list(range(places[0], places[0] + 18, 3))
    assert [place(line, FULL_SHADE) for line in lines[6:]] == places[:3]
    assert [columns_of(line) for line in lines] == [columns_of(lines[0])] * 9
    assert [measure_width(word) for word in source[:4]] == [6, 6, 3, 4]


@given(ANY)
def test_widths_are_those_of_a_separate_count(text: str) -> None:
    without = "".join(c for c in text if not "\u1160" <= c <= "\u11ff")
    assert measure_width(without) == columns_of(without)


def test_right_to_left_words_turn_nothing_but_themselves() -> None:
    lines = render_grid(np.ones((1, 3)) / 3, ["שלום", "abc", "المعلم"], ["שלום"], columns=80)
    assert f"{ISOLATE}שלום{RELEASE}" in lines[0]
    assert ISOLATE not in lines[1]
    assert lines[3].startswith(f"{ISOLATE}שלום{RELEASE} ")


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("a\x1b[2J", r"a\x1b[2J"),
        ("\u202eabc", r"\u202eabc"),
        ("a\u2066b", r"a\u2066b"),
        ("\udc80", r"\udc80"),
        ("soft\xadhyphen", r"soft\xadhyphen"),
        ("\u0301a", f"{BASE}\u0301a"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("x" * 30, "x" * (MAX_WORD_COLUMNS - 1) + "…"),
        ("図" * 30, "図" * 11 + "…"),
    ],
)
def test_words_are_legible(word: str, shown: str) -> None:
    assert make_legible(word) == shown
    assert measure_width(shown) <= MAX_WORD_COLUMNS


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_weight_is_never_lighter(first: float, second: float) -> None:
    order = "".join(shade for _, shade in SHADES) + FULL_SHADE

    def shade(weight: float) -> int:
        (_, row) = render_grid(np.array([[weight]]), ["a"], ["b"], columns=80)
        return order.index(row[-3])

    assert shade(min(first, second)) <= shade(max(first, second))
    assert (shade(0.0), shade(1.0)) == (0, len(order) - 1)


def test_colour_marks_the_largest_weight_of_each_row_and_changes_nothing_else() -> None:
    alignment = weights(5, 7, seed=5)
    words = [list("abcdefg"), list("vwxyz")]
    plain, coloured = (render_grid(alignment, *words, columns=80, colour=colour) for colour in (False, True))
    assert [COLOURS.sub("", line) for line in coloured] == plain
    for line, row in zip(coloured[7:], alignment, strict=True):
        start = line.index("\x1b[1;36m")
        assert line.count("\x1b[1;36m") == 1
        assert start == 7 + 3 * row.argmax()  # "v 1.00 ", then three columns a word
    assert "\x1b" not in "".join(plain)


def test_words_and_weights_must_agree() -> None:
    with pytest.raises(ValueError, match="2 target and 1 source words"):
        render_grid(np.ones((1, 1)), ["a"], ["b", "c"], columns=80)
