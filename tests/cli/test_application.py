"""The door to every command: light, and what goes wrong is said in a sentence, with the words that a person typed."""

import itertools
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nmt
from nmt.cli import align, application, compare, evaluate, score, train, translate
from nmt.composition.overrides import MODEL_ALIASES, expand_alias
from nmt.config import MISSING, check
from nmt.errors import ConfigError
from nmt.launch import VARIABLES
from nmt.printable import Formatter, shorten
from tests.builders import mark_slow_unless
from tests.commands import build_command_line, build_environment, compose_command, run_process

MODEL_COMMANDS: dict[str, tuple[Any, set[str]]] = {
    "translate": (translate.TranslateSettings, {"model"}),
    "evaluate": (evaluate.EvaluateSettings, {"references"}),
    "align": (align.SCHEMA, {"source", "target"}),
    "score": (score.ScoreSettings, {"model", "source"}),
}
"""Commands that apply a model: their schema, and what must be given."""

HEAVY_MODULES = ("torch", "numpy", "sentencepiece", "datasets", "matplotlib", "sacrebleu", "hydra", "omegaconf")


QUESTIONS = ("--help", "--cfg job")


def ask_in_turn(*commands: str, count: int | None = None) -> list[Any]:
    """Every command with every question; by default the first `count` commands, or all, get one of them in turn, since
    each is a process."""
    every = [(command, question) for command in commands for question in QUESTIONS]
    return mark_slow_unless([*zip(commands[:count], itertools.cycle(QUESTIONS), strict=False)], every)


def run_failing_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, *words: str
) -> tuple[object, str]:
    """The exit status of a command that goes wrong, and what it says."""
    main = {"translate": translate, "evaluate": evaluate, "align": align, "score": score}[command].main
    monkeypatch.setattr(sys, "argv", [f"nmt-{command}", *words])
    with pytest.raises(SystemExit) as exit:
        main()
    return exit.value.code, capsys.readouterr().err


@pytest.mark.parametrize("command", ["translate", "evaluate", "align", "score"])
def test_a_launch_that_makes_no_sense_is_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "x")
    status, said = run_failing_command(monkeypatch, capsys, command)
    assert status == application.USAGE_STATUS
    assert said.startswith(f"nmt-{command}: RANK")
    assert said.count("\n") == 1


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    asked = "import sys, nmt.cli.translate, nmt.cli.evaluate, nmt.cli.align, nmt.cli.score, nmt.cli.train"
    done = subprocess.run(
        [sys.executable, "-c", f"{asked}; print(*sys.modules)"],
        capture_output=True,
        env=build_environment(),
        check=True,
    )
    assert not set(HEAVY_MODULES) & set(done.stdout.decode().split())


@pytest.mark.parametrize(("command", "question"), ask_in_turn("train", "translate", "evaluate", "align", "compare"))
def test_what_a_command_is_asked_about_itself_needs_no_torch(command: str, question: str) -> None:
    asked = f"import sys; sys.argv[1:] = {question.split()}; from nmt.cli import {command}; {command}.main()"
    done = subprocess.run(
        [sys.executable, "-c", f"{asked}; print(*sys.modules, file=sys.stderr)"],
        capture_output=True,
        env=build_environment(),
        check=True,
    )
    assert not (set(HEAVY_MODULES) - {"hydra", "omegaconf"}) & set(done.stderr.decode().split())
    assert b"tokens" in done.stdout or b"seeds" in done.stdout


@pytest.mark.parametrize("command", MODEL_COMMANDS)
def test_the_default_config_is_complete_but_for_what_must_be_given(command: str) -> None:
    schema, required = MODEL_COMMANDS[command]
    with pytest.raises(ConfigError) as raised:
        check(compose_command(command), schema)
    problems = str(raised.value).split("\n")
    assert {problem.split(" ")[0].split(".")[0] for problem in problems} == required
    assert all("must be given" in problem for problem in problems)
    assert [key for key, value in compose_command(command).items() if value == MISSING] == sorted(
        required - {"model"}, key=list(compose_command(command)).index
    )


