"""What a run ends with is written as people read it."""

import pytest

from nmt.runs.outcome import format_score


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("test BLEU", 37.8249, "37.82"), ("test ratio", 1.00421, "1.0042"), ("test exact", 100.0, "100.00")],
)
def test_ratios_have_four_places(name: str, value: float, text: str) -> None:
    assert format_score({"name": name, "value": value, "signature": "task"}) == text
