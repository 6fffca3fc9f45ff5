"""A lack of memory shows before the first step, with the settings to change."""

from pathlib import Path

import pytest

from nmt.training.metrics_logger import rows
from tests.trust.workers import done, words

WIDE = ("model.embedding_size=4096", "batching.tokens=4000", "data.train=400", "training.stop.steps=1")


@pytest.mark.slow
def test_a_run_that_cannot_fit_says_so_before_it_begins(tmp_path: Path) -> None:
    found = done(tmp_path, "small", words(tmp_path, "small", *WIDE), room=100)
    assert found.status == 2, found.said
    assert "does not fit into memory" in found.said
    assert "Lower batching.tokens, now 4000" in found.said
    assert "Traceback" not in found.said
    assert rows(tmp_path / "small" / "metrics.jsonl") == []
    assert done(tmp_path, "roomy", words(tmp_path, "roomy", *WIDE), room=4096).status == 0
