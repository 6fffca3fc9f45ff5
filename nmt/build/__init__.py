"""The composition root: from a config to tokenizers, model, search and training. The only place where parts meet."""

from nmt.build.attention import NEUTRAL_AXES, build_attention
from nmt.build.check import dry_run
from nmt.build.device import build_device, build_training_device
from nmt.build.links import choose_links
from nmt.build.model import build_model
from nmt.build.run import build_corpus, build_reader, build_schedule, build_search, build_tokenizer, copies_source
from nmt.build.schema import (
    ATTENTION,
    AVERAGE,
    BRIDGE,
    DATA,
    DECODER,
    ENCODER,
    HEAD,
    HISTORY,
    MODEL,
    NONE,
    NORMALIZER,
    OPTIMIZER,
    SCHEDULE,
    SCOPE,
    SCORE,
    SEARCH,
    SELECTION,
    SHORTLIST,
    SOURCE,
    TOKENIZER,
    TRAIN,
)
from nmt.build.size import build_on_meta, count_parameters

__all__ = [
    "ATTENTION",
    "AVERAGE",
    "BRIDGE",
    "DATA",
    "DECODER",
    "ENCODER",
    "HEAD",
    "HISTORY",
    "MODEL",
    "NEUTRAL_AXES",
    "NONE",
    "NORMALIZER",
    "OPTIMIZER",
    "SCHEDULE",
    "SCOPE",
    "SCORE",
    "SEARCH",
    "SELECTION",
    "SHORTLIST",
    "SOURCE",
    "TOKENIZER",
    "TRAIN",
    "build_attention",
    "build_corpus",
    "build_device",
    "build_model",
    "build_on_meta",
    "build_reader",
    "build_schedule",
    "build_search",
    "build_tokenizer",
    "build_training_device",
    "choose_links",
    "copies_source",
    "count_parameters",
    "dry_run",
]
