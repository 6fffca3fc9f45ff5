"""A model folder: what is written into one, and how it is read without trusting it."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from nmt import build, config
from nmt.config import ConfigDict, Schema
from nmt.data.corpus import Corpus
from nmt.data.mix.report import get_tags
from nmt.data.mix.tags import Tags, find_missing
from nmt.data.sources.reader import FeatureReader, SourceItem
from nmt.data.spans import keep_spans
from nmt.data.tokenizer import Tokenizer, Tokenizers
from nmt.errors import CheckpointError, ConfigError, DataError, ModelError
from nmt.model.meta_init import assign_parameters
from nmt.model.parameter_names import update_names
from nmt.model.seq2seq import Seq2Seq
from nmt.printable import shorten
from nmt.renames import rename_settings
from nmt.special_tokens import EOS
from nmt.storage import manifest
from nmt.storage.files import load_tensors, read_header
from nmt.storage.untrusted_paths import (
    COPY_AGAIN,
    MAX_VOCABULARY_BYTES,
    WEIGHTS,
    find_model_folder,
    find_regular_file,
    get_physical_memory,
    name_vocabularies,
    read_config,
)
from nmt.training.state import check_finite, check_shapes
from nmt.translation.scoring import score_pairs


@dataclass(frozen=True, kw_only=True)
class TagSettings:
    """Symbols that may stand in front of a source line. targets: language -> the tag that asks for it."""

    targets: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


CONFIG_SCHEMA: dict[str, Schema | Any] = {
    "format": int,
    "source_language": str,
    "target_language": str,
    "tokenizer": {"joint": bool},
    "tags": TagSettings,
    "model": build.MODEL,
    "attention": build.ATTENTION,
    "search": build.SEARCH,
}
"""What a model folder's config.json holds."""

PROBE_PIECES = 8
"""Pieces of each side in the pair that a model must score with finite numbers."""

FORMAT = 2
"""To be raised whenever a model folder changes in a way that older versions cannot read."""

READABLE_FORMATS = (1, 2)
"""1: version 0.1, without the settings that `ADDED_SETTINGS` names, and with other names of parameters."""

ADDED_SETTINGS: dict[str, dict[str, Any]] = {
    "attention": {axis: {"name": build.NEUTRAL_AXES[axis]} for axis in ("history", "selection")},
    "model": {"source": {"name": "tokens"}, "head": {"name": "softmax"}},
}
"""Settings that folders of earlier versions do not have, and what they were."""


class LoadedModel(NamedTuple):
    """A model folder in memory, ready to translate."""

    model: Seq2Seq
    tokenizers: Tokenizers
    settings: ConfigDict
    folder: Path


def build_model_files(settings: ConfigDict, corpus: Corpus, tokenizers: Tokenizers) -> dict[str, bytes]:
    """The files that, beside the weights, make a folder a complete model folder: name -> content."""
    joint = tokenizers.source is tokenizers.target
    tags = get_tags(corpus)
    content = {
        "format": FORMAT,
        "source_language": corpus.source_language,
        "target_language": corpus.target_language,
        "tokenizer": {"joint": joint},
        **({"tags": {"targets": dict(tags.targets), "others": list(tags.others)}} if tags.symbols else {}),
        **{key: settings[key] for key in ("model", "attention", "search")},
    }
    made = [tokenizer for tokenizer in dict.fromkeys(tokenizers) if tokenizer.reads_text]
    vocabularies = {
        name: tokenizer.serialized for name, tokenizer in zip(name_vocabularies(content), made, strict=True)
    }
    return {"config.json": (json.dumps(content, indent=1, sort_keys=True) + "\n").encode(), **vocabularies}


