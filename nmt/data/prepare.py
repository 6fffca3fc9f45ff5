"""From a corpus to what training reads: the text of each split as ids, and what a person should know of it.

Only the training split is kept on disk; validation and test text are read each time.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nmt.data import data_report
from nmt.data.corpus import Bitext, Corpus, Split, name_source, stream_chunks
from nmt.data.encoded import TokenizedBitext, encode, tokenize
from nmt.data.encoding import Processes
from nmt.data.filters import Filters
from nmt.data.line_errors import locate_lines
from nmt.data.links import LinkSource
from nmt.data.prepared_cache import describe_pairs, keep_pairs, name_folder, open_cached, open_new
from nmt.data.prepared_files import check_cache
from nmt.data.quality import (
    TextHashes,
    check_not_blank,
    count_blank,
    explain_no_pairs,
    find_overlap,
    leave_out_blank,
)
from nmt.data.tasks import NO_LANGUAGE
from nmt.data.tokenizer import SentencePieceTrainer, Tokenizers
from nmt.data.training_pairs import TrainingPairs, build_training_pairs, store_text
from nmt.errors import DataError

logger = logging.getLogger(__name__)


class PreparedData(NamedTuple):
    """All that training needs to know of its data.

    train: the pairs that passed the filters. validation: every pair with text on both sides, whatever its length; its
    `lines` are their places in the split. `validation_text`: their text. test: every pair, blank lines too, so that
    line n stays line n. report: counts for people to read, as JSON; outputs/README.md has its keys.
    """

    tokenizers: Tokenizers
    train: TokenizedBitext
    validation: TokenizedBitext
    validation_text: Bitext
    test: Bitext | None
    report: dict[str, Any]


def prepare(
    corpus: Corpus,
    settings: SentencePieceTrainer,
    filters: Filters,
    cache: str | Path,
    links: LinkSource | None = None,
    processes: Processes = 1,
) -> PreparedData:
    """The corpus ready for training; from `cache` where an earlier run with the same text and settings left it.

    links: where links between words of the training text come from, if training needs them. processes: how many encode
    it; "auto" is one for each CPU where there is much text.

    A folder in `cache` is named by a hash of all that shapes its content, is written under another name and then
    renamed, and is made anew where its files are not as they were written (it keeps their hashes). Raises DataError
    where the corpus cannot be used or the folder cannot be written.
    """
    corpus.check()
    # First, so that what is wrong with them is told before a vocabulary is learnt.
    text, test = _load_split(corpus, "validation"), corpus.load("test")
    text, places, about = _inspect(corpus, text, test)
    tokenizers, train, report, keys = _load_training_pairs(
        corpus, settings, filters, Path(cache).expanduser(), links, processes
    )
    about["copies"]["train"] = keys.count_copies()
    if filters.overfit is not None:
        text, test = Bitext(list(train.source_text), list(train.target_text)), None
        places, about["overlap"] = range(train.pairs), {}
    else:
        about["overlap"] = _find_overlaps({"validation": text, "test": test}, keys)
    with locate_lines(name_source(corpus, "validation"), places=places):
        validation = tokenize(tokenizers, text.source, text.target)._replace(lines=np.asarray(places, dtype=np.int64))
    if test is not None and not tokenizers.source.reads_text:
        with locate_lines(name_source(corpus, "test")):  # now, and not when training is over
            encode(tokenizers.source, test.source, "test")
    data_report.warn_of_long(validation)
    return PreparedData(tokenizers, train, validation, text, test, {**report, **about})


def _load_training_pairs(
    corpus: Corpus,
    settings: SentencePieceTrainer,
    filters: Filters,
    cache: Path,
    links: LinkSource | None,
    processes: Processes,
) -> TrainingPairs:
    """The training split from the cache; made and kept there where it was not."""
    identity = describe_pairs(corpus, settings, filters, links)
    folder = cache / name_folder(identity)
    found = open_cached(folder, settings)
    if found is not None:
        logger.info("prepared data: %s", folder)
        data_report.log_report(found.report)
        _warn_of_copies(corpus, found.keys.count_copies(), "training")
        return found
    check_cache(cache)
    with open_new(folder) as written, locate_lines(name_source(corpus, "train")):
        read = store_text(stream_chunks(corpus, "train"), written)
        check_not_blank(Bitext(read.text.source, read.text.target))
        _warn_of_copies(corpus, read.copies, "training")
        made = build_training_pairs(read, written, settings, filters, links, processes)
        keep_pairs(written, folder, identity, made)
    data_report.log_report(made.report)
    return open_cached(folder, settings) or made


def _inspect(corpus: Corpus, text: Bitext, test: Bitext | None) -> tuple[Bitext, Sequence[int], dict[str, Any]]:
    """The validation pairs that can be scored, their places, and what is to be said of them and of the test set.

    Raises DataError where nothing is left to score.
    """
    about: dict[str, Any] = {"blank": {}, "copies": {}}
    kept, places = leave_out_blank(text, "validation")
    for split, held in (("validation", text), ("test", test)):
        if held is not None:
            used = kept if split == "validation" else leave_out_blank(held, "test")[0]
            about["blank"][split] = count_blank(held)
            about["copies"][split] = TextHashes.from_text(used.source, used.target).count_copies()
            data_report.warn_of_blank(about["blank"][split], split)
            _warn_of_copies(corpus, about["copies"][split], split)
    return kept, places, about


def _find_overlaps(held: dict[Split, Bitext | None], keys: TextHashes) -> dict[str, Any]:
    """What of the held-out text is in the training text."""
    found: dict[str, Any] = {}
    for split, text in held.items():
        if text is not None:
            found[split] = find_overlap(leave_out_blank(text, split)[0], keys)
            data_report.warn_of_overlap(found[split], split)
    return found


def _warn_of_copies(corpus: Corpus, copies: dict[str, Any], split: str) -> None:
    """Warns of pairs that say the same on both sides, but for generated strings, which are what they should be."""
    if corpus.target_language != NO_LANGUAGE:
        data_report.warn_of_copies(copies, split)


def _load_split(corpus: Corpus, split: Split) -> Bitext:
    text = corpus.load(split)
    if text is None or len(text.source) == 0:
        raise DataError(explain_no_pairs(split))
    return text
