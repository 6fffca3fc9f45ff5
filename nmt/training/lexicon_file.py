"""A lexicon in a model folder: safetensors, and held against the model's vocabulary before it is used."""

import hashlib
from pathlib import Path

import torch

from nmt.data.lexicon import Lexicon
from nmt.data.tokenizer import Tokenizers
from nmt.errors import CheckpointError, ModelError
from nmt.training.files import load_tensors, save_tensors

NAME = "lexicon.safetensors"


def save(folder: Path, tokenizers: Tokenizers, lexicon: Lexicon) -> Path:
    """Puts a lexicon of these tokenizers' pieces into a model folder; it appears there whole or not at all."""
    path, writing = folder / NAME, folder / f".writing-{NAME}"
    tensors = {name: torch.from_numpy(array) for name, array in lexicon._asdict().items()}
    try:
        save_tensors(writing, {**tensors, "pieces": torch.tensor(list(pieces(tokenizers)), dtype=torch.uint8)})
        writing.replace(path)
    finally:
        writing.unlink(missing_ok=True)
    return path


def load(folder: Path, tokenizers: Tokenizers) -> Lexicon:
    """The lexicon in a model folder. Raises ModelError where there is none, or one that is not of this model."""
    path = folder / NAME
    if not path.is_file():
        raise ModelError(
            f"{folder} has no lexicon. Learn one from the text that the model was trained on, with "
            f"nmt-shortlist model={folder} source=... target=..., or choose shortlist=whole."
        )
    try:
        found = load_tensors(path)
    except CheckpointError as problem:
        raise ModelError(f"The lexicon of {folder} cannot be used: {problem}") from problem
    kinds = {"translations": (2, torch.int32), "frequent": (1, torch.int32), "pieces": (1, torch.uint8)}
    if {name: (tensor.ndim, tensor.dtype) for name, tensor in found.items()} != kinds:
        raise ModelError(f"{path} is no lexicon of this program. Learn it again with nmt-shortlist.")
    lexicon = Lexicon(found["translations"].numpy(), found["frequent"].numpy())
    below = tokenizers.target.vocab_size
    fits = len(lexicon.translations) == tokenizers.source.vocab_size and lexicon.translations.size
    if not fits or any(((ids < 0) | (ids >= below)).any() for ids in lexicon):
        raise ModelError(f"{path} does not fit this model's vocabulary. Learn it again with nmt-shortlist.")
    if bytes(found["pieces"].tolist()) != pieces(tokenizers):
        raise ModelError(f"{path} was learnt for other pieces than this model's. Learn it again with nmt-shortlist.")
    return lexicon


def pieces(tokenizers: Tokenizers) -> bytes:
    """What names two vocabularies: a SHA-256."""
    return hashlib.sha256(b"".join(tokenizer.serialized for tokenizer in tokenizers)).digest()
