"""Files on disk: what is written comes back, and what cannot be read is said with its path."""

import json
from pathlib import Path

import pytest
import torch

from nmt.errors import CheckpointError
from nmt.training import files


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


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_holds_only_what_every_reader_takes(tmp_path: Path, number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"loss": number})
    files.write_json(tmp_path / "a.json", {"b": 1, "a": "é"})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": "é", "b": 1}
    assert text.index('"a"') < text.index('"b"')
