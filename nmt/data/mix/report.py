"""What a run with a mixture says of its corpora, and what it needs of its vocabulary."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt.data.corpus import Corpus
from nmt.data.mix.corpus import Mix
from nmt.data.mix.shares import CorpusMixture
from nmt.data.mix.tags import Tags, find_missing
from nmt.data.tokenizer import Tokenizer, Tokenizers
from nmt.errors import DataError

logger = logging.getLogger(__name__)


def get_tags(corpus: Corpus) -> Tags:
    """The tags in front of the source lines of a corpus; none for one that is no mixture."""
    return corpus.tags if isinstance(corpus, Mix) else Tags()


def get_languages(corpus: Corpus) -> dict[str, str]:
    """The target language of each corpus of a mixture, by its name; none for one that is no mixture."""
    if not isinstance(corpus, Mix):
        return {}
    return {name: part.choice.target_language for name, part in corpus.parts.items()}


def check_tokenizer(corpus: Mix, tokenizers: Tokenizers) -> None:
    """Raises DataError where the vocabulary has not all tags as symbols."""
    if not corpus.tags.symbols:
        return
    source = tokenizers.source
    missing = find_missing(corpus.tags.symbols, source.serialized) if isinstance(source, Tokenizer) else []
    if missing or not isinstance(source, Tokenizer):
        raise DataError(
            f"The vocabulary has no symbol for {', '.join(missing or corpus.tags.symbols)}, which data.corpora puts in "
            "front of source lines. One that is learnt from this text gets them; one that is given (tokenizer.model, "
            "init) must have been made with them."
        )


def count_corpora(read: Mapping[str, int], lines: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    """By corpus, the training pairs that were read, and those that are kept: `read` of each, in the order in which they
    were read, and the places of those that are kept, in their order."""
    stops = np.cumsum([0, *read.values()])
    kept = np.diff(np.searchsorted(lines, stops))
    return {name: {"read": size, "kept": int(count)} for (name, size), count in zip(read.items(), kept, strict=True)}


def find_mixture(corpus: Corpus, report: Mapping[str, Any]) -> CorpusMixture | None:
    """How pairs of several corpora are drawn, by what the report of prepared data says of them; None for one corpus."""
    if not isinstance(corpus, Mix):
        return None
    return corpus.make_mixture({name: counts["kept"] for name, counts in report["corpora"].items()})


def log_mixture(corpus: Corpus, mixture: CorpusMixture) -> None:
    """Logs how much of an epoch each corpus has."""
    assert isinstance(corpus, Mix)
    total = sum(mixture.counts)
    for name, size, count in zip(corpus.parts, mixture.sizes, mixture.counts, strict=True):
        tags = " ".join(corpus.list_tags(name))
        logger.info(
            "corpus %s: %d pairs, seen %.3g times an epoch: %d of its %d pairs (%.1f %%)%s",
            *(name, size, count / max(1, size), count, total, 100 * count / total),
            f", tagged {tags}" if tags else "",
        )
