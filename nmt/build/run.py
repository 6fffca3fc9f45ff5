"""What a run has besides its model: the corpus, the vocabulary, the search and the schedule."""

from collections.abc import Mapping
from typing import Any

from nmt import config
from nmt.build.schema import DATA, SCHEDULE, SEARCH, SOURCE, TOKENIZER, get_default
from nmt.config import ConfigDict
from nmt.data.corpus import Corpus
from nmt.data.mix.report import get_tags
from nmt.data.own_model import read_pretrained
from nmt.data.sources.reader import FeatureReader
from nmt.data.sources.table import READERS
from nmt.data.sources.target_only import TargetOnly
from nmt.data.spans import SpanTrainer
from nmt.data.tokenizer import SentencePieceTrainer
from nmt.errors import ConfigError
from nmt.model.heads.table import HEADS
from nmt.search.protocols import Search
from nmt.training.schedule import Schedule

MAX_SEARCH_SETTING = 100_000
"""The most that a number of a search may be: what is more takes all memory, whoever asks for it."""


def build_corpus(settings: ConfigDict) -> Corpus:
    """The corpus that `data` names."""
    made: Corpus = config.build_variant(DATA, settings["data"])
    return made


def build_reader(settings: Mapping[str, Any]) -> FeatureReader | None:
    """What reads source lines that are no text; None for text, which the tokenizer reads."""
    chosen = settings["model"]["source"]
    reader = READERS.get(chosen["name"])
    if reader is None:
        return None
    keys = config.inspect_parameters(reader)
    return reader(**{key: chosen[key] if key in chosen else get_default(SOURCE, chosen, key) for key in keys})


def build_tokenizer(settings: ConfigDict) -> SentencePieceTrainer:
    """How the vocabulary is learnt, or the one that `tokenizer.model` names; that of the target alone where the source
    is no text, and one with ids for what it lacks where the head copies."""
    trainer, reader = build_trainer(settings), build_reader(settings)
    if reader is not None:
        return TargetOnly(reader, trainer)
    return SpanTrainer(trainer) if copies_source(settings) else trainer


def copies_source(settings: Mapping[str, Any]) -> bool:
    """Whether the model copies tokens of the source, so that what the vocabulary lacks has ids too."""
    return HEADS[settings["model"]["head"]["name"]].copies and settings["tokenizer"].get("joint", True)


def build_trainer(settings: ConfigDict) -> SentencePieceTrainer:
    """How a vocabulary is learnt, or the one that `tokenizer.model` names."""
    chosen = add_symbols(settings)
    made: SentencePieceTrainer = config.build_variant(TOKENIZER, chosen)
    if chosen.get("model") is None:
        return made
    given = {key: chosen.get(key, get_default(TOKENIZER, chosen, key)) for key in ("joint", "sampling")}
    return read_pretrained(chosen["model"], chosen.get("target_model"), **given)


def add_symbols(settings: ConfigDict) -> ConfigDict:
    """The settings of the tokenizer, with the tags of a mixture among the symbols of a vocabulary that is learnt.
    Raises ConfigError for a tokenizer without symbols."""
    chosen: ConfigDict = settings["tokenizer"]
    data = settings.get("data", {})
    tags = get_tags(build_corpus(settings)).symbols if data.get("name") == "mix" else []
    if not tags:
        return chosen
    if "symbols" not in config.inspect_parameters(TOKENIZER.table[chosen["name"]]):
        raise ConfigError(
            f"data.corpora puts tags in front of source lines ({', '.join(tags)}), and tokenizer={chosen['name']} has "
            "no symbols for them. Choose tokenizer=unigram or bpe."
        )
    if chosen.get("model") is not None:
        return chosen  # which has them, or `prepare` says so
    return {**chosen, "symbols": list(dict.fromkeys([*(chosen.get("symbols") or []), *tags]))}


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
