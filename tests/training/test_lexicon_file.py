"""A lexicon in a model folder comes back as it was, or is an error that says what to do."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from nmt.data.lexicon import Lexicon
from nmt.data.tokenizer import Tokenizers
from nmt.errors import ModelError
from nmt.training import lexicon_file
from tests import tiny


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Tokenizers:
    return tiny.prepared(tiny.settings(tmp_path_factory.mktemp("run") / "run")).tokenizers


def lexicon(pair: Tokenizers) -> Lexicon:
    size = pair.source.vocab_size
    return Lexicon(np.arange(3 * size, dtype=np.int32).reshape(size, 3) % size, np.array([5, 4], np.int32))


def test_it_comes_back(pair: Tokenizers, tmp_path: Path) -> None:
    made = lexicon(pair)
    assert [path.name for path in (lexicon_file.save(tmp_path, pair, made), *tmp_path.iterdir())] == [
        lexicon_file.NAME,
        lexicon_file.NAME,
    ]
    for found, wanted in zip(lexicon_file.load(tmp_path, pair), made, strict=True):
        assert np.array_equal(found, wanted)


def test_without_one_the_way_to_get_it_is_told(pair: Tokenizers, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nmt-shortlist model="):
        lexicon_file.load(tmp_path, pair)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("translations", torch.full((1, 3), 4, dtype=torch.int32)),
        ("translations", None),
        ("frequent", torch.tensor([10**6], dtype=torch.int32)),
        ("frequent", torch.tensor([-1], dtype=torch.int32)),
        ("frequent", torch.tensor([1.0])),
        ("pieces", torch.zeros(32, dtype=torch.uint8)),
    ],
)
def test_one_that_does_not_fit_is_an_error(
    name: str, value: torch.Tensor | None, pair: Tokenizers, tmp_path: Path
) -> None:
    path = lexicon_file.save(tmp_path, pair, lexicon(pair))
    tensors = load_file(path) | {name: value}
    save_file({key: tensor for key, tensor in tensors.items() if tensor is not None}, path)
    with pytest.raises(ModelError, match="again with nmt-shortlist"):
        lexicon_file.load(tmp_path, pair)


def test_a_damaged_one_is_an_error(pair: Tokenizers, tmp_path: Path) -> None:
    path = lexicon_file.save(tmp_path, pair, lexicon(pair))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ModelError, match="cannot be used"):
        lexicon_file.load(tmp_path, pair)
