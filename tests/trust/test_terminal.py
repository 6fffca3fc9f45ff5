"""Whatever strangers wrote, and through whichever door it comes: no control character reaches the terminal."""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nmt.cli import align, application, compare, evaluate, shortlist, train, translate
from nmt.comparison import local
from nmt.composition.overrides import MODEL_ALIASES
from nmt.data.corpus import Files, SplitFiles
from nmt.data.hub import Hub
from nmt.errors import NmtError
from nmt.inference import inference, streams
from nmt.report.terminal import render_grid
from nmt.runs import run_log
from tests.commands import write_lines
from tests.test_printable import steers

HOSTILE = "a\x1b]0;owned\x07\x1b[2Jb\x9b2J\x7f\r\x08\u202ec\u2066\u200f\u2028\x85d\U000e0041"
"""Without a slash, a zero byte or half a surrogate, so that a file can bear the name."""

COMMANDS = {
    "nmt-align": align.main,
    "nmt-compare": compare.main,
    "nmt-evaluate": evaluate.main,
    "nmt-shortlist": shortlist.main,
    "nmt-train": train.main,
    "nmt-translate": translate.main,
}


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    """The exit status of a command line."""
    monkeypatch.setattr(sys, "argv", [*words])
    try:
        COMMANDS[words[0]]()
    except SystemExit as left:
        return left.code
    return 0


WORDS = [
    ("nmt-translate", f"model={HOSTILE}", "input=/dev/null"),
    ("nmt-translate", f"{HOSTILE}=1", "model=none"),
    ("nmt-translate", f"--{HOSTILE}"),
    ("nmt-translate", "model=none", "input=/dev/null", f"format={HOSTILE}"),
    ("nmt-translate", "model=none", f"input={HOSTILE}"),
    ("nmt-translate", "model=none", "input=/dev/null", f"search={HOSTILE}"),
    ("nmt-translate", "model=none", "input=/dev/null", f"show={HOSTILE}"),
    ("nmt-evaluate", f"hypotheses={HOSTILE}", f"references={HOSTILE}"),
    ("nmt-align", "model=none", f"source={HOSTILE}", f"target={HOSTILE}"),
    ("nmt-shortlist", f"model={HOSTILE}", "source=none", "target=none"),
    ("nmt-train", f"seed={HOSTILE}"),
    ("nmt-compare", f"comparison={HOSTILE}"),
    ("nmt-compare", f"seeds=[{HOSTILE}]"),
]
"""Command lines with a mistake in a word that a stranger wrote."""


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, marks=[pytest.mark.slow] if n not in (0, 1, 7, 9, 12) else [])
        for n, words in enumerate(WORDS)
    ],
    ids=range(len(WORDS)),
)
def test_words_of_a_command_line(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *words) == application.USAGE_STATUS
    printed = capsys.readouterr()
    assert not steers(printed.out + printed.err)
    assert r"\x1b" in printed.err


def test_names_of_files_and_what_is_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / HOSTILE
    folder.mkdir()
    (folder / HOSTILE).write_bytes(b"text \xff")
    for model in (folder, tmp_path):
        assert run(monkeypatch, "nmt-translate", f"model={model}", "input=/dev/null") == application.USAGE_STATUS
    (folder / "config.json").write_text(f'{{"{HOSTILE}": 1}}'.replace("\x1b", r"\u001b"))
    assert run(monkeypatch, "nmt-translate", f"model={folder}", "input=/dev/null") == application.USAGE_STATUS
    for file in (HOSTILE, f"{HOSTILE} none"):
        given = (f"hypotheses={folder / file}", f"references={folder / file}")
        assert run(monkeypatch, "nmt-evaluate", *given) == application.USAGE_STATUS
    printed = capsys.readouterr()
    assert printed.out == ""
    assert not steers(printed.err)


