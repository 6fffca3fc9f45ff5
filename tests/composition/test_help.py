"""--help tells what settings mean, in the words of the files that set them."""

import functools
import re
from pathlib import Path

import pytest
import yaml

from nmt.composition import help
from nmt.composition.paths import find_config_folder
from tests.commands import run_process


@functools.cache
def read_help(command: str, *words: str) -> str:
    done = run_process(command, "--help", *words)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


def read_listing(command: str, *words: str) -> str:
    return help.split_help(read_help(command, *words))[2]


@pytest.mark.parametrize(
    "command", ["train", "translate", "evaluate", "align", "score", "compare", "shortlist", "explain"]
)
def test_comments_change_nothing_that_is_listed(command: str) -> None:
    done = run_process(command, "--cfg", "job")
    assert yaml.safe_load(read_listing(command)) == yaml.safe_load(done.stdout)


def test_every_setting_of_the_command_that_has_a_comment_is_listed_with_it() -> None:
    listed = read_listing("train")
    own = (Path(find_config_folder()) / "train.yaml").read_text().partition("\nhydra:")[0]
    comments = re.findall(r"^( *\w+): .*?\S +# (.*)$", own, re.MULTILINE)
    assert len(comments) > 20
    for key, comment in comments:
        assert re.search(rf"^{key}:.*# {re.escape(comment)}$", listed, re.MULTILINE), key


def test_a_comment_that_goes_on_below_is_told_whole() -> None:
    assert "several are an ensemble, model=[" in read_listing("translate")


def test_an_option_that_is_not_chosen_is_not_explained() -> None:
    assert "# may be left out" not in read_listing("train")
    assert "# may be left out" in read_listing("train", "data=files")
    assert "# BPE-dropout" in read_listing("train", "tokenizer=bpe")
    assert "# BPE-dropout" not in read_listing("train", "tokenizer=unigram")


def test_groups_are_those_that_the_command_has() -> None:
    groups = {line.split(":")[0] for line in help.split_help(read_help("train"))[0] if help.GROUPS.fullmatch(line)}
    assert {"data", "attention/score", "experiment", "debug", "model/decoder"} <= groups
    assert not {"comparison", "launcher", "extract", "shortlist"} & groups


def test_a_mistake_beside_it_is_still_a_mistake() -> None:
    done = run_process("train", "--help", "attention=nonesuch")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"bahdanau" in done.stderr
