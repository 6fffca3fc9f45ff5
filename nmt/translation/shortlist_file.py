"""A lexicon in a model folder: safetensors, and held against the model's vocabulary before it is used."""

import hashlib
import os
from pathlib import Path

import torch

from nmt.data.tokenizer import Tokenizers
from nmt.errors import CheckpointError, ConfigError, ModelError
from nmt.printable import shorten
from nmt.storage.files import HEADER_BYTES, explained, load_tensors, read_header, save_tensors
from nmt.storage.untrusted_paths import LEXICON, LEXICON_BYTES, ordinary
from nmt.translation.shortlist import Lexicon

NAME = LEXICON

ADVICE = "or copy the model to a folder that can be written, and give that; the model is as it was."
"""What can be done where a lexicon cannot be written, for it has no other place."""

DIGEST = hashlib.sha256().digest_size

KINDS = {"translations": ("I32", 2), "frequent": ("I32", 1), "pieces": ("U8", 1)}
"""Type and number of dimensions of each tensor."""


def check_size(tokenizers: Tokenizers, *, kept: int) -> None:
    """Raises ConfigError where a lexicon of so many translations a piece would be larger than `load` reads."""
    rows, most = tokenizers.source.vocab_size, LEXICON_BYTES // 4
    room = most - tokenizers.target.vocab_size - HEADER_BYTES
    if rows * kept > room:
        raise ConfigError(
            f"kept={kept} translations of each of {rows} pieces make a lexicon of more than {LEXICON_BYTES >> 20} MiB, "
            f"which is not read. Set kept to at most {room // rows}."
        )


def save(folder: Path, tokenizers: Tokenizers, lexicon: Lexicon) -> Path:
    """Puts a lexicon of these tokenizers' pieces into a model folder; it appears there whole or not at all.

    What has its name, or that of the unfinished file, is replaced; a link there is not followed. Raises CheckpointError
    if it cannot be written.
    """
    path, writing = folder / NAME, folder / f".writing-{NAME}"
    tensors = {name: torch.from_numpy(array) for name, array in lexicon._asdict().items()}
    with explained("write", path, ADVICE):
        writing.unlink(missing_ok=True)
        try:
            digest = torch.tensor(list(pieces(tokenizers)), dtype=torch.uint8)
            save_tensors(writing, {**tensors, "pieces": digest}, ADVICE)
            writing.replace(path)
        finally:
            writing.unlink(missing_ok=True)
    return path


def load(folder: Path, tokenizers: Tokenizers) -> Lexicon:
    """The lexicon in a model folder. Raises ModelError where there is none, or one that is not of this model.

    As with all files of a model folder, nothing outside the folder is read, and no tensor is read whose type and shape
    are not those that a lexicon of this vocabulary may have.
    """
    path = folder / NAME
    if not os.path.lexists(path):
        raise ModelError(
            f"{folder} has no lexicon. Learn one from the text that the model was trained on, with "
            f"nmt-shortlist model={folder} source=... target=..., or choose shortlist=whole."
        )
    ordinary(folder, NAME, most=LEXICON_BYTES)
    above, below = tokenizers.source.vocab_size, tokenizers.target.vocab_size
    try:
        header = read_header(path)
        if {name: (entry.dtype, len(entry.shape)) for name, entry in header.items()} != KINDS:
            raise ModelError(f"{path} is no lexicon of this program. Learn it again with nmt-shortlist.")
        shapes = {name: entry.shape for name, entry in header.items()}
        bounded = shapes["pieces"] == (DIGEST,) and shapes["frequent"][0] <= below
        if not bounded or shapes["translations"][0] != above or not shapes["translations"][1]:
            raise ModelError(f"{path} does not fit this model's vocabulary. Learn it again with nmt-shortlist.")
        found = load_tensors(path)
    except CheckpointError as problem:
        raise ModelError(f"The lexicon of {folder} cannot be used: {shorten(problem)}") from problem
    if bytes(found["pieces"].tolist()) != pieces(tokenizers):
        raise ModelError(f"{path} was learnt for other pieces than this model's. Learn it again with nmt-shortlist.")
    lexicon = Lexicon(found["translations"].numpy(), found["frequent"].numpy())
    if any(ids.size and (ids.min() < 0 or ids.max() >= below) for ids in lexicon):
        raise ModelError(f"{path} does not fit this model's vocabulary. Learn it again with nmt-shortlist.")
    return lexicon


def pieces(tokenizers: Tokenizers) -> bytes:
    """What names two vocabularies: a SHA-256."""
    return hashlib.sha256(b"".join(tokenizer.serialized for tokenizer in tokenizers)).digest()
