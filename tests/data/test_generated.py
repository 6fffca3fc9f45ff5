"""All corpora that are generated: whatever a number is, it is refused in a sentence or there is text."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from nmt import build, config
from nmt.build.check import check_numbers
from nmt.build.run import build_corpus
from nmt.build.schema import DATA
from nmt.data.corpus import count_numbers
from nmt.errors import ConfigError
from tests import tiny_runs

GENERATED = {name: cls for name, cls in DATA.table.items() if "seed" in inspect.signature(cls).parameters}
SIZES = {"train": 3, "validation": 2, "test": 2}
NUMBERS: dict[str, tuple[Any, ...]] = {
    "int": (-1, 0, 2**32, 2**63 - 1),
    "int | None": (-1, 0, 2**32, 2**63 - 1),
    "float": (-1.0, 0.0, 1e300, float("inf"), float("nan")),
}


def list_numbers(name: str) -> list[tuple[str, Any]]:
    """Each setting that is a number, with each number that may be too small or too large for it."""
    found = []
    for key, parameter in inspect.signature(GENERATED[name], eval_str=True).parameters.items():
        kind = parameter.annotation
        found += [(key, value) for value in NUMBERS.get(kind.__name__ if isinstance(kind, type) else str(kind), ())]
    return found


@pytest.mark.parametrize("name", GENERATED)
def test_a_number_is_refused_with_its_setting_or_there_is_text(name: str, tmp_path: Path) -> None:
    folder = {"folder": str(tmp_path)} if name == "scenes" else {}
    for key, value in list_numbers(name):
        try:
            text = GENERATED[name](**(SIZES | folder | {key: value})).load("train")
        except ConfigError as problem:
            said = str(problem)
        else:
            assert len(text.source) == SIZES["train"], (key, value)
            assert not any("inf" in line or "nan" in line for line in text.source), (key, value)
            continue
        assert f"data.{key}" in said
        assert "got" in said or "ask for" in said


@pytest.mark.parametrize("name", GENERATED)
def test_target_numbers_are_all_that_there_may_be(name: str, tmp_path: Path) -> None:
    folder = {"folder": str(tmp_path)} if name == "scenes" else {}
    lengths = {"width": 2} if name == "bits" else {}
    corpus = GENERATED[name](**{**lengths, **folder, "train": 50, "validation": 30, "test": 20})
    words = {word for split in SIZES for line in corpus.load(split).target for word in line.split()}
    if all(map(str.isdigit, words)):
        assert max(map(int, words)) + 1 == count_numbers(corpus)
    else:
        assert count_numbers(corpus) is None


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ("experiment=pointer_sorting data.longest=10", 10),
        ("experiment=pointer_sorting data.longest=10 data.test_length=12", 12),
        ("experiment=ntm_copy data.width=7", 128),
        ("experiment=tones", 10),
    ],
)
def test_every_target_has_a_word(words: str, needed: int) -> None:
    settings = config.check(tiny_runs.compose_config(*words.split(), f"tokenizer.count={needed}"), build.TRAIN)
    corpus = build_corpus(settings)
    check_numbers(settings, corpus)
    settings["tokenizer"]["count"] = needed - 1
    with pytest.raises(ConfigError, match=rf"0 to {needed - 1} .*tokenizer\.count={needed - 1} .*count={needed}\."):
        check_numbers(settings, corpus)


@pytest.mark.parametrize("name", GENERATED)
def test_no_seed_draws_what_another_one_draws(name: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.seed must be .*0 .*got -1"):
        GENERATED[name](seed=-1)