@pytest.mark.parametrize(
    ("command", "question"),
    ask_in_turn("train", "translate", "evaluate", "align", "score", "compare", "shortlist", "explain", count=3),
)
def test_a_reader_that_has_seen_enough_is_no_mistake(command: str, question: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)  # as `head` does once it has its lines, but in time for every write to find it gone
    with os.fdopen(writer, "wb") as output:
        done = subprocess.run(
            build_command_line(command, *question.split()),
            stdout=output,
            stderr=subprocess.PIPE,
            env=build_environment(),
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_mistake_is_one_whoever_reads() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        done = subprocess.run(
            build_command_line("train", "sed=1"),
            stdout=output,
            stderr=subprocess.PIPE,
            env=build_environment(),
            check=False,
        )
    assert done.returncode == application.USAGE_STATUS
    assert done.stderr.startswith(b"nmt-train: sed is not a setting. Did you mean seed?")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here, as on every Linux")
@pytest.mark.parametrize("words_given", [("train", "--help"), ("train", "--cfg", "job")])
def test_a_full_disk_is_said_in_a_sentence(words_given: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as output:
        done = subprocess.run(
            build_command_line(*words_given),
            stdout=output,
            stderr=subprocess.PIPE,
            env=build_environment(),
            check=False,
        )
    assert done.returncode == application.USAGE_STATUS
    assert done.stderr.decode().count("\n") == 1
    assert done.stderr.startswith(b"nmt-train: the output cannot be written: No space left on device")


@pytest.mark.parametrize("command", ["train", "translate", "compare"])
def test_the_version_is_ours(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str) -> None:
    monkeypatch.setattr(sys, "argv", [f"nmt-{command}", "--version"])
    {"train": train, "translate": translate, "compare": compare}[command].main()
    assert capsys.readouterr().out == f"nmt-{command} {nmt.__version__}\n"


@pytest.mark.parametrize("command", ["train", "compare"])
def test_a_command_without_a_word_says_what_to_try(command: str) -> None:
    done = run_process(command)
    assert (done.returncode, done.stdout) == (application.USAGE_STATUS, b"")
    assert b"nothing was asked for. Try `nmt-" in done.stderr


LACKS: list[tuple[Exception, str]] = [
    (MemoryError(), "There is not enough memory (out of memory)."),
    (MemoryError("std::bad_alloc"), "There is not enough memory (out of memory: std::bad_alloc)."),
    (RuntimeError("could not create a primitive"), "There is not enough memory (could not create a primitive)."),
    (ImportError("x.so: failed to map segment from shared object"), "There is not enough memory (x.so: failed to map"),
    (OSError("x.so: failed to map segment from shared object"), "There is not enough memory (x.so: failed to map"),
    (OSError(24, "Too many open files", "name"), "Too many files are open (Too many open files). Raise the limit"),
    (RuntimeError("can't start new thread"), "No more threads or processes can be started (can't start new"),
]


@pytest.mark.parametrize(("problem", "told"), LACKS)
@pytest.mark.parametrize("is_cause", [False, True])
def test_what_the_machine_lacks_is_no_mistake_of_the_program(
    problem: Exception,
    told: str,
    is_cause: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(composed: dict[str, Any]) -> None:
        if is_cause:
            raise ImportError("numpy cannot be imported") from problem
        raise problem

    monkeypatch.setattr(sys, "argv", ["nmt-score"])
    with pytest.raises(SystemExit) as left:
        application.run_command("score", fail)
    assert left.value.code == application.USAGE_STATUS
    message = capsys.readouterr().err
    assert message.startswith(f"nmt-score: {told}")
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    "problem", [RuntimeError("one memory location"), KeyError("memory"), OSError(2, "gone", "memory")]
)
def test_other_mistakes_are_tracebacks(problem: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(composed: dict[str, Any]) -> None:
        raise problem

    monkeypatch.setattr(sys, "argv", ["nmt-score"])
    with pytest.raises(type(problem)):
        application.run_command("score", fail)


def test_a_name_forges_no_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\nnmt-score: all is well"

    def fail(composed: dict[str, Any]) -> None:
        raise ConfigError(f"{name} is gone.", f"Neither is {name} here.")

    monkeypatch.setattr(sys, "argv", ["nmt-score"])
    with pytest.raises(SystemExit):
        application.run_command("score", fail)
    escaped = name.replace("\n", "\\n")
    assert capsys.readouterr().err == f"nmt-score: {escaped} is gone.\nNeither is {escaped} here.\n"
    record = logging.makeLogRecord({"msg": "%s and %s, %d\nlines", "args": (name, Path(name), 3)})
    assert Formatter().format(record) == f"{escaped} and {escaped}, 3\nlines"
    assert shorten(Path(name)) == escaped


@pytest.mark.parametrize("problem", [OSError(13, "denied"), OSError(28, "full", "named.txt")])
def test_other_problems_with_files_are_not_taken_for_a_full_stream(problem: OSError) -> None:
    with pytest.raises(OSError, match=str(problem.args[1])):
        application.explain_output_problem(problem)


def test_help_shows_how_the_command_is_used() -> None:
    done = run_process("translate", "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"nmt-translate model=outputs/<run> < in.txt > out.txt" in done.stdout


@pytest.mark.parametrize(
    ("command", "words", "said"),
    [
        ("translate", (), "nmt-translate: model must be given: write model=..."),
        ("translate", ("model=none", "search=beem"), "beam"),
        ("translate", ("model=none", "tokns=3"), "tokns is not a setting. Did you mean tokens?"),
        ("translate", ("model=none", "chunk=many"), "chunk='many' must be a whole number."),
        ("translate", ("model=none", "input=none.txt"), "There is no file none.txt (input)."),
        ("translate", ("model=no/run", "input=pyproject.toml"), "model=no/run must be a run folder"),
        ("translate", ("model=pyproject.toml", "input=pyproject.toml"), "model.safetensors in it); found a file."),
        ("translate", ("model=configs", "input=pyproject.toml"), "found a folder with __init__.py, align.yaml, at"),
        ("evaluate", ("hypotheses=a",), "nmt-evaluate: references must be given: write references=..."),
        ("align", ("model=x", "source=a", "target=b", "extract=argmin"), "threshold"),
        ("align", ("model=x", "source=a", "target=b", "position=both"), "Choose from: predicted, read."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_mistakes_are_told_in_the_words_that_were_typed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    status, message = run_failing_command(monkeypatch, capsys, command, *words)
    assert status == application.USAGE_STATUS
    assert said in message
    assert "model.folder" not in message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("word", "hydras"),
    [
        ("model=outputs/run", "model.folder=outputs/run"),
        ("search.size=8", "++search.size=8"),
        ("search=beam", "search=beam"),
        ("models=1", "models=1"),
        ("reverse=model=1", "reverse='model=1'"),
        ("model=runs/attention=dot/seed-1", "model.folder='runs/attention=dot/seed-1'"),
        ("--cfg", "--cfg"),
    ],
)
def test_only_the_beginning_of_a_word_is_respelled(word: str, hydras: str) -> None:
    assert expand_alias(word, MODEL_ALIASES) == hydras
