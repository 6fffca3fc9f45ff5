"""Bits as numbers and as symbols, and what is counted of them."""

import pytest

from nmt import build, config
from nmt.data.bits import Bits, count_wrong_bits
from nmt.errors import ConfigError
from tests import tiny_runs

SMALL = {"train": 50, "validation": 7, "test": 5}


@pytest.mark.parametrize("width", [1, 3, 8])
def test_a_target_symbol_has_the_bits_of_its_source_position(width: int) -> None:
    text = Bits(width=width, longest=6, **SMALL).load("train")
    assert len(text.source) == len(text.target) == 50
    for source, target in zip(text.source, text.target, strict=True):
        bits = [position.split(",") for position in source.split()]
        assert [len(each) for each in bits] == [width] * len(bits)
        assert [sum(int(bit) << place for place, bit in enumerate(reversed(each))) for each in bits] == [
            int(word) for word in target.split()
        ]
    assert {len(line.split()) for line in text.source} == set(range(1, 7))


def test_the_text_follows_from_the_settings_and_splits_differ() -> None:
    same, other = Bits(**SMALL), Bits(seed=2, **SMALL)
    assert same.load("test") == Bits(**SMALL).load("test")
    assert same.get_identity() != other.get_identity()
    assert same.load("test") != other.load("test")
    # More training text leaves the held-out text as it is.
    assert same.load("validation") == Bits(**{**SMALL, "train": 90}).load("validation")


def test_test_sequences_may_be_longer_than_all_others() -> None:
    task = Bits(longest=4, test_length=9, **SMALL)
    assert {len(line.split()) for line in task.load("test").source} == {9}
    assert max(len(line.split()) for line in task.load("train").source) == 4


def test_links_join_equal_positions() -> None:
    text = Bits(**SMALL).load("validation")
    assert text.alignments is not None
    for source, links in zip(text.source, text.alignments, strict=True):
        assert links.split() == [f"{place}-{place}" for place in range(len(source.split()))]


def test_wrong_bits_are_counted_one_by_one() -> None:
    assert count_wrong_bits(["5 1", "7"], ["5 1", "7"], 3) == 0
    assert count_wrong_bits(["5 1"], ["4 6"], 3) == 1 + 3
    assert count_wrong_bits(["5", "5 1 2 3"], ["5 1", "5 1"], 3) == (3 + 2 * 3) / 2
    assert count_wrong_bits(["", "x ⁇"], ["1 2", "1 2"], 3) == 6
    assert count_wrong_bits(["8"], ["0"], 3) == 3
    assert count_wrong_bits([], [], 3) == 0


@pytest.mark.parametrize(
    "settings",
    [{"width": 0}, {"width": 13}, {"shortest": 0}, {"shortest": 5, "longest": 4}, {"train": 0}, {"test_length": 0}],
    ids=str,
)
def test_numbers_out_of_range_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"data\."):
        Bits(**settings)


def test_the_task_measures_wrong_bits() -> None:
    task = Bits(width=3, **SMALL)
    text = task.load("test")
    assert task.measure(text.source, text.target, text.target) == {"wrong_bits": 0}
    assert task.measure(text.source, ["" for _ in text.target], text.target)["wrong_bits"] == pytest.approx(
        3 * sum(len(line.split()) for line in text.target) / len(text.target)
    )


def test_there_must_be_a_word_for_each_symbol() -> None:
    words = ("experiment=ntm_copy", "tokenizer.count=128")
    settings = config.check(tiny_runs.compose_config(*words), build.TRAIN)
    with pytest.raises(ConfigError, match=r"tokenizer\.count=256"):
        build.dry_run(settings)
