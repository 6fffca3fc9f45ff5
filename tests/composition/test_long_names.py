"""Words that are longer than any name of a file are answered like other wrong words, by every command."""

import sys
from types import ModuleType

import pytest

import nmt
from nmt.cli import align, application, compare, evaluate, score, shortlist, train, translate
from nmt.composition.diagnostics import find_syntax_problem
from nmt.errors import ConfigError

COMMANDS = (align, compare, evaluate, score, shortlist, train, translate)

LONG = "a" * 5000

WORDS = (f"+{'a.' * 3000}b=1", f"{'a/' * 3000}b=1", f"{LONG}=1", f"~{LONG}", LONG, f"--{LONG}", f"attention={LONG}")


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word[:12])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__.split(".")[-1])
def test_a_word_that_is_too_long_is_answered(
    command: ModuleType, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = command.__name__.split(".")[-1]
    monkeypatch.setattr(sys, "argv", [f"nmt-{name}", word])
    with pytest.raises(SystemExit) as ended:
        command.main()
    said = capsys.readouterr().err
    assert ended.value.code == application.USAGE_STATUS
    assert said.startswith(f"nmt-{name}: ")
    assert len(said) < 500
    assert "File name too long" not in said


@pytest.mark.parametrize("word", WORDS[:5], ids=lambda word: word[:12])
def test_python_answers_alike(word: str) -> None:
    for call in (nmt.train, nmt.compare):
        with pytest.raises(ConfigError, match="is not a setting: its name has"):
            call(word)


def test_long_values_that_name_no_option_are_free() -> None:
    words = ("score.command='" + "word " * 2000 + "'", f"data={{train: {LONG}}}", f"output={'runs/' * 500}")
    assert find_syntax_problem(words) is None
    assert find_syntax_problem(["attention=" + ",".join(["bahdanau"] * 500)]) is None
