"""What strangers wrote steers no terminal, and all that people write stays as it is."""

import io
import logging
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.printable import Formatter, escape_controls, print_text, print_traceback, shorten

STEERING = {"Cc", "Cs", "Zl", "Zp"}
DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def steers(text: str) -> bool:
    """Whether there is a character in a text that could steer a terminal; line ends are no matter."""
    return any(unicodedata.category(c) in STEERING or c in DIRECTIONS for c in text.replace("\n", ""))


@given(st.text(max_size=40))
def test_nothing_that_steers_is_left_and_letters_stay(text: str) -> None:
    safe = escape_controls(text)
    assert not steers(safe)
    assert "\n" not in safe
    assert escape_controls(safe) == safe
    safe.encode()
    visible = [c for c in text if unicodedata.category(c)[0] in "LMNPS"]
    assert [c for c in safe if c in visible] != [] or not visible


@pytest.mark.parametrize(
    "text",
    [
        "an ordinary line",
        "می\u200cخواهم",
        "क्\u200dष",
        "« oui\xa0»",
        "図書館\u3000で",
        "e\u0301",
        "👩\u200d👩\u200d👧",
        "\u0600١٢",
        "❤\ufe0f",
    ],
)
def test_scripts_of_people_stay(text: str) -> None:
    assert escape_controls(text) == text


@pytest.mark.parametrize(
    "character", ["\0", "\x07", "\x1b", "\r", "\x7f", "\x85", "\x9b", "\u2028", "\ud800", *DIRECTIONS]
)
def test_what_steers_is_escaped_wherever_it_is_printed(character: str, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = f"a{ascii(character)[1:-1]}b"
    text = f"a{character}b"
    assert escape_controls(text) == shorten(text) == wanted
    print_text(text)
    print_text(text, "stderr")
    assert capsys.readouterr() == (f"{wanted}\n", f"{wanted}\n")
    try:
        raise ValueError(text)
    except ValueError as problem:
        print_traceback(type(problem), problem, problem.__traceback__)
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):\n  File ")
    assert said.endswith(f"ValueError: {wanted}\n")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Formatter("%(message)s"))
    handler.handle(logging.makeLogRecord({"msg": "%s is long", "args": (text,)}))
    assert stream.getvalue() == f"{wanted} is long\n"


def test_a_message_repeats_the_beginning() -> None:
    assert shorten("one\ntwo\nthree") == "one (and 2 more)"
    assert shorten("x" * 600) == "x" * 500 + "..."
