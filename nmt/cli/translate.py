"""nmt-translate: line n out translates line n in."""

import json
import logging
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nmt import config
from nmt.cli.door import APPLIED, open_door
from nmt.cli.text import chunks, incoming, outgoing
from nmt.cli.work import Work, load, translator
from nmt.data.lines import Errors
from nmt.errors import ConfigError

if TYPE_CHECKING:
    from nmt.data.tokenizer import Tokenizers
    from nmt.search.hypothesis import Hypothesis

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings(Work):
    """What `configs/translate.yaml` says, and how it is meant."""

    model: dict[str, str]
    input: str | None
    output: str | None
    format: Literal["text", "nbest", "json"]
    search: dict[str, Any]
    max_source: int | None
    chunk: int
    errors: Errors

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_source", "chunk"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1; got {value}.")


def main() -> None:
    """The command line: see `nmt-translate --help`."""
    open_door("translate", task, spelled=APPLIED)


def task(composed: dict[str, Any]) -> None:
    """Translates the input to the output, a chunk of lines at a time."""
    settings = config.build(Settings, config.check(composed, Settings))
    text = incoming(settings.input, settings.errors)
    loaded = load(settings.model["folder"], settings)
    worker = translator(loaded, settings, settings.search, weights=settings.format == "json")
    write = FORMATS[settings.format]
    # Somebody who types lines wants each answered before the next.
    typed = settings.input is None and sys.stdin.isatty()

    from tqdm import tqdm

    shown = sys.stderr.isatty() and not typed and not (settings.output is None and sys.stdout.isatty())
    with outgoing(settings.output) as put, tqdm(desc="translating", unit=" lines", disable=not shown) as bar:
        number = 0
        for chunk in chunks(text, 1 if typed else settings.chunk):
            encoded = worker.tokenizers.source.encode(chunk)
            ids = shortened(encoded, settings.max_source, first=number)
            translations = worker.translate_ids(ids, done=bar.update)
            put(
                line
                for place, (source, translation) in enumerate(zip(ids, translations, strict=True), start=number)
                for line in write(worker.tokenizers, Line(place, source, *translation))
            )
            number += len(chunk)


def shortened(ids: Sequence[Sequence[int]], most: int | None, *, first: int) -> list[Sequence[int]]:
    """Sources of at most so many pieces; of longer ones the beginning, with a warning. `first` lines came before."""
    for number, source in enumerate(ids, start=first + 1):
        if most is not None and len(source) > most:
            logger.warning(
                "line %d has %d pieces; only the first %d are translated (max_source)", number, len(source), most
            )
    return [source[:most] for source in ids]


# What is written for a line ---------------------------------------------------------------------------------------


class Line(NamedTuple):
    """A line with its translation. `number` counts from 0; `hypotheses` are best first, none for an empty line."""

    number: int
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
    """One object: number, text, source pieces, and every hypothesis with its pieces and attention weights.

    `weights` has a row for each target piece and a column for each source piece, </s> last in both.
    """
    texts = tokenizers.target.decode([hypothesis.tokens for hypothesis in line.hypotheses])
    found = {
        "line": line.number,
        "text": line.text,
        "source": [*tokenizers.source.pieces(line.source), "</s>"],
        "hypotheses": [
            {
                "text": text,
                "score": finite(hypothesis.score),
                "log_prob": finite(hypothesis.log_prob),
                "pieces": [*tokenizers.target.pieces(hypothesis.tokens), "</s>"],
                "weights": None if hypothesis.weights is None else rounded(hypothesis.weights),
            }
            for text, hypothesis in zip(texts, line.hypotheses, strict=True)
        ],
    }
    return [json.dumps(found, ensure_ascii=False, allow_nan=False).translate(ESCAPED)]


FORMATS: dict[str, Callable[["Tokenizers", Line], list[str]]] = {"text": as_text, "nbest": as_nbest, "json": as_json}

ESCAPED = {ord(character): f"\\u{ord(character):04x}" for character in "\x85\u2028\u2029"}
"""Line ends, for some tools, that JSON would leave as they are."""


def finite(number: float) -> float | None:
    """JSON has no infinity."""
    return number if math.isfinite(number) else None


def rounded(weights: Any) -> list[list[float]]:
    """Four digits are enough for a picture and for links."""
    from nmt.evaluation import probes

    return probes.rounded(weights)


if __name__ == "__main__":
    main()
