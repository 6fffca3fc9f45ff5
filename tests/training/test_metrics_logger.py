"""What a run tells of itself: rows that outlive interruptions, and nothing twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from nmt.training import metrics_logger as journal_module
from nmt.training.metrics_logger import MetricsLogger, read_rows


@pytest.fixture(autouse=True)
def _no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_open_tensorboard", lambda folder, step: None)


def row(step: int, kind: str = "train", **values: Any) -> dict[str, Any]:
    return {"kind": kind, "step": step, "loss": 1.0 / step, **values}


def written(folder: Path, *steps: int, at: int = 0) -> list[int]:
    """The steps of all rows on disk after a journal that goes on at `at` has recorded these."""
    journal = MetricsLogger(folder, step=at, validated=at)
    for step in steps:
        journal.record(row(step))
    journal.close()
    return [found["step"] for found in read_rows(folder / "metrics.jsonl")]


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    journal = MetricsLogger(tmp_path, step=0, validated=0)
    recorded = [row(3), row(3, "validation", bleu=12.5), {"kind": "skipped", "step": 5, "lines": [3, 1]}, row(7)]
    for one in recorded:
        journal.record(one)
    assert read_rows(tmp_path / "metrics.jsonl") == recorded  # before it is closed: a kill loses nothing
    journal.close()
    assert read_rows(tmp_path / "metrics.jsonl") == recorded


def test_rows_after_the_checkpoint_are_taken_back(tmp_path: Path) -> None:
    assert written(tmp_path, 2, 4, 6, 8) == [2, 4, 6, 8]
    assert written(tmp_path, 6, at=4) == [2, 4, 6]
    assert written(tmp_path, at=100) == [2, 4, 6]
    assert written(tmp_path, 1, at=0) == [1]


def test_a_validation_that_was_not_saved_is_told_again(tmp_path: Path) -> None:
    journal = MetricsLogger(tmp_path, step=0, validated=0)
    for one in (row(2), row(2, "validation"), row(4), row(4, "validation"), row(4, "skipped")):
        journal.record(one)
    journal.close()
    MetricsLogger(tmp_path, step=4, validated=2).close()
    found = [(one["step"], one["kind"]) for one in read_rows(tmp_path / "metrics.jsonl")]
    assert found == [(2, "train"), (2, "validation"), (4, "train"), (4, "skipped")]


@pytest.mark.parametrize("torn", ['{"kind": "train", "st', '{"kind": "train", "step": 5', "\x00\x00"])
def test_a_line_that_a_dying_run_left_unfinished_is_forgotten(tmp_path: Path, torn: str) -> None:
    written(tmp_path, 2, 4)
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text() + torn)
    assert [found["step"] for found in read_rows(path)] == [2, 4]
    assert written(tmp_path, 6, at=4) == [2, 4, 6]
    assert path.read_text().count("\n") == 3


def test_a_last_line_that_is_no_beginning_of_a_row_is_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written(tmp_path, 2, 4)
    path = tmp_path / "metrics.jsonl"
    for torn in ("", "{", '{"ki', '{"kind\x00\x00'):
        path.with_name("torn.jsonl").write_text(path.read_text() + torn)
        assert len(read_rows(path.with_name("torn.jsonl"))) == 2
    assert not caplog.records
    path.write_text(path.read_text() + "[" * 100_000)
    assert [found["step"] for found in read_rows(path)] == [2, 4]
    assert f"{path} is damaged: line 3 is no row" in caplog.text


DAMAGED = [
    b"null",
    b"3",
    b"[]",
    b"",
    b"{}",
    b"\x00\x00",
    b"\xff",
    b"[" * 100_000,
    b'{"kind": "train", "st',
    b'{"step": 1}',
    b'{"kind": "train"}',
    b'{"kind": ["train"], "step": 1}',
    b'{"kind": "other", "step": 1}',
    b'{"kind": "validation", "step": "x", "bleu": "y"}',
    b'{"kind": "validation", "step": 1, "bleu": "y"}',
    b'{"kind": "train", "step": 1, "minutes": null}',
    b'{"kind": "train", "step": 1, "loss": NaN}',
    b'{"kind": "train", "step": 1, "loss": 1e999}',
    b'{"kind": "train", "step": 1, "loss": 1' + b"0" * 400 + b"}",
    b'{"kind": "train", "step": true}',
    b'{"kind": "train", "step": 1.5}',
]


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_line_is_left_out_with_a_warning_and_the_others_stay(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, 2, 4)
    path = tmp_path / "metrics.jsonl"
    first, second = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([damage, first, damage, second, b""]))
    assert [found["step"] for found in read_rows(path)] == [2, 4]
    assert f"{path} is damaged: lines 1, 3 are no row" in caplog.text
    assert written(tmp_path, 6, at=4) == [2, 4, 6]
    caplog.clear()
    assert len(read_rows(path)) == 3  # the journal wrote the file anew
    assert not caplog.records


def test_a_run_that_has_told_nothing_has_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "metrics.jsonl") == []


def test_what_json_cannot_say_is_an_error(tmp_path: Path) -> None:
    journal = MetricsLogger(tmp_path, step=0, validated=0)
    with pytest.raises(ValueError, match="JSON"):
        journal.record(row(1, loss=float("nan")))
    journal.close()
    assert all(json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines())


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, 1.7])
def test_the_time_left_is_told_where_it_can_be_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, share: float
) -> None:
    journal = MetricsLogger(tmp_path, step=0, validated=0)
    with caplog.at_level("INFO", "nmt"):
        journal.show(row(5, epoch=2, tokens_per_second=1234.5, minutes=3.0), share)
    journal.close()
    assert "epoch 2 step 5 training loss 0.200 1234 target tokens/s" in caplog.text
    left = {0.0: None, 0.5: "3.0 min left", 1.0: "0.0 min left", 1.7: "0.0 min left"}[share]
    assert "left" not in caplog.text if left is None else left in caplog.text


def test_tensorboard_gets_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, float, int]] = []

    class Board:
        def add_scalar(self, name: str, value: float, step: int) -> None:
            told.append((name, value, step))

        def close(self) -> None:
            told.append(("closed", 0.0, 0))

    monkeypatch.setattr(journal_module, "_open_tensorboard", lambda folder, step: Board())
    journal = MetricsLogger(tmp_path, step=0, validated=0)
    journal.record(row(4, "validation", bleu=2.5))
    journal.close()
    assert told == [("validation/loss", 0.25, 4), ("validation/bleu", 2.5, 4), ("closed", 0.0, 0)]
