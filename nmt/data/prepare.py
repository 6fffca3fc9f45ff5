"""From a corpus to what training reads: the text of each split as ids, and what a person should know of it.

Only the training split is kept on disk; validation and test text are read each time.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nmt.data import data_report
from nmt.data.cleaning import Cleaner, list_prefixes
from nmt.data.corpus import Bitext, Corpus, Split, stream_chunks
from nmt.data.encoded import TokenizedBitext, encode, tokenize
from nmt.data.encoding import Processes
from nmt.data.filters import Filters
from nmt.data.links import LinkSource
from nmt.data.mix.corpus import Mix
from nmt.data.mix.report import check_tokenizer, count_corpora
from nmt.data.mix.tags import remove_tags
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
from nmt.data.source_lines import locate_source
from nmt.data.sources.target_only import TargetOnly
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
    if isinstance(settings, TargetOnly):
        with locate_source(corpus, "validation", places):
            settings.reader.check(text.source)
    cleaner = Cleaner(corpus, filters, [each for each in (text, test) if each is not None])
    tokenizers, train, report, keys = _load_training_pairs(
        corpus, settings, filters, Path(cache).expanduser(), links, processes, cleaner
    )
    about["copies"]["train"] = keys.count_copies()
    if filters.overfit is not None:
        text, test = Bitext(list(train.source_text), list(train.target_text)), None
        places, about["overlap"] = range(train.pairs), {}
    else:
        about["overlap"] = _find_overlaps(corpus, {"validation": text, "test": test}, keys)
    with locate_source(corpus, "validation", places):
        validation = tokenize(tokenizers, text.source, text.target)._replace(lines=np.asarray(places, dtype=np.int64))
    if test is not None and not tokenizers.source.reads_text:
        with locate_source(corpus, "test"):  # now, and not when training is over
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
    cleaner: Cleaner,
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
    with open_new(folder) as written:
        read = store_text(cleaner.clean(stream_chunks(corpus, "train")), written, list_prefixes(corpus))
        read = read._replace(places=cleaner.places)
        check_not_blank(Bitext(read.text.source, read.text.target))
        _warn_of_copies(corpus, read.copies, "training")
        with locate_source(corpus, "train", read.places):
            made = build_training_pairs(read, written, settings, filters, links, processes)
        made = made._replace(report=_complete_report(made, corpus, cleaner))
        keep_pairs(written, folder, identity, made)
    data_report.log_report(made.report)
    return open_cached(folder, settings) or made


def _complete_report(made: TrainingPairs, corpus: Corpus, cleaner: Cleaner) -> dict[str, Any]:
    """The report of training pairs with what was left out before they were made, and the corpora of a mixture."""
    report = {
        **made.report,
        "pairs": {**made.report["pairs"], "read": cleaner.read, **cleaner.counts},
        "dropped": {reason: found for reason, found in cleaner.examples.items() if found} | made.report["dropped"],
    }
    if not isinstance(corpus, Mix):
        return report
    check_tokenizer(corpus, made.tokenizers)
    return report | {"corpora": count_corpora(cleaner.corpora, made.train.lines)}


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
            about["copies"][split] = _hash_text(corpus, used).count_copies()
            data_report.warn_of_blank(about["blank"][split], split)
            _warn_of_copies(corpus, about["copies"][split], split)
    return kept, places, about


def _hash_text(corpus: Corpus, text: Bitext) -> TextHashes:
    """Hashes of a text, without the tags of a mixture."""
    return TextHashes.from_text(remove_tags(text.source, list_prefixes(corpus)), text.target)


def _find_overlaps(corpus: Corpus, held: dict[Split, Bitext | None], keys: TextHashes) -> dict[str, Any]:
    """What of the held-out text is in the training text."""
    found: dict[str, Any] = {}
    for split, text in held.items():
        if text is not None:
            used = leave_out_blank(text, split)[0]
            plain = used._replace(source=remove_tags(used.source, list_prefixes(corpus)))
            found[split] = find_overlap(plain, keys)
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
