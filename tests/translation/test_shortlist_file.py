"""A lexicon in a model folder comes back as it was, or is an error that says what to do."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from nmt.data.tokenizer import Tokenizers
from nmt.errors import CheckpointError, ConfigError, ModelError
from nmt.translation import shortlist_file
from nmt.translation.shortlist import Lexicon
from tests import tiny_runs
from tests.storage.test_untrusted_paths import ODD


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Tokenizers:
    return tiny_runs.prepare_data(tiny_runs.build_settings(tmp_path_factory.mktemp("run") / "run")).tokenizers


def lexicon(pair: Tokenizers) -> Lexicon:
    size = pair.source.vocab_size
    return Lexicon(np.arange(3 * size, dtype=np.int32).reshape(size, 3) % size, np.array([5, 4], np.int32))


def test_it_comes_back(pair: Tokenizers, tmp_path: Path) -> None:
    made = lexicon(pair)
    assert [path.name for path in (shortlist_file.save(tmp_path, pair, made), *tmp_path.iterdir())] == [
        shortlist_file.NAME,
        shortlist_file.NAME,
    ]
    for found, wanted in zip(shortlist_file.load(tmp_path, pair), made, strict=True):
        assert np.array_equal(found, wanted)


def test_without_one_the_way_to_get_it_is_told(pair: Tokenizers, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nmt-shortlist model="):
        shortlist_file.load(tmp_path, pair)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("translations", torch.full((1, 3), 4, dtype=torch.int32)),
        ("translations", None),
        ("frequent", torch.tensor([10**6], dtype=torch.int32)),
        ("frequent", torch.tensor([-1], dtype=torch.int32)),
        ("frequent", torch.tensor([1.0])),
        ("frequent", torch.zeros(10**5, dtype=torch.int32)),
        ("pieces", torch.zeros(32, dtype=torch.uint8)),
        ("pieces", torch.zeros(33, dtype=torch.uint8)),
        ("pieces", torch.zeros(32, dtype=torch.int32)),
    ],
)
def test_one_that_does_not_fit_is_an_error(
    name: str, value: torch.Tensor | None, pair: Tokenizers, tmp_path: Path
) -> None:
    path = shortlist_file.save(tmp_path, pair, lexicon(pair))
    tensors = load_file(path) | {name: value}
    save_file({key: tensor for key, tensor in tensors.items() if tensor is not None}, path)
    with pytest.raises(ModelError, match="again with nmt-shortlist"):
        shortlist_file.load(tmp_path, pair)


def test_a_damaged_one_is_an_error(pair: Tokenizers, tmp_path: Path) -> None:
    path = shortlist_file.save(tmp_path, pair, lexicon(pair))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ModelError, match="cannot be used"):
        shortlist_file.load(tmp_path, pair)


def sparse(path: Path, sizes: dict[str, tuple[str, list[int]]]) -> None:
    """A file with these tensors, all zeros, that takes hardly any room on the disk."""
    header, end = {}, 0
    for name, (dtype, shape) in sizes.items():
        start, end = end, end + math.prod(shape) * {"U8": 1, "I32": 4, "F32": 4}[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    written = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(written).to_bytes(8, "little") + written)
        file.truncate(8 + len(written) + end)


@pytest.mark.parametrize(
    "larger",
    [
        {"pieces": ("U8", [10**8])},
        {"frequent": ("I32", [10**7])},
        {"translations": ("I32", [10**8, 100])},
        {"more": ("F32", [10**7])},
    ],
    ids=str,
)
def test_no_tensor_is_read_before_its_size_is_known(
    larger: dict[str, tuple[str, list[int]]], pair: Tokenizers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"pieces": ("U8", [32]), "frequent": ("I32", [1]), "translations": ("I32", [pair.source.vocab_size, 1])}
    sparse(tmp_path / shortlist_file.NAME, sizes | larger)
    monkeypatch.setattr(shortlist_file, "load_tensors", lambda path: pytest.fail("it was read"))
    with pytest.raises(ModelError, match=shortlist_file.NAME) as caught:
        shortlist_file.load(tmp_path, pair)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_regular_file_in_the_folder_is_refused(kind: str, pair: Tokenizers, tmp_path: Path) -> None:
    ODD[kind](tmp_path / shortlist_file.NAME)
    with pytest.raises(ModelError, match=shortlist_file.NAME):
        shortlist_file.load(tmp_path, pair)


@pytest.mark.parametrize("name", [shortlist_file.NAME, f".writing-{shortlist_file.NAME}"])
def test_writing_follows_no_link_out_of_the_folder(name: str, pair: Tokenizers, tmp_path: Path) -> None:
    folder, mine = tmp_path / "model", tmp_path / "mine"
    folder.mkdir()
    mine.write_text("mine")
    (folder / name).symlink_to(mine)
    shortlist_file.save(folder, pair, lexicon(pair))
    assert mine.read_text() == "mine"
    assert [path.name for path in folder.iterdir() if not path.is_symlink()] == [shortlist_file.NAME]


def test_what_cannot_be_written_is_an_error(pair: Tokenizers, tmp_path: Path) -> None:
    (tmp_path / shortlist_file.NAME).mkdir()
    with pytest.raises(CheckpointError, match=shortlist_file.NAME) as caught:
        shortlist_file.save(tmp_path, pair, lexicon(pair))
    assert "output=" not in str(caught.value)  # nmt-shortlist has no such setting


def test_one_that_would_be_too_large_to_be_read_is_not_learnt(pair: Tokenizers) -> None:
    shortlist_file.check_size(pair, max_translations=1000)
    with pytest.raises(ConfigError, match="kept to at most"):
        shortlist_file.check_size(pair, max_translations=10**7)
