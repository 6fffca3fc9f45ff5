"""Files on disk: what is written comes back, and what cannot be read is said with its path."""

import json
from pathlib import Path

import pytest
import torch

from nmt.errors import CheckpointError
from nmt.storage import files
from tests.storage.test_untrusted_paths import ODD


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    square = torch.randn(3, 5)
    tensors = {"turned": square.t(), "count": torch.tensor(7), "none": torch.zeros(0, 2), "half": torch.ones(2).half()}
    files.save_tensors(tmp_path / "t.safetensors", tensors)
    back = files.load_tensors(tmp_path / "t.safetensors")
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensors[name]) and back[name].dtype == tensors[name].dtype for name in tensors)


def test_unreadable_files_are_checkpoint_errors_with_their_path(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"no tensors \xff")
    for read in (files.load_tensors, files.read_json):
        for name in ("bad", "missing"):
            with pytest.raises(CheckpointError, match=name):
                read(tmp_path / name)
    with pytest.raises(CheckpointError, match="nowhere"):
        files.save_tensors(tmp_path / "nowhere" / "t.safetensors", {"a": torch.ones(2)})


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_regular_file_is_not_opened(kind: str, tmp_path: Path) -> None:
    if "out of" in kind or "elsewhere" in kind:
        return  # a run folder is our own, and its links are followed
    ODD[kind](tmp_path / "odd")
    for read in (files.load_tensors, files.read_json, files.read_header):
        with pytest.raises(CheckpointError, match="odd"):
            read(tmp_path / "odd")


def test_json_that_would_break_its_reader_is_refused(tmp_path: Path) -> None:
    for content in (b"[" * 60_000, rb'["\ud800"]', b'{"a": 1, "a": 2}', b" " * (files.MAX_JSON_BYTES + 1)):
        (tmp_path / "bad.json").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"bad\.json"):
            files.read_json(tmp_path / "bad.json")


def test_a_header_says_what_is_in_a_file(tmp_path: Path) -> None:
    files.save_tensors(tmp_path / "t", {"a": torch.zeros(2, 3), "b": torch.zeros((), dtype=torch.int32)})
    assert files.read_header(tmp_path / "t") == {"a": files.Entry("F32", (2, 3)), "b": files.Entry("I32", ())}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_holds_only_what_every_reader_takes(tmp_path: Path, number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"loss": number})
    files.write_json(tmp_path / "a.json", {"b": 1, "a": "é"})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": "é", "b": 1}
    assert text.index('"a"') < text.index('"b"')
