"""Fixed sentences whose alignment is drawn at every checkpoint: pictures of attention, and the numbers behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from nmt.data.tokenizer import Tokenizer, Tokenizers
from nmt.errors import ConfigError
from nmt.evaluation.alignment import to_words
from nmt.evaluation.translation import Translation

END_WORD = "</s>"

MARK = "\u2581"
"""How SentencePiece writes the space before a word."""


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


def picture(tokenizers: Tokenizers, source: str, translation: Translation, reference: str) -> dict[str, Any] | None:
    """A hypothesis with its alignment, as JSON: between words and between pieces, </s> last on both sides.

    Word weights are sums over source pieces and means over target pieces. None where the search gave no weights.
    """
    if not translation.hypotheses or translation.hypotheses[0].weights is None:
        return None
    hypothesis = translation.hypotheses[0]
    source_ids, source_words = tokenizers.source.words(source)
    target_words = words_of(tokenizers.target, hypothesis.tokens)
    weights = hypothesis.weights
    assert weights is not None
    # END is a word of its own, so that what attention gives to it stays in sight.
    between = to_words(
        weights,
        [*target_words, max(target_words, default=-1) + 1],
        [*source_words, max(source_words, default=-1) + 1],
    )
    return {
        "source": [*source.split(), END_WORD],
        "target": [*translation.text.split(), END_WORD][: len(between)],
        "weights": rounded(between),
        "pieces": {
            "source": [*tokenizers.source.pieces(source_ids), END_WORD],
            "target": [*tokenizers.target.pieces(hypothesis.tokens), END_WORD],
            "weights": rounded(weights),
        },
        "reference": reference,
    }


def words_of(tokenizer: Tokenizer, ids: Sequence[int]) -> list[int]:
    """The index, in the decoded text's `split()`, of the word that each produced piece belongs to.

    A piece with a leading word mark begins a word; a bare mark belongs to the word that follows it.
    """
    words: list[int] = []
    word, seen, boundary = 0, False, False
    for piece in tokenizer.pieces(ids):
        boundary = boundary or piece.startswith(MARK)
        if boundary and seen:
            word, seen, boundary = word + 1, False, False
        seen = seen or piece != MARK
        words.append(word)
    last = words[-1] if seen or not words else max(words[-1] - 1, 0)
    return [min(word, last) for word in words]


def rounded(weights: Float[np.ndarray, "target source"]) -> list[list[float]]:
    """Four digits: more than an eye or a comparison of pictures needs, and a third of the bytes."""
    return [[round(float(value), 4) for value in row] for row in weights]
