"""--help tells what settings mean, in the words of the files that set them."""

import re
from pathlib import Path

import pytest
import yaml

from nmt.composition import help
from nmt.composition.paths import configs
from tests.commands import finished


def told(command: str, *words: str) -> str:
    done = finished(command, "--help", *words)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


def listing(command: str, *words: str) -> str:
    return help.divided(told(command, *words))[2]


@pytest.mark.parametrize("command", ["train", "translate", "evaluate", "align", "score", "compare", "shortlist"])
def test_comments_change_nothing_that_is_listed(command: str) -> None:
    done = finished(command, "--cfg", "job")
    assert yaml.safe_load(listing(command)) == yaml.safe_load(done.stdout)


def test_every_setting_of_the_command_that_has_a_comment_is_listed_with_it() -> None:
    listed = listing("train")
    own = (Path(configs()) / "train.yaml").read_text().partition("\nhydra:")[0]
    comments = re.findall(r"^( *\w+): .*?\S +# (.*)$", own, re.MULTILINE)
    assert len(comments) > 20
    for key, comment in comments:
        assert re.search(rf"^{key}:.*# {re.escape(comment)}$", listed, re.MULTILINE), key


def test_a_comment_that_goes_on_below_is_told_whole() -> None:
    assert "several are an ensemble, model=[" in listing("translate")


def test_an_option_that_is_not_chosen_is_not_explained() -> None:
    assert "# may be left out" not in listing("train")
    assert "# may be left out" in listing("train", "data=files")
    assert "# BPE-dropout" in listing("train", "tokenizer=bpe")
    assert "# BPE-dropout" not in listing("train", "tokenizer=unigram")


def test_groups_are_those_that_the_command_has() -> None:
    groups = {line.split(":")[0] for line in help.divided(told("train"))[0] if help.GROUPS.fullmatch(line)}
    assert {"data", "attention/score", "experiment", "debug", "model/decoder"} <= groups
    assert not {"comparison", "launcher", "extract", "shortlist"} & groups


def test_a_mistake_beside_it_is_still_a_mistake() -> None:
    done = finished("train", "--help", "attention=nonesuch")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"bahdanau" in done.stderr
