"""The number of a command of the user's: read rightly, or refused."""

import sys
from pathlib import Path

import pytest

from nmt.errors import ConfigError, DataError
from nmt.evaluation.score_command import OWN_NAMES, ScoreCommand, read_number, run_quietly, run_score_command


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("COMET: 0.8312", 0.8312),
        ("score=-3.5", -3.5),
        ("score \u22123.5.", -3.5),
        ("a 1\nmean: -1.5e1\n\n", -15.0),
        ("BLEU = 23.4 60.1/30.2 (BP = 1.000 ref_len = 5)", 5.0),
        ('{"n": 3, "mean": .5}', 0.5),
        ("wmt22-comet-da 83%", 83.0),
        ("COMET-22 0.83 (v2)", 0.83),
        ("epoch 3\nscore: nan", None),
        ("epoch 3\nscore: -inf", None),
        ("1e999", None),
        ("no number", None),
        ("", None),
    ],
)
def test_the_last_number_of_the_last_line_with_one(text: str, value: float | None) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize(
    "word", ["0,8312", "-3,5", "1,234.5", "1.234.567", "1'234.5", "\u20133.5", "3-5", "1_000", "--3"]
)
def test_what_can_be_read_in_two_ways_is_refused(word: str) -> None:
    with pytest.raises(DataError, match="more than one way"):
        read_number(f"7\nscore: {word}")


@pytest.mark.parametrize("name", [*OWN_NAMES, "bleu", " TER "])
def test_a_score_cannot_have_the_name_of_another(name: str) -> None:
    with pytest.raises(ConfigError, match="is the name of a score"):
        ScoreCommand(command="true", name=name)


def test_what_a_command_leaves_running_is_not_waited_for_and_steers_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "score.sh"
    script.write_text("sleep 9 2>/dev/null & printf '\\033[2Jloud\\n' >&2; yes 12345678 | head -c 2700000; echo 4\n")
    status, printed = run_quietly(["sh", str(script)])
    assert (status, read_number(printed)) == (0, 4.0)
    assert len(printed) < 100_000
    assert capsys.readouterr().err == "\\x1b[2Jloud\n"


def test_a_number_that_cannot_be_told_ends_the_command_with_its_word() -> None:
    command = ScoreCommand(command=f"{sys.executable} -S -c 'print(\"0,8\")'")
    with pytest.raises(DataError, match=r"score\.command printed '0,8'"):
        run_score_command(command, None, ["a"], [["a"]])
