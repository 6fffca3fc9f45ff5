"""Commands that daemons start, with streams closed or full, and in places that are no longer there."""

import subprocess
import sys
from pathlib import Path

import pytest

from nmt.cli import application, score, train
from nmt.cli.application import USAGE_STATUS
from nmt.errors import DataError
from nmt.evaluation.alignment import parse_pharaoh
from tests.commands import build_environment

LONG_NAME = "n" * 300


def run(words: str, streams: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """A command of a shell, with its streams as the shell sets them."""
    line = f"exec {sys.executable} -m nmt.cli.{words} {streams}"
    return subprocess.run(["sh", "-c", line], capture_output=True, cwd=folder, env=build_environment(), check=False)


@pytest.mark.parametrize("streams", ["<&-", "2>&-", "2>&- <&-"])
def test_a_closed_stream_that_is_not_needed_is_no_matter(streams: str, tmp_path: Path) -> None:
    done = run("train --help", streams, tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "streams", "told"),
    [
        (
            "evaluate hypotheses=text references=text",
            ">&-",
            b"the output cannot be written: standard output is closed.",
        ),
        ("train --version", ">&- <&-", b"the output cannot be written: standard output is closed."),
        ("train --version", ">/dev/full", b"the output cannot be written: No space left on device."),
        ("train --info config", ">/dev/full", b"the output cannot be written: No space left on device."),
        ("translate model=run output=text", "<&-", b"Standard input cannot be read (Bad file descriptor)"),
    ],
)
def test_a_stream_that_is_needed_is_missed_in_a_sentence(words: str, streams: str, told: bytes, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a dog runs here\n")
    done = run(words, streams, tmp_path)
    assert done.returncode == USAGE_STATUS
    assert done.stderr.startswith(f"nmt-{words.split()[0]}: ".encode() + told)
    assert done.stderr.count(b"\n") == 1
    assert (tmp_path / "text").read_text() == "a dog runs here\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here, as on every Linux")
def test_a_mistake_has_its_status_where_nobody_can_be_told(tmp_path: Path) -> None:
    assert run("train bogus=1", "2>/dev/full", tmp_path).returncode == USAGE_STATUS


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m nmt.cli.train seed=1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, env=build_environment(), check=False)
    assert done.returncode == USAGE_STATUS
    assert done.stderr == b"nmt-train: the current folder is not there any more. Change to another one.\n"


@pytest.mark.parametrize(
    ("main", "words", "said"),
    [
        (train.main, ["experiment=quickstart", f"output={LONG_NAME}"], "File name too long"),
        (train.main, [f"experiment={LONG_NAME}.yaml"], "File name too long"),
        (train.main, ["seed=1" + "9" * 5000], "seed="),
        (train.main, ["experiment=quickstart", "tokenizer.vocab_size=99999999999"], "must be at most"),
    ],
)
def test_what_no_path_or_number_can_be_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], main: object, words: list[str], said: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["nmt", *words])
    with pytest.raises(SystemExit) as left:
        main()  # type: ignore[operator]
    assert left.value.code == USAGE_STATUS
    assert said in capsys.readouterr().err


def test_numbers_of_thousands_of_digits_are_no_numbers() -> None:
    with pytest.raises(DataError, match="a link is written i-j"):
        parse_pharaoh([f"0-{'9' * 5000}"], name="gold")
    with pytest.raises(
        DataError, match=r"list, line 1: translates line 99999999999999999999 \.\.\. .*, which has 1 lines"
    ):
        list(score.parse_nbest(iter([f"{'9' * 5000} ||| a"]), ["a"], name="list"))
    (pair,) = score.parse_nbest(iter([f"{'0' * 5000} ||| a"]), ["b"], name="list")
    assert (pair.number, pair.source, pair.target) == (0, "b", "a")


def test_a_message_has_an_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["nmt-train", "seed=1" + "9" * 10_000])
    with pytest.raises(SystemExit):
        train.main()
    assert 1000 < len(capsys.readouterr().err) < 2000


def test_a_path_that_cannot_be_used_is_a_mistake_of_the_person() -> None:
    assert application.explain_output_problem(OSError(36, "File name too long", LONG_NAME)) == [
        f"{LONG_NAME} cannot be used: File name too long. Choose another name or place."
    ]
