"""The composition root: from a config to tokenizers, model, search and training. The only place where parts meet."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from nmt import config
from nmt.attention.attention import Attention
from nmt.attention.normalizer import NORMALIZERS
from nmt.attention.scope import SCOPES
from nmt.attention.score import SCORES
from nmt.config import Plain, Schema, Variants
from nmt.data.batching import Batching
from nmt.data.corpus import Corpus, Files
from nmt.data.grammar import Grammar
from nmt.data.hub import Hub
from nmt.data.lexicon import SHORTLISTS
from nmt.data.prepare import Filters
from nmt.data.tokenizer import TOKENIZERS, SentencePiece, Tokenizer, Tokenizers
from nmt.errors import CheckpointError, ConfigError, DataError, ModelError
from nmt.evaluation.probes import Probes
from nmt.model.bridge import BRIDGES
from nmt.model.decoders import DECODERS
from nmt.model.encoder import ENCODERS
from nmt.model.seq2seq import Dropout, Seq2Seq, Tied
from nmt.model.unset import Undrawn, put
from nmt.search.hypothesis import Search
from nmt.search.searches import SEARCHES
from nmt.training import manifest
from nmt.training.averaging import AVERAGES
from nmt.training.files import load_tensors
from nmt.training.optimizer import OPTIMIZERS
from nmt.training.places import ANEW, VOCABULARY_BYTES, Device, memory, model_folder, ordinary, read_config, shown
from nmt.training.schedule import SCHEDULES, Schedule
from nmt.training.settings import Training
from nmt.training.state import finite, fits

DATA = Variants({"files": Files, "hub": Hub, "grammar": Grammar})
TOKENIZER = Variants(TOKENIZERS)
SEARCH = Variants(SEARCHES)
SHORTLIST = Variants(SHORTLISTS)
SCORE = Variants(SCORES, frozenset({"query_size", "memory_size", "heads"}))
SCOPE = Variants(SCOPES, frozenset({"query_size", "heads"}))
NORMALIZER = Variants(NORMALIZERS)
ENCODER = Variants(ENCODERS, frozenset({"embedding_size"}))
DECODER = Variants(DECODERS, frozenset({"embedding_size", "memory_size", "attention", "readout_dropout"}))
BRIDGE = Variants(
    BRIDGES, frozenset({"memory_size", "hidden_size", "layers", "parts", "encoder_layers", "encoder_parts"})
)
OPTIMIZER = Variants(OPTIMIZERS)
SCHEDULE = Variants(SCHEDULES)
AVERAGE = Variants(AVERAGES)

MODEL: dict[str, Schema | Any] = {
    "embedding_size": int,
    "tied": Tied,
    "dropout": Dropout,
    "encoder": ENCODER,
    "bridge": BRIDGE,
    "decoder": DECODER,
}
ATTENTION: dict[str, Schema | Any] = {"heads": int, "score": SCORE, "scope": SCOPE, "normalizer": NORMALIZER}

TRAIN: dict[str, Schema | Any] = {
    "data": DATA,
    "tokenizer": TOKENIZER,
    "filters": Filters,
    "batching": Batching,
    "model": MODEL,
    "attention": ATTENTION,
    "training": Training,
    "optimizer": OPTIMIZER,
    "schedule": SCHEDULE,
    "average": AVERAGE,
    "search": SEARCH,
    "probes": Probes,
    "seed": int,
    "device": Device,
    "threads": int | None,
    "resume": Literal["auto", "never"],
    "output": str,
    "cache": str,
}

STORED: dict[str, Schema | Any] = {
    "format": int,
    "source_language": str,
    "target_language": str,
    "tokenizer": {"joint": bool},
    "model": MODEL,
    "attention": ATTENTION,
    "search": SEARCH,
}
"""What a model folder's config.json holds."""

FORMAT = 1
"""To be raised whenever a model folder changes in a way that older versions cannot read."""

JOINT = ("spm.model",)
SEPARATE = ("spm.source.model", "spm.target.model")

