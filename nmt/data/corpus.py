"""A corpus: parallel text in up to three splits, and the one that lies in plain files."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from nmt.data import held_out, lines
from nmt.data.globs import expand_globs
from nmt.data.pharaoh import read_gold
from nmt.errors import ConfigError, DataError

Split = Literal["train", "validation", "test"]

PAIRS_PER_CHUNK = 65_536
"""Pairs that are read together."""

EM = "em"
"""In place of a file of links: those that expectation maximization makes."""


class Bitext(NamedTuple):
    """Line n of `target` translates line n of `source`; `alignments`, where known, holds gold alignments of the words.

    Links are Pharaoh strings, one a line: space-separated `i-j` (sure) or `ipj` (possible), where i counts the
    whitespace-separated words of the source line and j those of the target line, both from 0. boxes: where sources are
    pictures, what words of the target line name, as `nmt.data.pictures.boxes` says; None where it is not known.
    corpora: the name of the corpus of each pair, where there are several.
    """

    source: Sequence[str]
    target: Sequence[str]
    alignments: Sequence[str] | None = None
    boxes: Sequence[str] | None = None
    corpora: Sequence[str] | None = None


@runtime_checkable
class Corpus(Protocol):
    """What the rest of the project asks of a corpus."""

    source_language: str
    target_language: str

    def check(self) -> None:
        """Whether the corpus can be there at all, in well under a second; raises DataError."""

    def get_identity(self) -> dict[str, Any]:
        """All that shapes the text, as JSON: two corpora of one identity load the same text."""

    def load(self, split: Split) -> Bitext | None:
        """The text of a split; None where the corpus has none. Every corpus has `train` and `validation`.

        A corpus that can be too large for memory has a method `stream` too, see `stream_chunks`."""


@dataclass(frozen=True, kw_only=True)
class SplitFiles:
    """The files of one split: a file, a glob or a list of these for each side, which follow one another. `links` may
    name files of alignments, in the form that `Bitext` says. Those of the training text may be made by expectation
    maximization: links=em."""

    source: str | list[str]
    target: str | list[str]
    links: str | list[str] | None = None

    def find_paths(self, split: Split) -> dict[str, list[str]]:
        """The files of either side and of the links. Raises DataError where one side has more files than another."""
        named = {"source": self.source, "target": self.target, "links": self.links}
        found = {
            name: expand_globs([path] if isinstance(path, str) else path)
            for name, path in named.items()
            if path is not None and (name, path) != ("links", EM)
        }
        for name, paths in found.items():
            if len(paths) != len(found["source"]) or not paths:
                raise DataError(
                    f"data.{split}.{name} is {len(paths)} files and data.{split}.source {len(found['source'])}, but "
                    "file n of one must belong to file n of the other; those of a glob are in the order of their names."
                )
        return found


@dataclass(frozen=True, kw_only=True)
class OptionalSplitFiles:
    """The files of the test split, which may be left out."""

    source: str | list[str] | None = None
    target: str | list[str] | None = None
    links: str | list[str] | None = None

    def to_split_files(self) -> SplitFiles | None:
        """The files as those of any split; None if there is no test split. Raises ConfigError if a side is missing."""
        if self.source is None and self.target is None and self.links is None:
            return None
        if self.source is None or self.target is None:
            missing = " and ".join(f"data.test.{side}" for side in ("source", "target") if getattr(self, side) is None)
            raise ConfigError(f"A test split needs both sides; write {missing}=... too, or leave the test split out.")
        return SplitFiles(source=self.source, target=self.target, links=self.links)


def stream_chunks(corpus: Corpus, split: Split) -> Iterator[Bitext]:
    """The text of a split in chunks, read as they are asked for where the corpus has a method `stream`; there is none
    where the corpus has no such split."""
    stream = getattr(corpus, "stream", None)
    if stream is not None:
        yield from stream(split) or ()
        return
    if (text := corpus.load(split)) is None:
        return
    for start in range(0, len(text.source), PAIRS_PER_CHUNK):
        yield Bitext._make(None if side is None else side[start : start + PAIRS_PER_CHUNK] for side in text)


def count_numbers(corpus: Corpus) -> int | None:
    """How many numbers, from 0 on, the target words of a task may be; None where they are other words, or unknown."""
    found: int | None = getattr(corpus, "target_numbers", None)
    return found


Measure = Callable[[Sequence[str], Sequence[str], Sequence[str]], dict[str, float]]
"""What a task says of source lines, hypotheses and references: metric -> number."""


Trace = Callable[[str, str, str], dict[str, Any]]
"""What is to be drawn of a source line, a hypothesis and a reference, by its key in the record of a probe."""


def get_trace(corpus: Corpus) -> Trace | None:
    """That of a corpus whose answers are drawn; None for others."""
    found: Trace | None = getattr(corpus, "trace", None)
    return found


def get_measure(corpus: Corpus) -> Measure | None:
    """That of a corpus which is a task; None for text."""
    found: Measure | None = getattr(corpus, "measure", None)
    return found


class Files:
    """A corpus in text files, plain or compressed, one sentence a line: line n of a target file translates line n of
    its source.

    `validation` may be a number: so many pairs are split off from the training text, as `held_out.split_off` says.
    `errors` says what to do with bytes that are not UTF-8: "strict" raises, "replace" reads them as U+FFFD and counts
    them. All methods raise DataError where a file is missing or unreadable; `load` also where the files of a split do
    not have the same number of lines, and where a link is none or lies outside its sentence pair.
    """

    def __init__(
        self,
        *,
        source_language: str,
        target_language: str,
        train: SplitFiles,
        validation: SplitFiles | int,
        test: OptionalSplitFiles | None = None,
        errors: lines.Errors = "strict",
    ) -> None:
        self.source_language = source_language
        self.target_language = target_language
        self.errors = errors
        self.splits: dict[Split, SplitFiles] = {"train": train}
        self.validation_pairs: int | None = None
        """How many pairs of the training text are for validation; None where validation has files of its own."""
        if isinstance(validation, SplitFiles):
            self.splits["validation"] = validation
        else:
            held_out.check_pairs(validation, setting="data.validation")
            self.validation_pairs = validation
        test_sides = test.to_split_files() if test is not None else None
        if test_sides is not None:
            self.splits["test"] = test_sides
        for split in ("validation", "test"):
            if split in self.splits and self.splits[split].links == EM:
                raise ConfigError(
                    f"data.{split}.links=em: links that judge a model are those of people. Leave them out, or write "
                    "./em for a file of that name."
                )

    def check(self) -> None:
        for split, sides in self.splits.items():
            for name, paths in sides.find_paths(split).items():
                for path in paths:
                    lines.check(path, setting=f"data.{split}.{name}", errors=self.errors, regular=True)
                    if Path(path).expanduser().stat().st_size == 0:
                        raise DataError(f"{path} (data.{split}.{name}) is empty; it should hold one sentence a line.")

    def describe_line(self, split: Split, place: int) -> str | None:
        """The file of a source line of a split, and its number there."""
        of: Split = split
        if self.validation_pairs is not None and split != "test":
            of, text = "train", self._stream("train")
            assert text is not None
            place = held_out.find_place(text, self.validation_pairs, split, place, setting="data.validation")
        for path in self.splits[of].find_paths(of)["source"]:
            count = sum(1 for _ in lines.stream(path, self.errors, setting="data.errors"))
            if place < count:
                return f"{path}, line {place + 1}"
            place -= count
        return None

    def get_identity(self) -> dict[str, Any]:
        """Hashes of the content: the same text elsewhere, or under another name, is the same corpus."""
        hashes: dict[str, Any] = {split: _hash_files(sides.find_paths(split)) for split, sides in self.splits.items()}
        if self.validation_pairs is not None:
            hashes["validation"] = {"pairs": self.validation_pairs}
        return {"corpus": "files", "errors": self.errors} | hashes

    def load(self, split: Split) -> Bitext | None:
        chunks = self.stream(split)
        return None if chunks is None else held_out.join_chunks(chunks)

    def stream(self, split: Split) -> Iterator[Bitext] | None:
        """The same, in chunks; with links, a chunk is a whole file."""
        return held_out.stream_split(self._stream, split, self.validation_pairs, setting="data.validation")

    def _stream(self, split: Split) -> Iterator[Bitext] | None:
        if split not in self.splits:
            return None
        paths = self.splits[split].find_paths(split)
        groups = (dict(zip(paths, group, strict=True)) for group in zip(*paths.values(), strict=True))
        return chain.from_iterable(self._read_group(split, group) for group in groups)

    def _read_group(self, split: Split, group: dict[str, str]) -> Iterator[Bitext]:
        """The lines of files that belong together."""
        opened = [lines.stream(group[name], self.errors, setting="data.errors") for name in ("source", "target")]
        size = None if "links" in group else PAIRS_PER_CHUNK
        read = 0
        while True:
            chunk = Bitext(*(list(islice(side, size)) for side in opened))
            source, target = map(len, chunk[:2])
            if source != target or not read:
                self._check_sizes(split, group, read + source, read + target)
            if not source:
                return
            yield self._add_links(split, group, chunk) if "links" in group else chunk
            read += source

    def _add_links(self, split: Split, group: dict[str, str], text: Bitext) -> Bitext:
        """The text of whole files, with its links."""
        links = lines.read(group["links"], self.errors, setting="data.errors")
        self._check_sizes(split, group, len(text.source), len(links), "links")
        read_gold(links, text.source, text.target, name=f"{group['links']} (data.{split}.links)")
        return text._replace(alignments=links)

    def _check_sizes(self, split: Split, group: dict[str, str], source: int, size: int, side: str = "target") -> None:
        """Raises DataError where so many lines were read of the source, and another number of another side."""
        for name, count in (("source", source), (side, size)):
            if not count:
                raise DataError(f"{group[name]} (data.{split}.{name}) is empty; it should hold one sentence a line.")
        if source != size:
            raise DataError(_explain_unequal_lengths(group["source"], group[side], self.errors))


def _hash_files(paths: dict[str, list[str]]) -> dict[str, Any]:
    hashes = {name: [hash_file(path) for path in files] for name, files in paths.items()}
    return {name: found[0] if len(found) == 1 else found for name, found in hashes.items()}


def hash_file(path: str) -> str:
    """The SHA-256 of a regular file. Raises DataError where it cannot be read."""
    lines.check(path, text=False, regular=True)
    with Path(path).expanduser().open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _explain_unequal_lengths(first_path: str, second_path: str, errors: lines.Errors) -> str:
    """What is wrong with two files that have different numbers of lines."""
    counts, odd, lonely = [0, 0], None, ""
    sides = (lines.stream(path, errors, setting="data.errors") for path in (first_path, second_path))
    for number, pair in enumerate(zip_longest(*sides), 1):
        counts = [count + (line is not None) for count, line in zip(counts, pair, strict=True)]
        if None not in pair and odd is None and bool(pair[0].strip()) != bool(pair[1].strip()):
            odd = number
        if None in pair and not lonely:
            lonely = f"Line {number} of {(first_path, second_path)[pair[0] is None]} is the first without a partner: "
            lonely += f"{(pair[1] if pair[0] is None else pair[0])[:60]!r}."
    message = (
        f"{first_path} has {counts[0]} lines and {second_path} has {counts[1]}, but line n of one must belong "
        f"to line n of the other. {lonely}"
    )
    return message if odd is None else f"{message} Line {odd} is empty in only one of them: they may part there."
