"""Fixed sentences whose alignment is drawn at every checkpoint: pictures of attention, and the numbers behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from nmt.data.tokenizer import Tokenizers
from nmt.errors import ConfigError
from nmt.evaluation.alignment import Gold, pharaoh, to_words
from nmt.evaluation.measures import Aligned
from nmt.translation.translator import Translation

END_WORD = "</s>"


@dataclass(frozen=True, kw_only=True)
class Probes:
    """Which validation sentences are drawn: `sentences` of them, spread over those of `shortest` to `longest` words."""

    sentences: int = 8
    shortest: int = 6
    longest: int = 25

    def __post_init__(self) -> None:
        if self.sentences < 0 or not 1 <= self.shortest <= self.longest:
            raise ConfigError(f"probes: sentences >= 0 and 1 <= shortest <= longest must hold; got {self}.")

    def choose(self, lines: Sequence[str]) -> list[int]:
        """The indices of the probe sentences: the same for the same lines."""
        fit = [i for i, line in enumerate(lines) if self.shortest <= len(line.split()) <= self.longest]
        if not fit or not self.sentences:
            return []
        places = np.linspace(0, len(fit) - 1, min(self.sentences, len(fit))).round().astype(int)
        return [fit[place] for place in dict.fromkeys(places.tolist())]


def picture(
    tokenizers: Tokenizers, source: str, translation: Translation, reference: str, forced: Aligned, gold: Gold | None
) -> dict[str, Any] | None:
    """A hypothesis with its alignment, as JSON: between words and between pieces, </s> last on both sides; `forced` is
    the alignment of the reference in the same form, and `gold` its true links as a Pharaoh line, None where unknown.
    The source pieces of `forced` are those of the hypothesis.

    Word weights are sums over source pieces and means over target pieces. None where the search gave no weights.
    """
    if not translation.hypotheses or translation.hypotheses[0].weights is None:
        return None
    hypothesis = translation.hypotheses[0]
    source_ids, source_words = tokenizers.source.words(source)
    target_words = tokenizers.target.words_of(hypothesis.tokens)
    assert hypothesis.weights is not None
    found = Aligned(hypothesis.weights, source_words, target_words, forced.punctuation)
    return {
        "source": [*source.split(), END_WORD],
        **words(found, source, translation.text),
        "pieces": {
            "source": [*tokenizers.source.pieces(source_ids), END_WORD],
            "target": [*tokenizers.target.pieces(hypothesis.tokens), END_WORD],
            "weights": rounded(hypothesis.weights),
        },
        "reference": reference,
        "forced": {
            **words(forced, source, reference),
            "pieces": {
                "target": [*tokenizers.target.pieces(tokenizers.target.words(reference)[0]), END_WORD],
                "weights": rounded(forced.weights),
            },
        },
        "gold": None if gold is None else pharaoh(gold),
    }


def words(pair: Aligned, source: str, target: str) -> dict[str, Any]:
    """The target's words and the weights between words. END is one, so what attention gives to it stays in sight."""
    columns, rows = len(source.split()), len(target.split())
    between = to_words(pair.weights, [*pair.target_words, rows], [*pair.source_words, columns])
    return {"target": [*target.split(), END_WORD], "weights": rounded(between)}


def rounded(weights: Float[np.ndarray, "target source"]) -> list[list[float]]:
    """Six significant digits, so that the measures of attention can be computed from them: zeros stay zeros, what is
    small stays above zero, and of two weights the larger one stays the larger."""
    return [[float(f"{value:.6g}") for value in row] for row in weights.tolist()]