DEEPEST = 256
"""The most layers: each costs time to make, even where it takes no memory."""

LARGEST = 100_000
"""The most that a number of a stored search may be."""


def corpus(settings: Plain) -> Corpus:
    """The corpus that `data` names."""
    made: Corpus = config.make(DATA, settings["data"])
    return made


def tokenizer(settings: Plain) -> SentencePiece:
    """How the vocabulary is learnt."""
    made: SentencePiece = config.make(TOKENIZER, settings["tokenizer"])
    return made


def search(settings: Plain) -> Search:
    """The search that turns a model's distributions into translations."""
    made: Search = config.make(SEARCH, settings["search"])
    return made


def schedule(settings: Plain) -> Schedule:
    """The learning-rate schedule."""
    made: Schedule = config.make(SCHEDULE, settings["schedule"])
    return made


def model(settings: Mapping[str, Any], *, source_vocab: int, target_vocab: int, joint: bool) -> Seq2Seq:
    """The model that `model` and `attention` describe. Raises ConfigError where its parts do not fit together."""
    chosen = settings["model"]
    if chosen["tied"] == "all" and not joint:
        raise ConfigError(
            "model.tied=all shares one table between source and target, so it needs one vocabulary; tokenizer.joint is "
            "false. Set tokenizer.joint=true or model.tied=target."
        )
    hidden = chosen["decoder"].get("hidden_size", default(DECODER, chosen["decoder"], "hidden_size"))
    for name, size in (("embedding_size", chosen["embedding_size"]), ("decoder.hidden_size", hidden)):
        if size < 1:
            raise ConfigError(f"model.{name} must be at least 1; got {size}.")
    for side in ("encoder", "decoder"):
        if (layers := chosen[side].get("layers", 1)) > DEEPEST:
            raise ConfigError(f"model.{side}.layers must be at most {DEEPEST}; got {layers}.")
    dropout = config.build(Dropout, chosen["dropout"])
    encoder = config.make(ENCODER, chosen["encoder"], embedding_size=chosen["embedding_size"])
    decoder = config.make(
        DECODER,
        chosen["decoder"],
        embedding_size=chosen["embedding_size"],
        memory_size=encoder.memory_size,
        attention=attention(settings["attention"], query_size=hidden, memory_size=encoder.memory_size),
        readout_dropout=dropout.readout,
    )
    bridge = config.make(
        BRIDGE,
        chosen["bridge"],
        memory_size=encoder.memory_size,
        hidden_size=hidden,
        layers=len(decoder.stack.cells),
        parts=decoder.parts,
        encoder_layers=len(encoder.layers),
        encoder_parts=encoder.layers[0][0].parts,
    )
    return Seq2Seq(
        source_vocab=source_vocab,
        target_vocab=target_vocab,
        embedding_size=chosen["embedding_size"],
        tied=chosen["tied"],
        dropout=dropout,
        encoder=encoder,
        bridge=bridge,
        decoder=decoder,
    )


def outline(settings: Mapping[str, Any], *, source_vocab: int, target_vocab: int, joint: bool) -> Seq2Seq:
    """The same model without memory: its parameters have nothing but shapes. Raises ConfigError as `model` does."""
    try:
        with torch.device("meta"), Undrawn():
            return model(settings, source_vocab=source_vocab, target_vocab=target_vocab, joint=joint)
    except (MemoryError, RuntimeError) as problem:
        raise ConfigError(f"No tensor can have the sizes of this model: {problem}.") from problem


def attention(chosen: Mapping[str, Any], *, query_size: int, memory_size: int) -> Attention:
    """Attention put together from its four choices."""
    heads = chosen["heads"]
    if heads < 1:
        raise ConfigError(f"attention.heads must be at least 1; got {heads}.")
    return Attention(
        score=config.make(SCORE, chosen["score"], query_size=query_size, memory_size=memory_size, heads=heads),
        scope=config.make(SCOPE, chosen["scope"], query_size=query_size, heads=heads),
        normalizer=config.make(NORMALIZER, chosen["normalizer"]),
        memory_size=memory_size,
        heads=heads,
    )


