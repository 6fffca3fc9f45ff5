"""What a config may hold: the table of every axis, and the tree of settings of a run."""

from collections.abc import Mapping
from typing import Any, Literal

from nmt import config
from nmt.attention.history import HISTORIES
from nmt.attention.none import NoScore
from nmt.attention.normalizer import NORMALIZERS
from nmt.attention.scope import SCOPES
from nmt.attention.score import SCORES
from nmt.attention.selection import SELECTIONS
from nmt.config import Schema, Variants
from nmt.data.batching import BatchSettings
from nmt.data.corpus_table import CORPORA
from nmt.data.encoding import Preparation
from nmt.data.filters import Filters
from nmt.data.mix.corpus import Mix
from nmt.data.numbers import Numbers
from nmt.data.tokenizer import TOKENIZERS
from nmt.evaluation.bleu_tokens import BleuSettings
from nmt.evaluation.faithfulness import Measures
from nmt.evaluation.probes import Probes
from nmt.kernels.switch import KernelMode
from nmt.model.bridge import BRIDGES
from nmt.model.decoders.table import DECODERS
from nmt.model.encoders.table import ENCODERS
from nmt.model.heads.table import HEADS
from nmt.model.seq2seq import DropoutRates, WeightTying
from nmt.model.sources.table import SOURCES
from nmt.search.searches import SEARCHES
from nmt.storage.untrusted_paths import Device
from nmt.training.averaging import AVERAGES
from nmt.training.optimizer import OPTIMIZERS
from nmt.training.schedule import SCHEDULES
from nmt.training.settings import Training
from nmt.translation.shortlist import SHORTLISTS

NONE = "none"
"""The score of a model without attention."""

DATA = Variants({**CORPORA, "mix": Mix})
TOKENIZER = Variants({**TOKENIZERS, "numbers": Numbers})
SEARCH = Variants(SEARCHES)
SHORTLIST = Variants(SHORTLISTS)
SCORE = Variants({**SCORES, NONE: NoScore}, frozenset({"query_size", "memory_size", "heads"}))
SCOPE = Variants(SCOPES, frozenset({"query_size", "memory_size", "heads"}))
NORMALIZER = Variants(NORMALIZERS)
HISTORY = Variants(HISTORIES, frozenset({"key_size", "value_size", "query_size", "heads"}))
SELECTION = Variants(SELECTIONS)
SOURCE = Variants(SOURCES, frozenset({"embedding", "embedding_size", "dropout", "word_dropout"}))
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

TRAIN: dict[str, Schema | Any] = {
    "data": DATA,
    "tokenizer": TOKENIZER,
    "preparation": Preparation,
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
    "preparation": Preparation,
    "filters": Filters,
    "batching": BatchSettings,
    "training": Training,
    "probes": Probes,
    "measures": Measures,
}
"""Groups that are one class, and name no variant."""


def get_default(variants: Variants, chosen: Mapping[str, Any], key: str) -> Any:
    """The value that a variant's constructor gives to a setting which the config leaves out."""
    return config.inspect_parameters(variants.table[chosen["name"]])[key].default
