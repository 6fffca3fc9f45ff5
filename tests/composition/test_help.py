"""--help tells what settings mean, in the words of the files that set them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from nmt.composition import help
from nmt.composition.paths import find_config_folder
from tests.commands import call_main, run_process

ReadHelp = Callable[..., str]
FOUND: dict[tuple[str, ...], str] = {}
"""What was answered to --help, by the words beside it."""


@pytest.fixture
def read_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> ReadHelp:
    def read(*words: str) -> str:
        if words not in FOUND:
            answer = call_main(monkeypatch, capsys, words[0], "--help", *words[1:])
            assert (answer.status, answer.err) == (0, "")
            FOUND[words] = answer.out
        return FOUND[words]

    return read


@pytest.fixture
def read_listing(read_help: ReadHelp) -> ReadHelp:
    return lambda *words: help.split_help(read_help(*words))[2]


@pytest.mark.parametrize(
    "command", ["train", "translate", "evaluate", "align", "score", "compare", "tune", "shortlist", "explain"]
)
def test_comments_change_nothing_that_is_listed(
    command: str, read_listing: ReadHelp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = call_main(monkeypatch, capsys, command, "--cfg", "job")
    assert yaml.safe_load(read_listing(command)) == yaml.safe_load(answer.out)


def test_every_setting_of_the_command_that_has_a_comment_is_listed_with_it(read_listing: ReadHelp) -> None:
    listed = read_listing("train")
    own = (Path(find_config_folder()) / "train.yaml").read_text().partition("\nhydra:")[0]
    comments = re.findall(r"^( *\w+): .*?\S +# (.*)$", own, re.MULTILINE)
    assert len(comments) > 20
    for key, comment in comments:
        assert re.search(rf"^{key}:.*# {re.escape(comment)}$", listed, re.MULTILINE), key


def test_a_comment_that_goes_on_below_is_told_whole(read_listing: ReadHelp) -> None:
    assert "several are an ensemble, model=[" in read_listing("translate")


def test_an_option_that_is_not_chosen_is_not_explained(read_listing: ReadHelp) -> None:
    assert "# may be left out" not in read_listing("train")
    assert "# may be left out" in read_listing("train", "data=files")
    assert "# BPE-dropout" in read_listing("train", "tokenizer=bpe")
    assert "# BPE-dropout" not in read_listing("train", "tokenizer=unigram")


def test_groups_are_those_that_the_command_has(read_help: ReadHelp) -> None:
    groups = {line.split(":")[0] for line in help.split_help(read_help("train"))[0] if help.GROUPS.fullmatch(line)}
    assert {"data", "attention/score", "experiment", "debug", "model/decoder"} <= groups
    assert not {"comparison", "launcher", "extract", "shortlist"} & groups


def test_a_mistake_beside_it_is_still_a_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = call_main(monkeypatch, capsys, "train", "--help", "attention=nonesuch")
    assert (answer.status, answer.out) == (2, "")
    assert "bahdanau" in answer.err
    assert answer.err.count("\n") == 1


def test_a_process_answers_as_this_one(read_help: ReadHelp) -> None:
    done = run_process("train", "--help")
    assert (done.returncode, done.stderr, done.stdout.decode()) == (0, b"", read_help("train"))
