"""A run that began before a setting was there goes on with what it did then."""

import json
from pathlib import Path

import pytest

from nmt.runs.earlier import keep_choices

CHOICES = [({}, 2_000_000), ({"learn_from": "auto"}, "auto"), ({"learn_from": 9}, 9)]
"""What was set, or nothing, and what goes on."""


@pytest.mark.parametrize(("before", "kept"), CHOICES)
def test_a_vocabulary_is_learnt_from_the_lines_that_the_run_began_with(
    before: dict[str, object], kept: object, tmp_path: Path
) -> None:
    now = {"tokenizer": {"name": "bpe", "learn_from": "auto"}}
    assert keep_choices(tmp_path, now) == now
    (tmp_path / "run.json").write_text(json.dumps({"format": 1}))
    (tmp_path / "config.yaml").write_text(json.dumps({"tokenizer": {"name": "bpe", **before}}))
    assert keep_choices(tmp_path, now)["tokenizer"]["learn_from"] == kept
