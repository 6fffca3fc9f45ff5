"""nmt-translate: line n out translates line n in."""

import json
import logging
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nmt import config
from nmt.cli.door import APPLIED, open_door
from nmt.cli.parallel import Answer, spread
from nmt.cli.partial import Output, fingerprint, resumable
from nmt.cli.prefixes import encode_prefixes, read_input, split_prefixes
from nmt.cli.show import DRAWN, NOTHING, Show, check, showing
from nmt.cli.text import chunks, is_same, is_special, outgoing
from nmt.cli.work import Work, load_all, models, translator
from nmt.data.lines import Errors
from nmt.errors import ConfigError
from nmt.training.places import model_folder

if TYPE_CHECKING:
    from nmt.data.tokenizer import Tokenizers
    from nmt.search.hypothesis import Hypothesis

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings(Work):
    """What `configs/translate.yaml` says, and how it is meant."""

    model: dict[str, str | list[str]]
    input: str | None
    output: str | None
    format: Literal["text", "nbest", "json"]
    processes: int
    prefix: str | None
    search: dict[str, Any]
    shortlist: dict[str, Any]
    precision: Literal["float32", "bfloat16", "int8"]
    max_source: int | None
    chunk: int
    errors: Errors
    show: str

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_source", "chunk", "processes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1; got {value}.")
        check(self.show, self.processes)


def main() -> None:
    """The command line: see `nmt-translate --help`."""
    open_door("translate", task, spelled=APPLIED)


def task(composed: dict[str, Any]) -> None:
    """Translates the input to the output, a chunk of lines at a time."""
    settings = config.build(Settings, config.check(composed, Settings))
    if settings.input is not None and settings.output is not None and is_same(settings.input, settings.output):
        raise ConfigError(f"input and output are one file, {settings.input}, whose text would be lost. Choose another.")
    # Asked before what takes a second to import.
    text = read_input(settings.input, settings.prefix, settings.errors)
    folders = [model_folder(Path(model).expanduser()) for model in models(settings.model["folder"])]
    # Somebody who types lines wants each answered before the next.
    typed = settings.input is None and sys.stdin.isatty()
    busy = typed or settings.show in DRAWN or (settings.output is None and sys.stdout.isatty())

    from tqdm import tqdm

    with (
        tqdm(desc="translating", unit=" lines", disable=busy or not sys.stderr.isatty()) as bar,
        output(settings, folders, text) as out,
        showing(settings.show, [str(folder) for folder in folders]) as show,
    ):
        bar.update(out.done)
        numbered = counted(chunks(out.text, 1 if typed else settings.chunk), first=out.done)
        for chunk, answers in answered(settings, numbered, bar.update, show):
            out.put(chunk, answers)


def output(settings: Settings, folders: Sequence[Path], text: Iterator[str]) -> AbstractContextManager[Output]:
    """Where answers go; if a file becomes a file, it can be gone on with, unless all of it is to be shown."""
    streams = [path is None or is_special(path) for path in (settings.input, settings.output)]
    if any(streams) or settings.show != NOTHING:  # what is read from a pipe cannot be read again
        return unresumed(settings.output, text)
    assert settings.input is not None
    assert settings.output is not None
    ignored = {"model", "input", "output", "device", "threads", "processes", "show"}
    job = {key: value for key, value in asdict(settings).items() if key not in ignored}
    path, prefix, errors = settings.input, settings.prefix, settings.errors
    lexicon = settings.shortlist.get("name") != "whole"
    made = ",".join(fingerprint(folder, lexicon=lexicon) for folder in folders)
    return resumable(settings.output, {**job, "model": made}, lambda: read_input(path, prefix, errors))


@contextmanager
def unresumed(path: str | None, text: Iterator[str]) -> Iterator[Output]:
    """Where answers go at once, or whole or not at all."""
    with outgoing(path) as put:
        yield Output(text, 0, lambda chunk, answers: put(answers))


def counted(parts: Iterable[list[str]], *, first: int) -> Iterator[tuple[int, list[str]]]:
    """Chunks with the number of lines before each."""
    for part in parts:
        yield first, part
        first += len(part)


def answered(
    settings: Settings,
    numbered: Iterable[tuple[int, list[str]]],
    done: Callable[[int], object],
    show: Show | None = None,
) -> Iterator[tuple[list[str], list[str]]]:
    """Chunks and what is written for each, in order."""
    if settings.processes == 1:
        answer = answerer(settings, done, show)
        for first, chunk in numbered:
            yield chunk, answer(first, chunk)
        return
    share = max(1, (settings.threads or os.cpu_count() or 1) // settings.processes)
    for chunk, answers in spread(numbered, settings.processes, answerer, replace(settings, threads=share)):
        done(len(chunk))
        yield chunk, answers


def answerer(settings: Settings, done: Callable[[int], object] | None = None, show: Show | None = None) -> Answer:
    """What is written for a chunk of lines. `done` is told how many more are translated, and `show` is shown them."""
    loaded, *others = load_all(models(settings.model["folder"]), settings)
    worker = translator(
        loaded,
        settings,
        settings.search,
        others=others,
        weights=settings.format == "json" or show is not None,
        precision=settings.precision,
        shortlist=settings.shortlist,
    )
    write = FORMATS[settings.format]

    def answer(first: int, chunk: list[str]) -> list[str]:
        chunk, texts = split_prefixes(chunk, settings.prefix)
        encoded = worker.tokenizers.source.encode(chunk)
        ids = shortened(encoded, settings.max_source, first=first)
        prefixes = encode_prefixes(worker.tokenizers.target, texts, first=first)
        translations = worker.translate_ids(ids, prefixes=prefixes, done=done)
        if show is not None:
            for place, translation in enumerate(translations):
                show(worker.tokenizers, first + place, chunk[place], ids[place], translation)
        return [
            line
            for place, (source, translation) in enumerate(zip(ids, translations, strict=True), start=first)
            for line in write(worker.tokenizers, Line(place, source, *translation))
        ]

    return answer


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
    """With as many digits as the measures of attention need."""
    from nmt.evaluation import probes

    return probes.rounded(weights)


if __name__ == "__main__":
    main()
