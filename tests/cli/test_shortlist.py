"""nmt-shortlist learns from the pairs that are no longer than sentences, and names the others."""

import logging
import shutil
from pathlib import Path

import pytest

from nmt.cli.shortlist import run_task
from nmt.errors import ConfigError, DataError
from tests.commands import compose_command, write_lines
from tests.trained import TrainedRun


def learn(trained: TrainedRun, folder: Path, lines: list[str], *words: str) -> bytes:
    """The lexicon that is learnt of some lines, which are both sides."""
    text, model = write_lines(folder / "text.txt", *lines), folder / "model"
    shutil.copytree(trained.folder / "checkpoints" / "best", model, dirs_exist_ok=True)
    run_task(compose_command("shortlist", f"model={model}", f"source={text}", f"target={text}", *words))
    return (model / "lexicon.safetensors").read_bytes()


def test_a_pair_that_is_too_long_is_left_out_with_a_warning(
    trained: TrainedRun, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = list(trained.text.source[:4])
    wanted = learn(trained, tmp_path, lines)
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        found = learn(trained, tmp_path, [*lines, "a " * 300_000])
    assert found == wanted
    assert "1 of 5 pairs have more than 500 pieces on one side (max_length): line 5" in caplog.text


def test_where_all_pairs_are_too_long_nothing_is_learnt(trained: TrainedRun, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"6 of 6 pairs have more than 3 pieces .*: lines 1, 2, 3, 4, 5 and 1 more"):
        learn(trained, tmp_path, ["a b c d e f"] * 6, "max_length=3")
    with pytest.raises(ConfigError, match="max_length must be at most"):
        learn(trained, tmp_path, ["a"], "max_length=100000")


@pytest.mark.parametrize("word", ["kept=0", "max_length=0"])
def test_numbers_below_one_are_refused(word: str, trained: TrainedRun, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be at least 1"):
        learn(trained, tmp_path, ["a"], word)
