"""Fixed sentences whose alignment is drawn at every checkpoint: pictures of attention, and the numbers behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from nmt.data.pictures.records import make_picture_record
from nmt.data.sources.reader import SourceReader
from nmt.data.tokenizer import Tokenizers
from nmt.errors import ConfigError
from nmt.evaluation.alignment import Gold, format_pharaoh, to_words
from nmt.evaluation.measures import PairAttention
from nmt.evaluation.pointing import show_source
from nmt.translation.translator import SearchResult

EOS_WORD = "</s>"


@dataclass(frozen=True, kw_only=True)
class Probes:
    """Which validation sentences are drawn: `sentences` of them, spread over those of `shortest` to `longest` words.

    maps: whether every layer and head is drawn too, of self-attention and of attention to the source."""

    sentences: int = 8
    shortest: int = 6
    longest: int = 25
    maps: bool = False

    def __post_init__(self) -> None:
        if self.sentences < 0:
            raise ConfigError(f"probes.sentences must be 0 or more; got {self.sentences}.")
        if self.shortest < 1:
            raise ConfigError(f"probes.shortest must be at least 1 word; got {self.shortest}.")
        if self.longest < self.shortest:
            raise ConfigError(
                f"probes.longest must be at least probes.shortest, which is {self.shortest}; got {self.longest}."
            )

    def choose(self, lines: Sequence[str], reader: SourceReader | None = None) -> list[int]:
        """The indices of the probe sentences: the same for the same lines. reader: what knows their words; None for
        those of text."""
        split = str.split if reader is None else reader.split_words
        fit = [i for i, line in enumerate(lines) if self.shortest <= len(split(line)) <= self.longest]
        if not fit or not self.sentences:
            return []
        places = np.linspace(0, len(fit) - 1, min(self.sentences, len(fit))).round().astype(int)
        return [fit[place] for place in dict.fromkeys(places.tolist())]


def make_probe_record(
    tokenizers: Tokenizers,
    source: str,
    translation: SearchResult,
    reference: str,
    forced: PairAttention,
    gold: Gold | None,
    boxes: str | None = None,
) -> dict[str, Any] | None:
    """A hypothesis with its alignment, as JSON: between words and between pieces, </s> last on both sides; `forced` is
    the alignment of the reference in the same form, and `gold` its true links as a Pharaoh line, None where unknown.
    The source pieces of `forced` are those of the hypothesis.

    Word weights are sums over source pieces and means over target pieces. Where the source is a picture, `picture` is
    it, as `nmt.data.pictures.records` has it, and `boxes` are those of the reference, as in `Bitext`. None where the
    search gave no weights.
    """
    if not translation.hypotheses or translation.hypotheses[0].weights is None:
        return None
    hypothesis = translation.hypotheses[0]
    source_ids, source_words = tokenizers.source.encode_with_words(source)
    target_words = tokenizers.target.get_word_indices(hypothesis.tokens)
    assert hypothesis.weights is not None
    found = PairAttention(hypothesis.weights, source_words, target_words, forced.punctuation)
    words = tokenizers.source.split_words(source)
    picture = show_source(tokenizers.source, source)
    return {
        "source": [*words, EOS_WORD],
        **make_word_record(found, words, translation.text),
        "pieces": {
            "source": [*tokenizers.source.label(source_ids), EOS_WORD],
            "target": [*tokenizers.target.convert_ids_to_pieces(hypothesis.tokens), EOS_WORD],
            "weights": round_weights(hypothesis.weights),
        },
        "reference": reference,
        "forced": {
            **make_word_record(forced, words, reference),
            "pieces": {
                "target": [
                    *tokenizers.target.convert_ids_to_pieces(tokenizers.target.encode_with_words(reference)[0]),
                    EOS_WORD,
                ],
                "weights": round_weights(forced.weights),
            },
        },
        "gold": None if gold is None else format_pharaoh(gold),
        **({} if picture is None else {"picture": make_picture_record(picture, source), "boxes": boxes}),
    }


def make_word_record(pair: PairAttention, source: Sequence[str], target: str) -> dict[str, Any]:
    """The target's words and the weights between these and the words of the source. EOS is one, so what attention gives
    to it stays in sight."""
    columns, rows = len(source), len(target.split())
    between = to_words(pair.weights, [*pair.target_words, rows], [*pair.source_words, columns])
    return {"target": [*target.split(), EOS_WORD], "weights": round_weights(between)}


def round_weights(weights: Float[np.ndarray, "target source"]) -> list[list[float]]:
    """Six significant digits, so that the measures of attention can be computed from them: zeros stay zeros, what is
    small stays above zero, and of two weights the larger one stays the larger."""
    return [[float(f"{value:.6g}") for value in row] for row in weights.tolist()]