def load(path: str | Path, *, device: torch.device) -> LoadedModel:
    """The model in a model folder, or the best one of a run.

    Raises ModelError. Nothing in the folder is run, nothing outside it is read, and no memory is taken for what its
    files do not hold.
    """
    folder = find_model_folder(Path(path))
    try:
        settings = config.check(add_new_settings(read_config(folder)), CONFIG_SCHEMA)
        if settings["format"] not in READABLE_FORMATS:
            formats = " and ".join(map(str, READABLE_FORMATS))
            raise ModelError(f"{folder} has format {settings['format']}; this version reads formats {formats}.")
        build.build_search(settings)
        names = name_vocabularies(settings)
        paths = [find_regular_file(folder, name, max_bytes=MAX_VOCABULARY_BYTES) for name in names]
        file = find_regular_file(folder, WEIGHTS, max_bytes=get_physical_memory())
        if os.path.lexists(folder / manifest.NAME):
            find_regular_file(folder, manifest.NAME, max_bytes=manifest.MAX_BYTES)
            manifest.verify(folder, ("config.json", "model.safetensors", *names))
        read = [Tokenizer.load(path) for path in paths]
        reader = build.build_reader(settings)
        check_tags(settings["tags"], read[0])
        tokenizers = Tokenizers(read[0] if reader is None else reader, read[-1])
        if reader is None and build.copies_source(settings):
            tokenizers = keep_spans(tokenizers)
        sizes = {"source_vocab": tokenizers.source.vocab_size, "target_vocab": read[-1].vocab_size}
        # No memory is taken for sizes which the weights do not have, nor for weights of other sizes, and no random
        # numbers are drawn.
        model = build.build_on_meta(settings, joint=settings["tokenizer"]["joint"], **sizes)
        check_shapes(model, update_names(read_header(file)), file)
        tensors = update_names(load_tensors(file))
        assign_parameters(model, tensors)
        check_finite(model, file)
        check_numbers(model.eval(), tokenizers, folder)
    except ConfigError as problem:
        raise ModelError(f"{shorten(folder)}/config.json cannot be used: {shorten(problem)}") from problem
    except DataError as problem:
        raise ModelError(f"The model in {shorten(folder)} cannot be used: {shorten(problem)} {COPY_AGAIN}") from problem
    except CheckpointError as problem:
        raise ModelError(f"The model in {shorten(folder)} cannot be used: {shorten(problem)}") from problem
    except (OSError, ValueError, RuntimeError, MemoryError) as problem:
        raise ModelError(f"The model in {shorten(folder)} cannot be loaded: {shorten(problem)}") from problem
    return LoadedModel(model.to(device).eval(), tokenizers, settings, folder)


def add_new_settings(settings: Any) -> Any:
    """The settings of a model folder by the names of today, with those that older versions did not write, as they were
    then. Raises ConfigError where a setting is there by two names, with different values."""
    if not isinstance(settings, dict):
        return settings
    settings = {"tags": {}} | rename_settings(settings)
    return settings | {
        group: added | settings[group]
        for group, added in ADDED_SETTINGS.items()
        if isinstance(settings.get(group), dict)
    }


def check_tags(settings: ConfigDict, tokenizer: Tokenizer) -> None:
    """Raises ModelError where the tags that a folder names are no symbols of its vocabulary."""
    tags = Tags(settings.get("targets", {}), settings.get("others", []))
    if missing := find_missing(tags.symbols, tokenizer.serialized) if tags.symbols else []:
        raise ModelError(
            f"config.json names tags that the vocabulary has no symbols for: {shorten(', '.join(missing))}."
        )


def check_numbers(model: Seq2Seq, tokenizers: Tokenizers, folder: Path) -> None:
    """Raises ModelError where a model scores a short pair with NaN or infinity: its weights are finite but overflow."""
    ids = [list(range(EOS + 1, min(side.vocab_size, EOS + 1 + PROBE_PIECES))) for side in tokenizers]
    source: SourceItem = ids[0]
    if isinstance(tokenizers.source, FeatureReader):
        source = np.zeros((PROBE_PIECES, *tokenizers.source.feature_shape), np.float32)
    (score,) = score_pairs([model], [(source, ids[1])])
    if not np.isfinite(score.log_probs).all():
        raise ModelError(
            f"The model in {shorten(folder)} gives numbers that are not finite; its weights overflow. Choose another "
            "checkpoint."
        )