def default(variants: Variants, chosen: Mapping[str, Any], key: str) -> Any:
    """The value that a variant's constructor gives to a setting which the config leaves out."""
    return config.parameters(variants.table[chosen["name"]])[key].default


def rehearse(settings: Plain) -> None:
    """Makes all that a config describes, without data and without memory, so that what cannot be built shows now."""
    if settings["seed"] < 0:
        raise ConfigError(f"seed must be 0 or more; got {settings['seed']}.")
    if settings["threads"] is not None and settings["threads"] < 1:
        raise ConfigError(f"threads must be at least 1, or null for torch's own choice; got {settings['threads']}.")
    for make in (corpus, tokenizer, search, schedule):
        make(settings)
    for variants, key in ((OPTIMIZER, "optimizer"), (AVERAGE, "average")):
        config.make(variants, settings[key])
    for cls, key in ((Filters, "filters"), (Batching, "batching"), (Training, "training"), (Probes, "probes")):
        config.build(cls, settings[key])
    outline(settings, source_vocab=8, target_vocab=8, joint=settings["tokenizer"].get("joint", True))


def device(name: str) -> torch.device:
    """`auto` is the GPU if there is one. Raises ConfigError where `cuda` is asked for and missing."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda was asked for, but torch sees no GPU here. Use device=auto or device=cpu.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def parameter_count(module: nn.Module) -> int:
    """How many numbers a module learns; shared ones count once."""
    return sum(parameter.numel() for parameter in module.parameters())


class Loaded(NamedTuple):
    """A model folder in memory, ready to translate."""

    model: Seq2Seq
    tokenizers: Tokenizers
    settings: Plain
    folder: Path


def stored(settings: Plain, source: Corpus, tokenizers: Tokenizers) -> dict[str, bytes]:
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
    files = {name: tokenizer.serialized for name, tokenizer in models}
    return {"config.json": (json.dumps(kept, indent=1, sort_keys=True) + "\n").encode(), **files}


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
        bounded(settings)
        search(settings)
        names = JOINT if settings["tokenizer"]["joint"] else SEPARATE
        paths = [ordinary(folder, name, most=VOCABULARY_BYTES) for name in names]
        file = ordinary(folder, "model.safetensors", most=memory())
        if os.path.lexists(folder / manifest.NAME):
            ordinary(folder, manifest.NAME, most=manifest.BYTES)
            manifest.verify(folder, ("config.json", "model.safetensors", *names))
        read = [Tokenizer.load(path) for path in paths]
        tokenizers = Tokenizers(read[0], read[-1])
        sizes = {"source_vocab": read[0].vocab_size, "target_vocab": read[-1].vocab_size}
        tensors = load_tensors(file)
        # No memory is taken for sizes which the weights do not have, and no random numbers are drawn.
        made = outline(settings, joint=len(names) == 1, **sizes)
        fits(made, tensors, file)
        put(made, tensors)
        finite(made, file)
    except ConfigError as problem:
        raise ModelError(f"{shown(folder)}/config.json cannot be used: {shown(problem)}") from problem
    except DataError as problem:
        raise ModelError(f"The model in {shown(folder)} cannot be used: {shown(problem)} {ANEW}") from problem
    except CheckpointError as problem:
        raise ModelError(f"The model in {shown(folder)} cannot be used: {shown(problem)}") from problem
    except (OSError, ValueError, RuntimeError, MemoryError) as problem:
        raise ModelError(f"The model in {shown(folder)} cannot be loaded: {shown(problem)}") from problem
    return Loaded(made.to(device).eval(), tokenizers, settings, folder)


def bounded(settings: Plain) -> None:
    """Raises ConfigError where a stored search asks for more than any machine could do: a stranger may have set it."""
    for key, value in settings["search"].items():
        if isinstance(value, int | float) and key != "seed" and value > LARGEST:
            raise ConfigError(f"search.{key} must be at most {LARGEST} in a model folder; got {value}.")
