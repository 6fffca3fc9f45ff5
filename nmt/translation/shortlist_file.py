"""A lexicon in a model folder: safetensors, and held against the model's vocabulary before it is used."""

import hashlib
import os
from pathlib import Path

import torch

from nmt.data.tokenizer import Tokenizers
from nmt.errors import CheckpointError, ConfigError, ModelError
from nmt.printable import shorten
from nmt.storage.files import MAX_HEADER_BYTES, explain_disk_errors, load_tensors, read_header, save_tensors
from nmt.storage.new_files import open_replacement, remove_abandoned
from nmt.storage.untrusted_paths import LEXICON, MAX_LEXICON_BYTES, find_regular_file
from nmt.translation.shortlist import Lexicon

NAME = LEXICON

ADVICE = "or copy the model to a folder that can be written, and give that; the model is as it was."
"""What can be done where a lexicon cannot be written, for it has no other place."""

DIGEST_BYTES = hashlib.sha256().digest_size

TENSOR_KINDS = {"translations": ("I32", 2), "frequent": ("I32", 1), "pieces": ("U8", 1)}
"""Type and number of dimensions of each tensor."""


def check_size(tokenizers: Tokenizers, *, max_translations: int) -> None:
    """Raises ConfigError where a lexicon of so many translations a piece would be larger than `load` reads."""
    if not tokenizers.source.reads_text:
        raise ConfigError(
            "A shortlist is learnt from pieces of the source, and this model's source has none (model/source)."
        )
    rows, most = tokenizers.source.vocab_size, MAX_LEXICON_BYTES // 4
    room = most - tokenizers.target.vocab_size - MAX_HEADER_BYTES
    if rows * max_translations > room:
        raise ConfigError(
            f"kept={max_translations} translations of each of {rows} pieces make a lexicon of more than "
            f"{MAX_LEXICON_BYTES >> 20} MiB, "
            f"which is not read. Set kept to at most {room // rows}."
        )


def save(folder: Path, tokenizers: Tokenizers, lexicon: Lexicon) -> Path:
    """Puts a lexicon of these tokenizers' pieces into a model folder; it appears there whole or not at all.

    What has its name is replaced; a link there is not followed. Raises CheckpointError if it cannot be written.
    """
    path = folder / NAME
    tensors = {name: torch.from_numpy(array) for name, array in lexicon._asdict().items()}
    digest = torch.tensor(list(hash_pieces(tokenizers)), dtype=torch.uint8)
    remove_abandoned(folder)
    with explain_disk_errors("write", path, ADVICE), open_replacement(path) as file:
        save_tensors(Path(file.name), {**tensors, "pieces": digest}, ADVICE)
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
            f"nmt-shortlist model={folder} source=... target=..., or choose shortlist=none."
        )
    find_regular_file(folder, NAME, max_bytes=MAX_LEXICON_BYTES)
    above, below = tokenizers.source.vocab_size, tokenizers.target.vocab_size
    try:
        header = read_header(path)
        if {name: (entry.dtype, len(entry.shape)) for name, entry in header.items()} != TENSOR_KINDS:
            raise ModelError(f"{path} is no lexicon of this program. Learn it again with nmt-shortlist.")
        shapes = {name: entry.shape for name, entry in header.items()}
        fits = shapes["pieces"] == (DIGEST_BYTES,) and shapes["frequent"][0] <= below
        if not fits or shapes["translations"][0] != above or not shapes["translations"][1]:
            raise ModelError(f"{path} does not fit this model's vocabulary. Learn it again with nmt-shortlist.")
        found = load_tensors(path)
    except CheckpointError as problem:
        raise ModelError(f"The lexicon of {folder} cannot be used: {shorten(problem)}") from problem
    if bytes(found["pieces"].tolist()) != hash_pieces(tokenizers):
        raise ModelError(f"{path} was learnt for other pieces than this model's. Learn it again with nmt-shortlist.")
    lexicon = Lexicon(found["translations"].numpy(), found["frequent"].numpy())
    if any(ids.size and (ids.min() < 0 or ids.max() >= below) for ids in lexicon):
        raise ModelError(f"{path} does not fit this model's vocabulary. Learn it again with nmt-shortlist.")
    return lexicon


def hash_pieces(tokenizers: Tokenizers) -> bytes:
    """What names two vocabularies: a SHA-256."""
    return hashlib.sha256(b"".join(tokenizer.serialized for tokenizer in tokenizers)).digest()
