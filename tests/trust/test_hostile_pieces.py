"""SentencePiece parses what strangers wrote, in C++: whatever it is given, it answers, and the process lives."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.data.tokenizer import Bpe, Unigram
from tests.commands import build_environment

MUTATOR = Path(__file__).with_name("mutator.py")

LINES = ["the quick brown fox jumps over the lazy dog", "pack my box with five dozen liquor jugs", "12 34 56 78 90 €äß"]


def mutated(model: Path, first: int, count: int) -> dict[str, int]:
    """What became of so many mutations of a model, in processes of their own: how many of each kind of end."""
    command = [sys.executable, str(MUTATOR), str(model), str(first), str(count)]
    done = subprocess.run(command, capture_output=True, env=build_environment(), check=True)
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("cls", [Bpe, Unigram])
def test_a_mutated_tokenizer_is_refused_or_works(cls: type[Bpe] | type[Unigram], count: int, tmp_path: Path) -> None:
    model = tmp_path / "spm.model"
    model.write_bytes(cls(vocab_size=45).train(LINES * 9, LINES * 9).source.serialized)
    ends = mutated(model, 0, count)
    assert ends.keys() == {"works", "refused"}, ends
    assert sum(ends.values()) == count
    assert min(ends.values()) > count // 20  # both were put to the test


def test_the_mutator_sees_a_process_die(tmp_path: Path) -> None:
    model = tmp_path / "spm.model"
    model.write_bytes(b"dies")
    assert mutated(model, 0, 3) == {"died by signal 11": 3}
