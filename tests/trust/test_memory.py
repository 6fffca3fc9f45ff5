"""A lack of memory shows before the first step, with the settings to change."""

from pathlib import Path

import pytest

from nmt.training.metrics_logger import read_rows
from tests.trust.workers import build_words, run_process

WIDE = ("model.embedding_size=4096", "batching.tokens=4000", "data.train=400", "training.stop.steps=1")


@pytest.mark.slow
def test_a_run_that_cannot_fit_says_so_before_it_begins(tmp_path: Path) -> None:
    found = run_process(tmp_path, "small", build_words(tmp_path, "small", *WIDE), room=100)
    assert found.status == 2, found.output
    assert "does not fit into memory" in found.output
    assert "Lower batching.tokens, now 4000" in found.output
    assert "Traceback" not in found.output
    assert read_rows(tmp_path / "small" / "metrics.jsonl") == []
    assert run_process(tmp_path, "roomy", build_words(tmp_path, "roomy", *WIDE), room=4096).status == 0
