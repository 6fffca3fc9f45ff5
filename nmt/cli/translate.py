"""nmt-translate: line n out translates line n in."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt import config
from nmt.cli.application import run_command
from nmt.composition.overrides import MODEL_ALIASES
from nmt.data.line_errors import locate_lines
from nmt.data.mix.tags import put_tags
from nmt.errors import ConfigError
from nmt.evaluation.bleu_tokens import has_words
from nmt.inference.answers import FORMATS, TranslatedLine
from nmt.inference.attention_view import NOTHING, TERMINAL_VIEWS, ShowFn, open_view
from nmt.inference.inference import build_translator, find_model_folders, load_all
from nmt.inference.inputs import STDIN, find_files, gather_lines, has_pauses, is_reader_gone
from nmt.inference.parts import encode_parts, translate_sentences, warn_of_long
from nmt.inference.prefixes import COLUMN, encode_prefixes, read_input, split_prefixes
from nmt.inference.resumable import ResumableOutput, hash_model_folder, open_plain, open_resumable
from nmt.inference.sentences import split_sentences
from nmt.inference.streams import CHUNK_CHARACTERS, is_special, split_chunks, use_standard_output
from nmt.inference.tags import choose_tags, name_target
from nmt.inference.tally import LineTally, TranslationSummary, count_lines
from nmt.inference.translation_settings import TranslateSettings, check_attention, check_split, name_inputs
from nmt.runs.run_files import check_outside_runs
from nmt.storage.distinct_paths import STANDARD_OUTPUT, check_distinct, list_model_paths
from nmt.storage.untrusted_paths import find_model_folder
from nmt.workers import ChunkFn, map_in_order

if TYPE_CHECKING:
    pass

COMPRESSED_SUFFIX = re.compile(r"\.(gz|bz2|xz)$")
"""Ends the name of a compressed file, and not that of its translation."""


class TranslationJob(NamedTuple):
    """Files that are translated one after another, and where to: a file, or standard output for None."""

    inputs: list[str]
    output: str | None


def main() -> None:
    """The command line: see `nmt-translate --help`."""
    run_command("translate", run_task, aliases=MODEL_ALIASES)


def run_task(composed: dict[str, Any]) -> None:
    """Translates the input to the output, a chunk of lines at a time."""
    settings = config.build(TranslateSettings, config.check(use_standard_output(composed), TranslateSettings))
    jobs = plan_jobs(settings)
    # Asked before what takes a second to import.
    texts = [read_input(job.inputs, settings.prefix, settings.errors) for job in jobs]
    folders = [find_model_folder(Path(model).expanduser()) for model in find_model_folders(settings.model["folder"])]
    # Somebody who types lines wants each answered before the next.
    is_typed = STDIN in jobs[0].inputs and sys.stdin.isatty()
    is_bar_hidden = is_typed or settings.show in TERMINAL_VIEWS or (settings.output is None and sys.stdout.isatty())

    if len(jobs) > 1 or jobs[0].output != settings.output:
        Path(settings.output or ".").expanduser().mkdir(parents=True, exist_ok=True)

    from nmt.progress import make_bar

    hint = "split=sentences translates each by itself" if settings.split == "lines" else ""
    summary, translate_fn = TranslationSummary(hint), None
    with (
        make_bar(desc="translating", unit=" lines", disable=is_bar_hidden or not sys.stderr.isatty()) as bar,
        open_view(settings.show, [str(folder) for folder in folders]) as show,
    ):
        for job, text in zip(jobs, texts, strict=True):
            with open_job_output(settings, job, folders, text) as out:
                bar.update(out.lines_done)
                if translate_fn is None and settings.processes == 1:
                    translate_fn = make_translate_fn(settings, bar.update, show)
                    summary.start()
                chunks_with_offsets = add_offsets(gather_runs(out.text, settings, job, is_typed), first=out.lines_done)
                for chunk, answers in translate_chunks(settings, chunks_with_offsets, translate_fn, bar.update):
                    summary.add(answers.tally)
                    out.write(chunk, answers.lines)
    if not is_typed and not (settings.output is None and is_reader_gone(sys.stdout)):
        summary.print()


def plan_jobs(settings: TranslateSettings) -> list[TranslationJob]:
    """All inputs to one output, or each to its own file where the output is a folder. Raises ConfigError where text
    would be lost."""
    inputs, output = find_files(settings.input, setting="input"), settings.output
    jobs = [TranslationJob(inputs, output)]
    if output is not None and (output.endswith("/") or Path(output).expanduser().is_dir()):
        jobs = [
            TranslationJob([file], str(Path(output) / COMPRESSED_SUFFIX.sub("", Path(file).name))) for file in inputs
        ]
        if STDIN in inputs or settings.show not in (NOTHING, *TERMINAL_VIEWS):
            what = "standard input" if STDIN in inputs else f"show={settings.show}"
            raise ConfigError(f"output={output} is a folder, with a file for each input; {what} needs output=FILE.")
        if settings.prefix not in (None, COLUMN):
            raise ConfigError(
                f"prefix={settings.prefix} is for all of the input; with a folder choose prefix={COLUMN}."
            )
        if len({job.output for job in jobs}) < len(jobs):
            raise ConfigError(f"Two inputs have one name, so {output} cannot hold a file for each. Choose output=FILE.")
    models = find_model_folders(settings.model["folder"])
    outputs = {
        "output": [job.output for job in jobs if job.output is not None],
        "show": None if settings.show in (NOTHING, *TERMINAL_VIEWS) else settings.show,
    }
    check_distinct(
        {
            "input": inputs,
            "prefix": None if settings.prefix == COLUMN else settings.prefix,
            "model": list_model_paths(models),
        },
        {**outputs, "output": outputs["output"] or STANDARD_OUTPUT},
    )
    check_outside_runs(outputs)
    return jobs


def gather_runs(
    text: Iterator[str], settings: TranslateSettings, job: TranslationJob, is_typed: bool
) -> Iterator[list[str]]:
    """The lines in runs that are translated at once: what a pipe holds is not kept waiting for what may come."""
    if is_typed:
        return split_chunks(text, 1)
    if has_pauses(job.inputs):
        return gather_lines(text, settings.chunk, characters=CHUNK_CHARACTERS)
    return split_chunks(text, settings.chunk)


def open_job_output(
    settings: TranslateSettings, job: TranslationJob, folders: Sequence[Path], text: Iterator[str]
) -> AbstractContextManager[ResumableOutput]:
    """Where answers go; if files become a file, it can be gone on with, unless all of it is to be shown."""
    if has_pauses(job.inputs) or job.output is None or is_special(job.output) or settings.show != NOTHING:
        return open_plain(job.output, text)
    ignored = {"model", "input", "output", "device", "threads", "kernels", "processes", "show"}
    output_settings = {key: value for key, value in asdict(settings).items() if key not in ignored}
    lexicon = settings.shortlist.get("name") != "none"
    fingerprints = ",".join(hash_model_folder(folder, lexicon=lexicon) for folder in folders)
    prefix, errors = settings.prefix, settings.errors
    return open_resumable(
        job.output, {**output_settings, "model": fingerprints}, lambda: read_input(job.inputs, prefix, errors)
    )


def add_offsets(parts: Iterable[list[str]], *, first: int) -> Iterator[tuple[int, list[str]]]:
    """Chunks with the number of lines before each."""
    for part in parts:
        yield first, part
        first += len(part)


class ChunkOutput(NamedTuple):
    """What is written for a chunk of lines, and what was counted in it."""

    lines: list[str]
    tally: LineTally


def translate_chunks(
    settings: TranslateSettings,
    chunks_with_offsets: Iterable[tuple[int, list[str]]],
    translate_fn: ChunkFn[ChunkOutput] | None,
    report_done: Callable[[int], object],
) -> Iterator[tuple[list[str], ChunkOutput]]:
    """Chunks and what is written for each, in order: by `translate_fn`, or by several processes where there is none."""
    if translate_fn is not None:
        for first, chunk in chunks_with_offsets:
            if chunk:
                yield chunk, translate_fn(first, chunk)
        return
    share = max(1, (settings.threads or os.cpu_count() or 1) // settings.processes)
    for chunk, answers in map_in_order(
        chunks_with_offsets, settings.processes, make_translate_fn, replace(settings, threads=share)
    ):
        report_done(len(chunk))
        yield chunk, answers


def make_translate_fn(
    settings: TranslateSettings, report_done: Callable[[int], object] | None = None, show: ShowFn | None = None
) -> ChunkFn[ChunkOutput]:
    """What is written for a chunk of lines. `done` is told how many more are translated, and `show` is shown them."""
    loaded, *others = load_all(find_model_folders(settings.model["folder"]), settings)

    from nmt.data.tokenizer import Tokenizer

    check_attention(settings, (loaded, *others))
    worker = build_translator(
        loaded,
        settings,
        settings.search,
        others=others,
        weights=settings.weights or show is not None,
        precision=settings.precision,
        shortlist=settings.shortlist,
    )
    write, reader = FORMATS[settings.format], worker.tokenizers.source
    tokenizer = reader if isinstance(reader, Tokenizer) else None
    check_split(settings, reader)
    language, spaces = loaded.settings["source_language"], has_words(name_target(loaded, settings.target))
    tags = choose_tags(loaded.settings, target=settings.target, tag=settings.tag)

    def translate_chunk(first: int, chunk: list[str]) -> ChunkOutput:
        chunk, prefix_texts = split_prefixes(chunk, settings.prefix)
        is_unsplit = settings.split == "lines"
        parts = ([line] if is_unsplit else split_sentences(line, language) for line in chunk)
        texts = [put_tags(line, tags) for line in parts] if tags else list(parts)
        with locate_lines(name_inputs(settings.input), first):
            by_line = encode_parts(reader, texts, settings.max_source)
        limits: dict[str, Any] = {"first": first, "max_pieces": settings.max_source}
        tally = count_lines(tokenizer, by_line, **limits, language=language, is_split=not is_unsplit)
        warn_of_long(by_line, settings.max_source, first=first)
        ids = [part.ids[: settings.max_source] for line in by_line for part in line]
        if not is_unsplit:
            counts = [len(line) for line in by_line]
            return ChunkOutput(translate_sentences(worker, ids, counts, spaces=spaces, report_done=report_done), tally)
        prefixes = encode_prefixes(worker.tokenizers.target, prefix_texts, first=first, max_pieces=settings.max_source)
        translations = worker.translate_ids(ids, prefixes=prefixes, done=report_done)
        if show is not None:
            for place, translation in enumerate(translations):
                show(worker.tokenizers, first + place, texts[place][0], ids[place], translation)
        lines = [
            line
            for place, (text, source, translation) in enumerate(zip(chunk, ids, translations, strict=True), start=first)
            for line in write(worker.tokenizers, TranslatedLine(place, text, source, *translation))
        ]
        return ChunkOutput(lines, tally)

    return translate_chunk


if __name__ == "__main__":
    main()
