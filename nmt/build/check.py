"""Whether a config can be built, without data and without memory."""

from typing import get_args

from nmt import config
from nmt.build.links import check_alignment_losses
from nmt.build.pointer import check_pointer_vocabulary
from nmt.build.run import build_corpus, build_schedule, build_search, build_tokenizer
from nmt.build.schema import AVERAGE, DATA, NONE, OPTIMIZER, SETTINGS, TOKENIZER, get_default
from nmt.build.size import build_on_meta, check_size
from nmt.config import ConfigDict
from nmt.data.cleaning import check_cleaning
from nmt.data.corpus import Corpus, count_numbers
from nmt.data.filters import Filters
from nmt.data.mix.report import get_languages, get_tags
from nmt.data.sources.table import READERS
from nmt.errors import ConfigError
from nmt.evaluation.bleu_tokens import check_tokenizer
from nmt.storage.untrusted_paths import MAX_THREADS
from nmt.training.length import is_open
from nmt.training.settings import TaskMetric, Training


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
    corpus = build_corpus(settings)
    check_cleaning(config.build(Filters, settings["filters"]), corpus)
    check_tags(settings, corpus)
    for language in get_languages(corpus).values() or [corpus.target_language]:
        check_tokenizer(settings["bleu"]["tokenize"], language)
    if settings["attention"]["score"]["name"] == NONE and settings["search"].get("coverage"):
        raise ConfigError(
            "search.coverage ranks hypotheses by their attention weights, and attention=none has none. Set "
            f"search.coverage=0; got {settings['search']['coverage']}."
        )
    check_alignment_losses(settings)
    check_pointer_vocabulary(settings)
    check_numbers(settings, corpus)
    check_metric(settings)
    joint = settings["tokenizer"].get("joint", True)
    check_size(build_on_meta(settings, source_vocab=8, target_vocab=8, joint=joint), settings)


def check_tags(settings: ConfigDict, corpus: Corpus) -> None:
    """Raises ConfigError where tags would stand in front of what is no text."""
    tags, source = get_tags(corpus).symbols, settings["model"]["source"]["name"]
    if tags and source in READERS:
        raise ConfigError(
            f"data.corpora puts tags in front of source lines ({', '.join(tags)}), and model/source={source} reads no "
            "symbols. Choose model/source=tokens."
        )


def check_metric(settings: ConfigDict) -> None:
    """Raises ConfigError where the best model is to be chosen by what its task does not measure."""
    metric, data = settings["training"]["validation"].get("metric"), settings["data"]["name"]
    measured = getattr(DATA.table[data], "metrics", ())
    if metric in get_args(TaskMetric) and metric not in measured:
        known = ", ".join(name for name, cls in DATA.table.items() if metric in getattr(cls, "metrics", ()))
        raise ConfigError(
            f"training.validation.metric={metric} is of data={known}, and data={data} does not measure it. Choose "
            f"another metric{', such as exact' if measured else ''}."
        )


def check_numbers(settings: ConfigDict, corpus: Corpus) -> None:
    """Raises ConfigError where a task's targets have numbers that are no words."""
    needed, tokenizer = count_numbers(corpus), settings["tokenizer"]
    if needed is None or tokenizer["name"] != "numbers":
        return
    count = tokenizer.get("count", get_default(TOKENIZER, tokenizer, "count"))
    if needed > count:
        raise ConfigError(
            f"data={settings['data']['name']} has the numbers 0 to {needed - 1} as target words, and "
            f"tokenizer.count={count} words do not name them all. Set tokenizer.count={needed}."
        )
