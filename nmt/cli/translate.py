"""nmt-translate: line n out translates line n in."""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nmt import config
from nmt.cli.application import open_door
from nmt.composition.overrides import APPLIED
from nmt.data.lines import Errors
from nmt.errors import ConfigError, ModelError
from nmt.evaluation.bleu_tokens import has_words
from nmt.inference.answers import FORMATS, Line
from nmt.inference.attention_view import DRAWN, NOTHING, Show, check, showing
from nmt.inference.inference import Work, load_all, models, translator
from nmt.inference.inputs import STDIN, Given, find_files, gather, has_left, has_pauses
from nmt.inference.prefixes import COLUMN, encode_prefixes, read_input, split_prefixes
from nmt.inference.resumable import Output, fingerprint, resumable
from nmt.inference.sentences import join_sentences, split_sentences
from nmt.inference.streams import CHUNK_CHARACTERS, chunks, is_same, is_special, outgoing
from nmt.inference.tally import Summary, Tally, count_lines
from nmt.inference.workers import Answer, spread
from nmt.storage.untrusted_paths import model_folder

if TYPE_CHECKING:
    from nmt.model_folder import Loaded

logger = logging.getLogger(__name__)

PACKED = re.compile(r"\.(gz|bz2|xz)$")
"""Ends the name of a compressed file, and not that of its translation."""


@dataclass(frozen=True, kw_only=True)
class Settings(Work):
    """What `configs/translate.yaml` says, and how it is meant."""

    model: dict[str, str | list[str]]
    input: Given
    output: str | None
    format: Literal["text", "nbest", "json"]
    weights: bool
    split: Literal["lines", "sentences"]
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
        if self.weights and self.format != "json":
            raise ConfigError(f"weights=true writes attention weights as JSON, with format=json; got {self.format}.")
        if self.split == "sentences" and (self.format != "text" or self.show != NOTHING or self.prefix is not None):
            raise ConfigError(
                "split=sentences joins the translations of a line's sentences to one line of text, so that it needs "
                f"format=text, show={NOTHING} and prefix=null; got format={self.format}, show={self.show} and "
                f"prefix={'null' if self.prefix is None else self.prefix}."
            )


class Job(NamedTuple):
    """Files that are translated one after another, and where to: a file, or standard output for None."""

    inputs: list[str]
    output: str | None


def main() -> None:
    """The command line: see `nmt-translate --help`."""
    open_door("translate", task, spelled=APPLIED)


def task(composed: dict[str, Any]) -> None:
    """Translates the input to the output, a chunk of lines at a time."""
    settings = config.build(Settings, config.check(composed, Settings))
    jobs = plan_jobs(settings)
    # Asked before what takes a second to import.
    texts = [read_input(job.inputs, settings.prefix, settings.errors) for job in jobs]
    folders = [model_folder(Path(model).expanduser()) for model in models(settings.model["folder"])]
    # Somebody who types lines wants each answered before the next.
    typed = STDIN in jobs[0].inputs and sys.stdin.isatty()
    busy = typed or settings.show in DRAWN or (settings.output is None and sys.stdout.isatty())

    if len(jobs) > 1 or jobs[0].output != settings.output:
        Path(settings.output or ".").expanduser().mkdir(parents=True, exist_ok=True)

    from nmt.progress import make_bar

    hint = "split=sentences translates each by itself" if settings.split == "lines" else ""
    summary, answer = Summary(hint), None
    with (
        make_bar(desc="translating", unit=" lines", disable=busy or not sys.stderr.isatty()) as bar,
        showing(settings.show, [str(folder) for folder in folders]) as show,
    ):
        for job, text in zip(jobs, texts, strict=True):
            with open_output(settings, job, folders, text) as out:
                bar.update(out.done)
                if answer is None and settings.processes == 1:
                    answer = answerer(settings, bar.update, show)
                    summary.start()
                numbered = counted(gather_runs(out.text, settings, job, typed), first=out.done)
                for chunk, answers in answered(settings, numbered, answer, bar.update):
                    summary.add(answers.tally)
                    out.put(chunk, answers.lines)
    if not typed and not (settings.output is None and has_left(sys.stdout)):
        summary.print()


def plan_jobs(settings: Settings) -> list[Job]:
    """All inputs to one output, or each to its own file where the output is a folder. Raises ConfigError where text
    would be lost."""
    inputs, output = find_files(settings.input, setting="input"), settings.output
    jobs = [Job(inputs, output)]
    if output is not None and (output.endswith("/") or Path(output).expanduser().is_dir()):
        jobs = [Job([file], str(Path(output) / PACKED.sub("", Path(file).name))) for file in inputs]
        if STDIN in inputs or settings.show not in (NOTHING, *DRAWN):
            what = "standard input" if STDIN in inputs else f"show={settings.show}"
            raise ConfigError(f"output={output} is a folder, with a file for each input; {what} needs output=FILE.")
        if settings.prefix not in (None, COLUMN):
            raise ConfigError(
                f"prefix={settings.prefix} is for all of the input; with a folder choose prefix={COLUMN}."
            )
        if len({job.output for job in jobs}) < len(jobs):
            raise ConfigError(f"Two inputs have one name, so {output} cannot hold a file for each. Choose output=FILE.")
    for job in jobs:
        for file in job.inputs:
            if job.output is not None and is_same(file, job.output):
                raise ConfigError(f"input and output are one file, {file}, whose text would be lost. Choose another.")
    return jobs


