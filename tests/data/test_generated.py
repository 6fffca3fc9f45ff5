"""All corpora that are generated: whatever a number is, it is refused in a sentence or there is text."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from nmt.build.schema import DATA
from nmt.errors import ConfigError

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
def test_no_seed_draws_what_another_one_draws(name: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.seed must be .*0 .*got -1"):
        GENERATED[name](seed=-1)
