"""What nmt-translate writes for a line: its text, a list of hypotheses, or an object of JSON."""

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from nmt.data.sources.reader import SourceItem
    from nmt.data.tokenizer import Tokenizers
    from nmt.search.protocols import Hypothesis


class TranslatedLine(NamedTuple):
    """A line with its translation. `number` counts from 0; `hypotheses` are best first, none for an empty line."""

    number: int
    source_text: str
    source: "SourceItem"
    text: str
    hypotheses: "list[Hypothesis]"


def format_text(tokenizers: "Tokenizers", line: TranslatedLine) -> list[str]:
    """The best translation."""
    return [line.text]


def format_nbest(tokenizers: "Tokenizers", line: TranslatedLine) -> list[str]:
    """`number ||| text ||| score` for every hypothesis, numbers from 0 as Moses has them."""
    texts = tokenizers.target.decode([hypothesis.tokens for hypothesis in line.hypotheses])
    scores = [hypothesis.score for hypothesis in line.hypotheses]
    pairs = zip(texts, scores, strict=True) if texts else [(line.text, 0.0)]
    return [f"{line.number} ||| {text} ||| {score:.6f}" for text, score in pairs]


def format_json(tokenizers: "Tokenizers", line: TranslatedLine) -> list[str]:
    """One object: number from 1, source text, translation, source pieces, and every hypothesis with its pieces, their
    log-probabilities in nats, and attention weights where they are kept.

    `log_probs` has a number for each target piece, and `weights` a row for each, with a column for each source piece;
    </s> is last in all.
    """
    texts = tokenizers.target.decode([hypothesis.tokens for hypothesis in line.hypotheses])
    content = {
        "line": line.number + 1,
        "source_text": line.source_text,
        "text": line.text,
        "source": [*tokenizers.source.label(line.source), "</s>"],
        "hypotheses": [
            {
                "text": text,
                "score": to_finite(hypothesis.score),
                "log_prob": to_finite(hypothesis.log_prob),
                "pieces": [*tokenizers.target.convert_ids_to_pieces(hypothesis.tokens), "</s>"],
                "log_probs": [to_finite(round(float(number), 6)) for number in hypothesis.log_probs],
                **({} if hypothesis.weights is None else {"weights": round_weights(hypothesis.weights)}),
            }
            for text, hypothesis in zip(texts, line.hypotheses, strict=True)
        ],
    }
    return [json.dumps(content, ensure_ascii=False, allow_nan=False).translate(LINE_END_ESCAPES)]


FORMATS: dict[str, Callable[["Tokenizers", TranslatedLine], list[str]]] = {
    "text": format_text,
    "nbest": format_nbest,
    "json": format_json,
}

LINE_END_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "\x85\u2028\u2029"}
"""Line ends, for some tools, that JSON would leave as they are."""


def to_finite(number: float) -> float | None:
    """The number, or None where it is NaN or infinite, which JSON does not have."""
    return number if math.isfinite(number) else None


def round_weights(weights: Any) -> list[list[float | None]]:
    """Six significant digits; null for what is not finite."""
    from nmt.evaluation import probes

    return [[to_finite(weight) for weight in row] for row in probes.round_weights(weights)]
