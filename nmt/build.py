"""The composition root: from a config to tokenizers, model, search and training. The only place where parts meet."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal

import torch
from torch import nn

from nmt import config
from nmt.attention.attention import Attention
from nmt.attention.history import HISTORIES
from nmt.attention.none import NoAttention, NoScore
from nmt.attention.normalizer import NORMALIZERS
from nmt.attention.scope import SCOPES
from nmt.attention.score import SCORES
from nmt.attention.scored import ScoredAttention
from nmt.attention.selection import SELECTIONS
from nmt.config import ConfigDict, Schema, Variants
from nmt.data.batching import BatchSettings
from nmt.data.corpus import EM, Corpus, Files
from nmt.data.hub import Hub
from nmt.data.links import LinkSource
from nmt.data.own_model import read_pretrained
from nmt.data.prepare import Filters
from nmt.data.synthetic import Grammar
from nmt.data.tasks import TASKS
from nmt.data.tokenizer import TOKENIZERS, SentencePieceTrainer
from nmt.errors import ConfigError
from nmt.evaluation.bleu_tokens import BleuSettings, check_tokenizer
from nmt.evaluation.faithfulness import Measures
from nmt.evaluation.probes import Probes
from nmt.kernels import precision
from nmt.kernels.switch import KernelMode
from nmt.model.bridge import BRIDGES
from nmt.model.decoders.decoder import Decoder
from nmt.model.decoders.recurrent import RecurrentDecoder
from nmt.model.decoders.table import DECODERS
from nmt.model.embedding import Embedding, build_embedding_table
from nmt.model.encoders.encoder import Encoder
from nmt.model.encoders.table import ENCODERS
from nmt.model.heads.head import Head
from nmt.model.heads.mixture import MixtureHead
from nmt.model.heads.table import HEADS
from nmt.model.meta_init import SkipInit
from nmt.model.seq2seq import DropoutRates, Seq2Seq, WeightTying
from nmt.model.sources.table import SOURCES
from nmt.search.protocols import Search
from nmt.search.searches import SEARCHES
from nmt.storage.untrusted_paths import MAX_THREADS, Device, get_physical_memory
from nmt.training import compiled
from nmt.training.alignment_losses import needs_links, select_active
from nmt.training.averaging import AVERAGES
from nmt.training.length import is_open
from nmt.training.optimizer import OPTIMIZERS
from nmt.training.schedule import SCHEDULES, Schedule
from nmt.training.settings import Training
from nmt.translation.shortlist import SHORTLISTS

NONE = "none"
"""The score of a model without attention."""

DATA = Variants({"files": Files, "hub": Hub, "synthetic": Grammar, **TASKS})
TOKENIZER = Variants(TOKENIZERS)
SEARCH = Variants(SEARCHES)
SHORTLIST = Variants(SHORTLISTS)
SCORE = Variants({**SCORES, NONE: NoScore}, frozenset({"query_size", "memory_size", "heads"}))
SCOPE = Variants(SCOPES, frozenset({"query_size", "memory_size", "heads"}))
NORMALIZER = Variants(NORMALIZERS)
HISTORY = Variants(HISTORIES, frozenset({"key_size", "value_size", "query_size", "heads"}))
SELECTION = Variants(SELECTIONS)
SOURCE = Variants(SOURCES, frozenset({"embedding"}))
ENCODER = Variants(ENCODERS, frozenset({"embedding_size"}))
DECODER = Variants(
    DECODERS, frozenset({"embedding_size", "memory_size", "make_attention", "bridge", "readout_dropout"})
)
BRIDGE = Variants(
    BRIDGES, frozenset({"memory_size", "hidden_size", "layers", "parts", "encoder_layers", "encoder_parts"})
)
HEAD = Variants(HEADS, frozenset({"readout_size", "vocabulary_size", "embedding_size", "context_size", "embedding"}))
OPTIMIZER = Variants(OPTIMIZERS)
SCHEDULE = Variants(SCHEDULES)
AVERAGE = Variants(AVERAGES)

MODEL: dict[str, Schema | Any] = {
    "embedding_size": int,
    "tied": WeightTying,
    "dropout": DropoutRates,
    "source": SOURCE,
    "encoder": ENCODER,
    "bridge": BRIDGE,
    "decoder": DECODER,
    "head": HEAD,
}
ATTENTION: dict[str, Schema | Any] = {
    "heads": int,
    "score": SCORE,
    "scope": SCOPE,
    "normalizer": NORMALIZER,
    "history": HISTORY,
    "selection": SELECTION,
}
NEUTRAL_AXES = {"scope": "global", "normalizer": "softmax", "history": "none", "selection": "expected"}
"""What the axes are where there is no attention."""


TRAIN: dict[str, Schema | Any] = {
    "data": DATA,
    "tokenizer": TOKENIZER,
    "filters": Filters,
    "batching": BatchSettings,
    "model": MODEL,
    "attention": ATTENTION,
    "training": Training,
    "optimizer": OPTIMIZER,
    "schedule": SCHEDULE,
    "average": AVERAGE,
    "search": SEARCH,
    "bleu": BleuSettings,
    "probes": Probes,
    "measures": Measures,
    "from": str | None,
    "init": str | None,
    "seed": int,
    "device": Device,
    "threads": int | None,
    "kernels": KernelMode,
    "resume": Literal["auto", "never"],
    "output": str,
    "cache": str,
}

SETTINGS: dict[str, type] = {
    "filters": Filters,
    "batching": BatchSettings,
    "training": Training,
    "probes": Probes,
    "measures": Measures,
}
"""Groups that are one class, and name no variant."""

MAX_SEARCH_SETTING = 100_000
"""The most that a number of a search may be: what is more takes all memory, whoever asks for it."""

BYTES_PER_PARAMETER = 16
"""Of a parameter that is trained: itself, its gradient and two averages of that, 4 bytes each."""

MAX_LAYERS = 256
"""The most layers: each costs time to make, even where it takes no memory."""


def build_corpus(settings: ConfigDict) -> Corpus:
    """The corpus that `data` names."""
    made: Corpus = config.build_variant(DATA, settings["data"])
    return made


def choose_links(settings: ConfigDict) -> LinkSource | None:
    """Where the links of the training text come from; None where training needs none.

    Raises ConfigError where it needs some and there are none.
    """
    losses = settings["training"].get("alignment_losses", {})
    if not needs_links(losses):
        return None
    data = settings["data"]
    key = "data.train.links" if data["name"] == "files" else "data.links"
    found = data["train"].get("links") if data["name"] == "files" else data.get("links")
    if found is None and data["name"] != "synthetic":
        way = f"{key}=FILE, or {key}=em" if data["name"] == "files" else f"{key}=em"
        raise ConfigError(
            f"training.alignment_losses.guided={losses['guided']:g} learns from links of the training text, and there "
            f"are none. Give {way}, which makes them, or set the loss to 0."
        )
    return "em" if found == EM else "given"


def check_alignment_losses(settings: ConfigDict) -> None:
    """Raises ConfigError where losses of attention are asked for and there is none, or no links to learn from."""
    active = select_active(settings["training"].get("alignment_losses", {}))
    if active and settings["attention"]["score"]["name"] == NONE:
        raise ConfigError(
            f"training.alignment_losses.{next(iter(active))} is about attention weights, and attention=none has none. "
            "Set it to 0, or choose another attention."
        )
    choose_links(settings)


def build_tokenizer(settings: ConfigDict) -> SentencePieceTrainer:
    """How the vocabulary is learnt, or the one that `tokenizer.model` names."""
    made: SentencePieceTrainer = config.build_variant(TOKENIZER, settings["tokenizer"])
    chosen = settings["tokenizer"]
    if chosen.get("model") is None:
        return made
    given = {key: chosen.get(key, get_default(TOKENIZER, chosen, key)) for key in ("joint", "sampling")}
    return read_pretrained(chosen["model"], chosen.get("target_model"), **given)


def build_search(settings: ConfigDict) -> Search:
    """The search that turns distributions into translations. Raises ConfigError for numbers that are absurdly large."""
    for key, value in settings["search"].items():
        if isinstance(value, int | float) and key != "seed" and value > MAX_SEARCH_SETTING:
            raise ConfigError(f"search.{key} must be at most {MAX_SEARCH_SETTING}; got {value}.")
    made: Search = config.build_variant(SEARCH, settings["search"])
    return made


def build_schedule(settings: ConfigDict) -> Schedule:
    """The learning-rate schedule."""
    made: Schedule = config.build_variant(SCHEDULE, settings["schedule"])
    return made


def build_model(settings: Mapping[str, Any], *, source_vocab: int, target_vocab: int, joint: bool) -> Seq2Seq:
    """The model that `model` and `attention` describe. Raises ConfigError where its parts do not fit together."""
    chosen = settings["model"]
    if chosen["tied"] == "all" and not joint:
        raise ConfigError(
            "model.tied=all shares one table between source and target, so it needs one vocabulary; tokenizer.joint is "
            "false. Set tokenizer.joint=true or model.tied=target."
        )
    check_sizes(chosen)
    dropout = config.build(DropoutRates, chosen["dropout"])
    embedding_size = chosen["embedding_size"]
    encoder = config.build_variant(ENCODER, chosen["encoder"], embedding_size=embedding_size)
    decoder = build_decoder(settings, encoder, readout_dropout=dropout.readout)
    check_head(HEADS[chosen["head"]["name"]], decoder.attention, joint=joint)
    target_table = build_embedding_table(target_vocab, embedding_size)
    source_table = target_table if chosen["tied"] == "all" else build_embedding_table(source_vocab, embedding_size)
    head = config.build_variant(
        HEAD,
        chosen["head"],
        readout_size=decoder.readout_size,
        vocabulary_size=target_vocab,
        embedding_size=embedding_size,
        context_size=decoder.attention.context_size,
        embedding=None if chosen["tied"] == "none" else target_table,
    )
    return Seq2Seq(
        source=config.build_variant(
            SOURCE,
            chosen["source"],
            embedding=Embedding(source_table, word_dropout=dropout.source_words, dropout=dropout.embedding),
        ),
        target=Embedding(target_table, word_dropout=dropout.target_words, dropout=dropout.embedding),
        encoder=encoder,
        decoder=decoder,
        head=MixtureHead(head) if decoder.attention.has_choices else head,
    )


def check_sizes(chosen: Mapping[str, Any]) -> None:
    """Raises ConfigError where a size or a number of layers of `model` is out of range."""
    hidden = get_hidden_size(chosen["decoder"])
    for name, size in (("embedding_size", chosen["embedding_size"]), ("decoder.hidden_size", hidden)):
        if size < 1:
            raise ConfigError(f"model.{name} must be at least 1; got {size}.")
    for side, name in (("encoder", "layers"), ("encoder", "blocks"), ("decoder", "layers")):
        if (layers := chosen[side].get(name, 1)) > MAX_LAYERS:
            raise ConfigError(f"model.{side}.{name} must be at most {MAX_LAYERS}; got {layers}.")


def get_hidden_size(chosen: Mapping[str, Any]) -> int:
    """That of the decoder that `model.decoder` describes."""
    size: int = chosen.get("hidden_size", get_default(DECODER, chosen, "hidden_size"))
    return size


def build_decoder(settings: Mapping[str, Any], encoder: Encoder, *, readout_dropout: float) -> Decoder:
    """The decoder with its attention, for what this encoder gives; a recurrent one with its bridge."""
    chosen = settings["model"]
    make_attention = partial(
        build_attention,
        settings["attention"],
        query_size=get_hidden_size(chosen["decoder"]),
        memory_size=encoder.memory_size,
        directions=encoder.directions,
    )
    make_bridge = partial(
        config.build_variant,
        BRIDGE,
        chosen["bridge"],
        memory_size=encoder.memory_size,
        encoder_layers=encoder.final_layers,
        encoder_parts=encoder.final_parts,
    )
    decoder: Decoder = config.build_variant(
        DECODER,
        chosen["decoder"],
        embedding_size=chosen["embedding_size"],
        memory_size=encoder.memory_size,
        make_attention=make_attention,
        readout_dropout=readout_dropout,
        **({"bridge": make_bridge} if issubclass(DECODERS[chosen["decoder"]["name"]], RecurrentDecoder) else {}),
    )
    return decoder


def check_head(head: type[Head], attention: Attention, *, joint: bool) -> None:
    """Raises ConfigError where a head reads what there is not."""
    if head.reads_attention and not attention.has_weights:
        raise ConfigError(
            "model/head=copy copies what attention looks at, and attention=none looks at nothing. Choose another "
            "attention, or model/head=softmax."
        )
    if head.reads_attention and not joint:
        raise ConfigError(
            "model/head=copy copies pieces of the source into the target, so it needs one vocabulary; tokenizer.joint "
            "is false. Set tokenizer.joint=true or model/head=softmax."
        )


def build_on_meta(settings: Mapping[str, Any], *, source_vocab: int, target_vocab: int, joint: bool) -> Seq2Seq:
    """The same model without memory: its parameters have nothing but shapes. Raises ConfigError as `build_model` "
    "does."""
    try:
        with torch.device("meta"), SkipInit():
            return build_model(settings, source_vocab=source_vocab, target_vocab=target_vocab, joint=joint)
    except (MemoryError, RuntimeError) as problem:
        raise ConfigError(
            f"No tensor can have the sizes of this model. The largest of its numbers is {find_largest(settings)}."
        ) from problem