def gather_runs(text: Iterator[str], settings: Settings, job: Job, typed: bool) -> Iterator[list[str]]:
    """The lines in runs that are translated at once: what a pipe holds is not kept waiting for what may come."""
    if typed:
        return chunks(text, 1)
    if has_pauses(job.inputs):
        return gather(text, settings.chunk, characters=CHUNK_CHARACTERS)
    return chunks(text, settings.chunk)


def open_output(
    settings: Settings, job: Job, folders: Sequence[Path], text: Iterator[str]
) -> AbstractContextManager[Output]:
    """Where answers go; if files become a file, it can be gone on with, unless all of it is to be shown."""
    if has_pauses(job.inputs) or job.output is None or is_special(job.output) or settings.show != NOTHING:
        return unresumed(job.output, text)
    ignored = {"model", "input", "output", "device", "threads", "processes", "show"}
    kept = {key: value for key, value in asdict(settings).items() if key not in ignored}
    lexicon = settings.shortlist.get("name") != "whole"
    made = ",".join(fingerprint(folder, lexicon=lexicon) for folder in folders)
    prefix, errors = settings.prefix, settings.errors
    return resumable(job.output, {**kept, "model": made}, lambda: read_input(job.inputs, prefix, errors))


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


class Answers(NamedTuple):
    """What is written for a chunk of lines, and what was counted in it."""

    lines: list[str]
    tally: Tally


def answered(
    settings: Settings,
    numbered: Iterable[tuple[int, list[str]]],
    answer: Answer[Answers] | None,
    done: Callable[[int], object],
) -> Iterator[tuple[list[str], Answers]]:
    """Chunks and what is written for each, in order: by `answer`, or by several processes where there is none."""
    if answer is not None:
        for first, chunk in numbered:
            if chunk:
                yield chunk, answer(first, chunk)
        return
    share = max(1, (settings.threads or os.cpu_count() or 1) // settings.processes)
    for chunk, answers in spread(numbered, settings.processes, answerer, replace(settings, threads=share)):
        done(len(chunk))
        yield chunk, answers


def answerer(
    settings: Settings, done: Callable[[int], object] | None = None, show: Show | None = None
) -> Answer[Answers]:
    """What is written for a chunk of lines. `done` is told how many more are translated, and `show` is shown them."""
    loaded, *others = load_all(models(settings.model["folder"]), settings)
    check_attention(settings, (loaded, *others))
    worker = translator(
        loaded,
        settings,
        settings.search,
        others=others,
        weights=settings.weights or show is not None,
        precision=settings.precision,
        shortlist=settings.shortlist,
    )
    write, tokenizer = FORMATS[settings.format], worker.tokenizers.source
    language, spaces = loaded.settings["source_language"], has_words(loaded.settings["target_language"])

    def answer(first: int, chunk: list[str]) -> Answers:
        chunk, begun = split_prefixes(chunk, settings.prefix)
        whole = settings.split == "lines"
        parts = [[line] if whole else split_sentences(line, language) for line in chunk]
        ends = [0, *accumulate(map(len, parts))]
        places = [range(start, end) for start, end in pairwise(ends)]
        encoded = tokenizer.encode([part for line in parts for part in line])
        by_line = [[encoded[place] for place in line] for line in places]
        tally = count_lines(tokenizer, chunk, by_line, first=first, most=settings.max_source, language=language)
        numbers = [number for number, line in enumerate(parts, start=first + 1) for _ in line]
        ids = shortened(encoded, settings.max_source, numbers=numbers)
        prefixes = encode_prefixes(worker.tokenizers.target, begun, first=first, most=settings.max_source)
        translations = worker.translate_ids(ids, prefixes=prefixes, done=done if whole else None)
        if not whole:
            if done is not None:
                done(len(chunk))
            texts = [[translations[place].text for place in line] for line in places]
            return Answers([join_sentences(line, spaces=spaces) for line in texts], tally)
        if show is not None:
            for place, translation in enumerate(translations):
                show(worker.tokenizers, first + place, chunk[place], ids[place], translation)
        lines = [
            line
            for place, (text, source, translation) in enumerate(zip(chunk, ids, translations, strict=True), start=first)
            for line in write(worker.tokenizers, Line(place, text, source, *translation))
        ]
        return Answers(lines, tally)

    return answer


def check_attention(settings: Settings, loaded: "Sequence[Loaded]") -> None:
    """Raises ModelError where attention is asked for and no model has any."""
    wanted = {f"show={settings.show}": settings.show != NOTHING, "weights=true": settings.weights}
    asked = [word for word, is_asked in wanted.items() if is_asked]
    if asked and not any(each.model.has_attention for each in loaded):
        raise ModelError(
            f"{' and '.join(asked)} needs attention weights, and {', '.join(str(each.folder) for each in loaded)} has "
            f"no attention (it was trained with attention=none). Set show={NOTHING} and weights=false."
        )


def shortened(ids: Sequence[Sequence[int]], most: int | None, *, numbers: Sequence[int]) -> list[Sequence[int]]:
    """Sources of at most so many pieces; of longer ones the beginning, with a warning that has the line's number."""
    for number, source in zip(numbers, ids, strict=True):
        if most is not None and len(source) > most:
            logger.warning(
                "line %d has %d pieces; only the first %d are translated (max_source)", number, len(source), most
            )
    return [source[:most] for source in ids]


if __name__ == "__main__":
    main()