def test_tables_of_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_lines(tmp_path / "text", "a line of words", HOSTILE.replace("\r", ""))
    for form in ("table", "json"):
        given = (f"hypotheses={file}", f"references={file}", f"language={HOSTILE}", f"format={form}")
        assert run(monkeypatch, "nmt-evaluate", *given) == application.USAGE_STATUS
        printed = capsys.readouterr()
        assert not steers(printed.out + printed.err)
        assert r"\u202e" in printed.err


def columns(path: Path) -> None:
    """A table whose columns have such names."""
    file = write_lines(path.with_suffix(".csv"), f"{HOSTILE},b".replace("\r", ""), "one,two")
    corpus = Hub(path="csv", source_language="en", target_language="de", data_files={"train": str(file)})
    corpus.check()


def languages(path: Path) -> None:
    """Rows in other languages."""
    file = write_lines(path.with_suffix(".jsonl"), json.dumps({"translation": {HOSTILE: "one", "b": "two"}}))
    corpus = Hub(path="json", source_language="en", target_language="de", data_files={"train": str(file)})
    corpus.check()


def unequal(path: Path) -> None:
    """Files with a line too many."""
    longer = write_lines(path, "one", HOSTILE.replace("\r", ""))
    sides = SplitFiles(source=str(write_lines(path.with_name("shorter"), "one")), target=str(longer))
    Files(source_language="en", target_language="de", train=sides, validation=sides).load("train")


def vocabularies(path: Path) -> None:
    """Two models with other pieces."""
    both = [
        SimpleNamespace(vocab_size=1, convert_ids_to_pieces=lambda ids, word=word: [word]) for word in ("a", HOSTILE)
    ]
    raise NmtError(inference.describe_piece_difference(*both))  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [columns, languages, unequal, vocabularies])
def test_what_is_in_data_and_vocabularies(
    wrong: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(translate, "run_task", lambda composed: wrong(tmp_path / "data"))
    monkeypatch.setattr(sys, "argv", ["nmt-translate", "model=none"])
    with pytest.raises(SystemExit):
        application.run_command("translate", translate.run_task, aliases=MODEL_ALIASES)
    said = capsys.readouterr().err
    assert not steers(said)
    assert "x1b" in said


def test_logs_and_what_is_said_of_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("nmt.test")
    handlers = run_log.open_log(tmp_path)
    logger.warning("%s is long", HOSTILE)
    run_log.close_log(handlers)
    application.guard_terminal()
    assert isinstance(logging.lastResort, logging.Handler)
    logging.lastResort.handle(logger.makeRecord("x", logging.WARNING, "x", 1, HOSTILE, (), None))
    local.log_line(f"[1/2] {HOSTILE} seed 1: training")
    said = capfd.readouterr().err + (tmp_path / run_log.LOG).read_text()
    assert said.count(r"\x1b") == 4 * 2
    assert not steers(said)


def test_grids() -> None:
    words = [HOSTILE, "word"]
    assert not steers("\n".join(render_grid(np.eye(2), words, words, columns=200)))


@pytest.mark.parametrize("terminal", [True, False])
def test_translations_are_escaped_on_a_terminal_only(
    terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{HOSTILE}\tb", "می\u200cخواهم"]
    with (tmp_path / "out").open("wb") as buffer:
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=buffer, isatty=lambda: terminal))
        with streams.open_writer(None) as put:
            put(lines)
        monkeypatch.undo()
    written = (tmp_path / "out").read_bytes().decode().split("\n")[:-1]
    assert written[1] == lines[1]
    assert written[0].endswith("\tb")
    assert steers(written[0].replace("\t", "")) != terminal
    assert (written[0] == lines[0]) != terminal


def test_an_exception_that_nobody_expected(capsys: pytest.CaptureFixture[str]) -> None:
    application.guard_terminal()
    sys.excepthook(ValueError, ValueError(HOSTILE), None)
    said: Any = capsys.readouterr().err
    assert said.startswith("ValueError: a")
    assert not steers(said)
