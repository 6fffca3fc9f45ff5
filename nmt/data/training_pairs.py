"""From training text to ids: the vocabulary, the filters, the links, and what is to be told of them."""

import logging
from typing import Any, NamedTuple

import numpy as np

from nmt.data import data_report
from nmt.data.corpus import Bitext
from nmt.data.encoded import PackedLines, RaggedIds, TokenizedBitext, encode_pairs
from nmt.data.filters import Filters
from nmt.data.links import LinkSource, learn_links, link_pieces, parse_links
from nmt.data.quality import TextHashes
from nmt.data.sources.reader import SourceReader
from nmt.data.tokenizer import SentencePieceTrainer, Tokenizers
from nmt.errors import DataError
from nmt.progress import report_time
from nmt.special_tokens import UNK

logger = logging.getLogger(__name__)


class TrainingPairs(NamedTuple):
    """What training needs of the training text. report: counts, as JSON. keys: hashes of the pairs in `train`."""

    tokenizers: Tokenizers
    train: TokenizedBitext
    report: dict[str, Any]
    keys: TextHashes


def build_training_pairs(
    text: Bitext, settings: SentencePieceTrainer, filters: Filters, links: LinkSource | None
) -> TrainingPairs:
    """The pairs that pass the filters, as ids of a vocabulary that is learnt from all. Raises DataError for none."""
    given = text.alignments
    # From here on lines are bytes in one array, half of what they need as strings.
    text = Bitext(PackedLines.from_lines(text.source), PackedLines.from_lines(text.target))
    with report_time(logger, f"learning a vocabulary from {len(text.source)} pairs"):
        tokenizers = settings.train(text.source, text.target)
    source, target = encode_pairs(tokenizers, text.source, text.target)
    kept, counts = filters.keep(source.lengths, target.lengths)
    if not kept.any():
        raise DataError(
            f"None of the {len(kept)} training pairs passed the filters ({data_report.format_dropped(counts)}). "
            f"Lengths are in pieces; widen filters.min_length={filters.min_length}, "
            f"filters.max_length={filters.max_length} or filters.max_ratio={filters.max_ratio}, or look at the "
            "training files."
        )
    source, target = source.select(kept), target.select(kept)
    report = {
        "pairs": counts,
        "source": _describe_side(source, tokenizers.source),
        "target": _describe_side(target, tokenizers.target),
    }
    rows = np.flatnonzero(kept)
    source_text, target_text = (
        PackedLines.from_lines(side[int(row)] for row in rows) for side in (text.source, text.target)
    )
    train = TokenizedBitext(source, target, source_text, target_text, rows)
    if links is not None:
        of_words = learn_links(text.source, text.target) if links == "em" else parse_links(given or ())
        train = train._replace(links=link_pieces(of_words, train, tokenizers))
    return TrainingPairs(tokenizers, train, report, TextHashes.from_text(train.source_text, train.target_text))


def _describe_side(ids: RaggedIds, reader: SourceReader) -> dict[str, Any]:
    if not reader.reads_text:
        longest = int(ids.lengths.max())
        return {"features": list(ids.flat.shape[1:]), "tokens": len(ids.flat), "longest": longest}
    return {
        "vocab_size": reader.vocab_size,
        "tokens": len(ids.flat),
        "longest": int(ids.lengths.max()),
        "unknown_share": float(((ids.flat == UNK) | (ids.flat >= reader.vocab_size)).mean()),
    }
