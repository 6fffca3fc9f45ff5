"""Of a model folder, only the files that it is made of are opened, and only if they are regular files in it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.errors import ModelError
from nmt.inference.resumable import hash_model_folder
from nmt.storage.untrusted_paths import CONFIG, LEXICON, WEIGHTS, list_model_files, parse_json, read_config
from tests.trust.hostile_folders import make_socket

Make = Callable[[Path], object]

ODD: dict[str, Make] = {
    "a pipe": os.mkfifo,
    "a socket": make_socket,
    "a folder": Path.mkdir,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to nowhere": lambda path: path.symlink_to("/nonexistent"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link out of the folder": lambda path: path.symlink_to("/etc/passwd"),
    "a link through a folder elsewhere": lambda path: [
        (path.parent / "way").symlink_to("/etc"),
        path.symlink_to("way/passwd"),
    ],
}
"""What may stand where a file is expected."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What passes for a model folder until its files are parsed."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / CONFIG).write_text(json.dumps({"tokenizer": {"joint": True}}))
    for name in ("spm.model", WEIGHTS, LEXICON):
        (folder / name).write_bytes(b"content")
    return folder


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", ["extra.model", "extra.json", "spm.source.model", "MANIFEST.json", LEXICON])
def test_what_lies_beside_a_model_is_not_opened(name: str, kind: str, folder: Path) -> None:
    (folder / LEXICON).unlink()
    wanted = hash_model_folder(folder)
    ODD[kind](folder / name)
    assert hash_model_folder(folder) == wanted
    assert [path.name for path in list_model_files(folder)] == [CONFIG, WEIGHTS, "spm.model"]


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, "spm.model", LEXICON])
def test_what_is_no_regular_file_in_the_folder_is_refused(name: str, kind: str, folder: Path) -> None:
    (folder / name).unlink()
    ODD[kind](folder / name)
    with pytest.raises(ModelError, match=name) as caught:
        hash_model_folder(folder, lexicon=True)
    assert str(folder) in str(caught.value)
    assert str(caught.value).isprintable()


def test_every_file_of_the_model_counts(folder: Path) -> None:
    found = {hash_model_folder(folder, lexicon=True), hash_model_folder(folder)}
    for name in (WEIGHTS, "spm.model", LEXICON):
        (folder / name).write_bytes(b"changed")
        found.add(hash_model_folder(folder, lexicon=True))
    assert len(found) == 5


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (rb'{"source_language": "\ud800"}', "half a surrogate"),
        (rb'{"a": ["\uDFFF"]}', "half a surrogate"),
        (rb'{"\udc00": 1}', "half a surrogate"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"[" * 60_000, "damaged"),
        (b'{"a": "\xed\xa0\x80"}', "damaged"),
        (b"\xff", "damaged"),
        (b"9" * 5000, "damaged"),
    ],
)
def test_a_config_that_is_no_json_is_refused(content: bytes, told: str, folder: Path) -> None:
    (folder / CONFIG).write_bytes(content)
    with pytest.raises(ModelError, match=told):
        read_config(folder)


def test_whole_surrogate_pairs_are_text() -> None:
    assert parse_json(rb'["\ud83d\udc69", "\\ud800"]') == ["👩", r"\ud800"]