def find_largest(settings: Mapping[str, Any]) -> str:
    """The largest whole number in what describes a model, as it is written."""
    sizes = list_whole_numbers({"model": settings["model"], "attention": settings["attention"]})
    name, size = max(sizes, key=lambda each: each[1])
    return f"{name}={size}"


def list_whole_numbers(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    """The dotted name of every setting that is one, with its value."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from list_whole_numbers(value, f"{prefix}{key}.")
        elif isinstance(value, int) and not isinstance(value, bool):
            yield f"{prefix}{key}", value


def build_attention(
    chosen: Mapping[str, Any], *, query_size: int, memory_size: int, directions: int, dropout: float = 0.0
) -> Attention:
    """Attention put together from its choices, or none. dropout: of weights."""
    heads = chosen["heads"]
    if heads < 1:
        raise ConfigError(f"attention.heads must be at least 1; got {heads}.")
    if chosen["score"]["name"] == NONE:
        others = {axis: chosen[axis]["name"] for axis in NEUTRAL_AXES}
        if heads != 1 or others != NEUTRAL_AXES:
            choices = ", ".join(f"attention/{axis}={name}" for axis, name in others.items())
            raise ConfigError(
                "attention/score=none is no attention, so heads and other axes have nothing to change; got "
                f"attention.heads={heads}, {choices}. Leave them out, or choose attention=none, which sets all."
            )
        return NoAttention(memory_size=memory_size, directions=directions)
    score = config.build_variant(SCORE, chosen["score"], query_size=query_size, memory_size=memory_size, heads=heads)
    scope_sizes = {"memory_size": memory_size} if SCOPES[chosen["scope"]["name"]].has_past else {}
    return ScoredAttention(
        score=score,
        scope=config.build_variant(SCOPE, chosen["scope"], query_size=query_size, heads=heads, **scope_sizes),
        normalizer=config.build_variant(NORMALIZER, chosen["normalizer"]),
        history=config.build_variant(
            HISTORY,
            chosen["history"],
            key_size=score.key_size,
            value_size=memory_size // heads,
            query_size=query_size,
            heads=heads,
        ),
        selection=config.build_variant(SELECTION, chosen["selection"]),
        memory_size=memory_size,
        heads=heads,
        dropout=dropout,
    )


def get_default(variants: Variants, chosen: Mapping[str, Any], key: str) -> Any:
    """The value that a variant's constructor gives to a setting which the config leaves out."""
    return config.inspect_parameters(variants.table[chosen["name"]])[key].default


def dry_run(settings: ConfigDict) -> None:
    """Makes all that a config describes, without data and without memory, so that what cannot be built shows now."""
    if settings["seed"] < 0:
        raise ConfigError(f"seed must be 0 or more; got {settings['seed']}.")
    if settings["threads"] is not None and not 1 <= settings["threads"] <= MAX_THREADS:
        raise ConfigError(
            f"threads must be from 1 to {MAX_THREADS}, or null for torch's own choice; got {settings['threads']}."
        )
    for make in (build_corpus, build_tokenizer, build_search, build_schedule):
        make(settings)
    for variants, key in ((OPTIMIZER, "optimizer"), (AVERAGE, "average")):
        config.build_variant(variants, settings[key])
    for key, cls in SETTINGS.items():
        config.build(cls, settings[key])
    if is_open(config.build(Training, settings["training"]).stop):
        build_schedule(settings).set_length(None)
    check_tokenizer(settings["bleu"]["tokenize"], build_corpus(settings).target_language)
    if settings["attention"]["score"]["name"] == NONE and settings["search"].get("coverage"):
        raise ConfigError(
            "search.coverage ranks hypotheses by their attention weights, and attention=none has none. Set "
            f"search.coverage=0; got {settings['search']['coverage']}."
        )
    check_alignment_losses(settings)
    joint = settings["tokenizer"].get("joint", True)
    check_size(build_on_meta(settings, source_vocab=8, target_vocab=8, joint=joint), settings)


def check_size(made: nn.Module, settings: Mapping[str, Any]) -> None:
    """Raises ConfigError where a model, which is made of these settings, cannot be trained in the memory of this
    machine."""
    count = count_parameters(made)
    needed, there = count * BYTES_PER_PARAMETER, get_physical_memory()
    if needed > there:
        raise ConfigError(
            f"A model of these sizes has {count:,} parameters, and to train them takes at least "
            f"{needed / 2**30:,.0f} GiB of memory; this machine has {there / 2**30:,.0f}. Choose smaller sizes; the "
            f"largest of its numbers is {find_largest(settings)}."
        )


def build_training_device(settings: ConfigDict) -> torch.device:
    """Where a run with these settings is trained. Raises ConfigError if there is no such device, or it cannot do it."""
    found = build_device(settings["device"])
    precision.check_precision(settings["training"]["precision"], found.type)
    compiled.check(settings["training"]["compile"], found)
    return found


def build_device(name: str) -> torch.device:
    """`auto` is the GPU if there is one. Raises ConfigError where `cuda` or `mps` is asked for and missing."""
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise ConfigError(
                "device=mps was asked for, which is the GPU of a Mac with an Apple processor, and torch sees none "
                "here. Use device=auto or device=cpu."
            )
        return torch.device("mps")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda was asked for, but torch sees no GPU here. Use device=auto or device=cpu.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def count_parameters(module: nn.Module) -> int:
    """How many numbers a module learns; shared ones count once."""
    return sum(parameter.numel() for parameter in module.parameters())
