"""What nmt-translate writes for a line: its text, a list of hypotheses, or an object of JSON."""

import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from nmt.data.tokenizer import Tokenizers
    from nmt.search.protocols import Hypothesis


class Line(NamedTuple):
    """A line with its translation. `number` counts from 0; `hypotheses` are best first, none for an empty line."""

    number: int
    source_text: str
    source: Sequence[int]
    text: str
    hypotheses: "list[Hypothesis]"


def as_text(tokenizers: "Tokenizers", line: Line) -> list[str]:
    """The best translation."""
    return [line.text]


def as_nbest(tokenizers: "Tokenizers", line: Line) -> list[str]:
    """`number ||| text ||| score` for every hypothesis, numbers from 0 as Moses has them."""
    texts = tokenizers.target.decode([hypothesis.tokens for hypothesis in line.hypotheses])
    scores = [hypothesis.score for hypothesis in line.hypotheses]
    listed = zip(texts, scores, strict=True) if texts else [(line.text, 0.0)]
    return [f"{line.number} ||| {text} ||| {score:.6f}" for text, score in listed]


def as_json(tokenizers: "Tokenizers", line: Line) -> list[str]:
    """One object: number from 1, source text, translation, source pieces, and every hypothesis with its pieces, their
    log-probabilities in nats, and attention weights where they are kept.

    `log_probs` has a number for each target piece, and `weights` a row for each, with a column for each source piece;
    </s> is last in all.
    """
    texts = tokenizers.target.decode([hypothesis.tokens for hypothesis in line.hypotheses])
    found = {
        "line": line.number + 1,
        "source_text": line.source_text,
        "text": line.text,
        "source": [*tokenizers.source.pieces(line.source), "</s>"],
        "hypotheses": [
            {
                "text": text,
                "score": finite(hypothesis.score),
                "log_prob": finite(hypothesis.log_prob),
                "pieces": [*tokenizers.target.pieces(hypothesis.tokens), "</s>"],
                "log_probs": [finite(round(float(number), 6)) for number in hypothesis.log_probs],
                **({} if hypothesis.weights is None else {"weights": rounded(hypothesis.weights)}),
            }
            for text, hypothesis in zip(texts, line.hypotheses, strict=True)
        ],
    }
    return [json.dumps(found, ensure_ascii=False, allow_nan=False).translate(ESCAPED)]


FORMATS: dict[str, Callable[["Tokenizers", Line], list[str]]] = {"text": as_text, "nbest": as_nbest, "json": as_json}

ESCAPED = {ord(character): f"\\u{ord(character):04x}" for character in "\x85\u2028\u2029"}
"""Line ends, for some tools, that JSON would leave as they are."""


def finite(number: float) -> float | None:
    """The number, or None where it is NaN or infinite, which JSON does not have."""
    return number if math.isfinite(number) else None


def rounded(weights: Any) -> list[list[float | None]]:
    """Six significant digits; null for what is not finite."""
    from nmt.evaluation import probes

    return [[finite(weight) for weight in row] for row in probes.rounded(weights)]
