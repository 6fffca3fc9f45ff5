"""A model folder: what is written into one, and how it is read without trusting it."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from nmt import build, config
from nmt.config import Plain, Schema
from nmt.data.corpus import Corpus
from nmt.data.tokenizer import Tokenizer, Tokenizers
from nmt.errors import CheckpointError, ConfigError, DataError, ModelError
from nmt.model.meta_init import put
from nmt.model.seq2seq import Seq2Seq
from nmt.printable import shorten
from nmt.special_tokens import END
from nmt.storage import manifest
from nmt.storage.files import load_tensors, read_header
from nmt.storage.untrusted_paths import (
    ANEW,
    JOINT,
    SEPARATE,
    VOCABULARY_BYTES,
    WEIGHTS,
    memory,
    model_folder,
    ordinary,
    read_config,
)
from nmt.training.state import finite, fits
from nmt.translation.scoring import score_pairs

STORED: dict[str, Schema | Any] = {
    "format": int,
    "source_language": str,
    "target_language": str,
    "tokenizer": {"joint": bool},
    "model": build.MODEL,
    "attention": build.ATTENTION,
    "search": build.SEARCH,
}
"""What a model folder's config.json holds."""

PROBED = 8
"""Pieces of each side in the pair that a model must score with finite numbers."""

FORMAT = 1
"""To be raised whenever a model folder changes in a way that older versions cannot read."""


class Loaded(NamedTuple):
    """A model folder in memory, ready to translate."""

    model: Seq2Seq
    tokenizers: Tokenizers
    settings: Plain
    folder: Path


def files(settings: Plain, source: Corpus, tokenizers: Tokenizers) -> dict[str, bytes]:
    """The files that, beside the weights, make a folder a complete model folder: name -> content."""
    joint = tokenizers.source is tokenizers.target
    kept = {
        "format": FORMAT,
        "source_language": source.source_language,
        "target_language": source.target_language,
        "tokenizer": {"joint": joint},
        **{key: settings[key] for key in ("model", "attention", "search")},
    }
    models = zip(JOINT if joint else SEPARATE, tokenizers, strict=False)
    vocabularies = {name: tokenizer.serialized for name, tokenizer in models}
    return {"config.json": (json.dumps(kept, indent=1, sort_keys=True) + "\n").encode(), **vocabularies}


def load(path: str | Path, *, device: torch.device) -> Loaded:
    """The model in a model folder, or the best one of a run.

    Raises ModelError. Nothing in the folder is run, nothing outside it is read, and no memory is taken for what its
    files do not hold.
    """
    folder = model_folder(Path(path))
    settings = read_config(folder)
    try:
        settings = config.check(settings, STORED)
        if settings["format"] != FORMAT:
            raise ModelError(f"{folder} has format {settings['format']}; this version reads format {FORMAT}.")
        build.search(settings)
        names = JOINT if settings["tokenizer"]["joint"] else SEPARATE
        paths = [ordinary(folder, name, most=VOCABULARY_BYTES) for name in names]
        file = ordinary(folder, WEIGHTS, most=memory())
        if os.path.lexists(folder / manifest.NAME):
            ordinary(folder, manifest.NAME, most=manifest.BYTES)
            manifest.verify(folder, ("config.json", "model.safetensors", *names))
        read = [Tokenizer.load(path) for path in paths]
        tokenizers = Tokenizers(read[0], read[-1])
        sizes = {"source_vocab": read[0].vocab_size, "target_vocab": read[-1].vocab_size}
        # No memory is taken for sizes which the weights do not have, nor for weights of other sizes, and no random
        # numbers are drawn.
        made = build.outline(settings, joint=len(names) == 1, **sizes)
        fits(made, read_header(file), file)
        tensors = load_tensors(file)
        put(made, tensors)
        finite(made, file)
        check_numbers(made.eval(), tokenizers, folder)
    except ConfigError as problem:
        raise ModelError(f"{shorten(folder)}/config.json cannot be used: {shorten(problem)}") from problem
    except DataError as problem:
        raise ModelError(f"The model in {shorten(folder)} cannot be used: {shorten(problem)} {ANEW}") from problem
    except CheckpointError as problem:
        raise ModelError(f"The model in {shorten(folder)} cannot be used: {shorten(problem)}") from problem
    except (OSError, ValueError, RuntimeError, MemoryError) as problem:
        raise ModelError(f"The model in {shorten(folder)} cannot be loaded: {shorten(problem)}") from problem
    return Loaded(made.to(device).eval(), tokenizers, settings, folder)


def check_numbers(model: Seq2Seq, tokenizers: Tokenizers, folder: Path) -> None:
    """Raises ModelError where a model scores a short pair with NaN or infinity: its weights are finite but overflow."""
    pair = [list(range(END + 1, min(tokenizer.vocab_size, END + 1 + PROBED))) for tokenizer in tokenizers]
    (score,) = score_pairs([model], [(pair[0], pair[1])])
    if not np.isfinite(score.log_probs).all():
        raise ModelError(
            f"The model in {shorten(folder)} gives numbers that are not finite; its weights overflow. Choose another "
            "checkpoint."
        )
