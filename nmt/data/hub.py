"""A corpus that Hugging Face `datasets` loads: from its hub, or local JSON lines, CSV, TSV, Parquet and Arrow."""

import csv
import hashlib
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from nmt.data import held_out, lines
from nmt.data.corpus import Bitext, Split
from nmt.data.local import NATIVE_FORMATS, check_files, read_split
from nmt.data.rows import read_rows
from nmt.data.tables import Column, ColumnSpec, Header, TextPair
from nmt.errors import ConfigError, DataError

FORMATS = ("json", "csv", "parquet", "arrow")
"""What `path` may be when `data_files` says where the data are."""

AUTO = "auto"
"""The test split that a dataset has or has not."""

_ROWS_PER_PIECE = 10_000
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_SAVED_FILES = ("dataset_dict.json", "state.json")  # what save_to_disk leaves
_OFFLINE_HINT = (
    "Without a network, give local data: data=files with text files, or data.path=json (csv, parquet) and "
    "data.data_files, or data.path with a folder that save_to_disk wrote."
)

Dataset = Any
"""A `datasets.Dataset`; the library is imported where it is used, since that takes a second."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The dataset's names for the splits, or slices of them such as "train[:90%]" and "train[90%:]".

    validation: a number splits off so many pairs from the training split, as `held_out.split_off` says.
    test: "auto" is the one called "test" if there is one; None is no test split.
    """

    train: str = "train"
    validation: str | int = "validation"
    test: str | None = AUTO


class Hub:
    """A corpus that `datasets` loads; code that comes with a dataset is never run.

    path: a name on the hub ("wmt/wmt14"), a local folder, or one of `FORMATS` together with `data_files`, which maps
        the names of splits to files, globs or URLs.
    source_column, target_column: where the text is, by name or by number, from 1. Where None, it is in the feature
        "translation", with one entry a language ({"en": ..., "de": ...}), or else in the columns that bear the names of
        the languages.
    header: whether CSV and TSV files begin with a line of column names. "auto": where columns are given by name, or
        where the names of the languages stand in the columns that are given by number.
    links: "em" where training needs links between words, which expectation maximization then makes.

    TSV (told by the name of the file) has no quoting, so that a lone quotation mark is text. Line ends inside a text
    become spaces, texts that are null become empty, and both are counted in the log. A row without a text, or with
    something else in its place, is an error that names its file and line. All methods raise DataError. Local CSV, TSV
    and JSON lines are read by `nmt.data.tables`; for all else `load` and `get_identity` import `datasets`, which may
    use the network.
    """

    def __init__(
        self,
        *,
        path: str,
        source_language: str,
        target_language: str,
        config: str | None = None,
        revision: str | None = None,
        splits: Splits | None = None,
        data_files: dict[str, str] | None = None,
        source_column: Column | None = None,
        target_column: Column | None = None,
        header: Header = "auto",
        links: Literal["em"] | None = None,
    ) -> None:
        columns = _check_columns(source_column, target_column)
        if header is False and not (columns and all(isinstance(column, int) for column in columns)):
            raise ConfigError(
                "data.header=false: columns without names are chosen by number, from 1, such as data.source_column=1 "
                "data.target_column=2."
            )
        if path in FORMATS and not data_files:
            raise ConfigError(f"data.path={path} names a format; data.data_files must say where the data are.")
        self.path = path
        self.source_language = source_language
        self.target_language = target_language
        self.config = config
        self.revision = revision
        self.splits = splits or Splits()
        self.data_files = data_files
        self.links = links
        if isinstance(self.splits.validation, int):
            held_out.check_pairs(self.splits.validation, setting="data.splits.validation")
        self.column_spec = ColumnSpec((source_language, target_language), columns, header)
        self._is_local = path in NATIVE_FORMATS and not any("://" in file for file in (data_files or {}).values())
        self._datasets: dict[str, Dataset] = {}
        self._reported_splits: set[Split] = set()

    def check(self) -> None:
        """That local data are there, and that their first rows have what is asked for; what the hub has is only known
        on loading."""
        if self.path in FORMATS:
            check_files(self.path, self.data_files or {}, self.column_spec)
        elif not Path(self.path).expanduser().is_dir() and not _HUB_NAME.fullmatch(self.path):
            raise DataError(
                f"data.path={self.path} is neither a folder, nor one of {', '.join(FORMATS)} with data.data_files, nor "
                "a name on the hub such as wmt/wmt14."
            )

    def get_identity(self) -> dict[str, Any]:
        """Hashes of the text, since what a name stands for can change."""
        hashes: dict[str, Any] = {}
        for split in self._list_splits():
            if split == "validation" and isinstance(self.splits.validation, int):
                hashes[split] = {"pairs": self.splits.validation}
                continue
            found = hashlib.sha256()
            for source, target in self._iterate_pairs(split):
                found.update("\n".join((*source, *target, "")).encode("utf-8"))
            hashes[split] = found.hexdigest()
        return {"corpus": "hub"} | hashes

    def load(self, split: Split) -> Bitext | None:
        chunks = self.stream(split)
        return None if chunks is None else held_out.join_chunks(chunks)

    def stream(self, split: Split) -> Iterator[Bitext] | None:
        """The same, in chunks."""
        pairs = self.splits.validation if isinstance(self.splits.validation, int) else None
        return held_out.stream_split(self._stream, split, pairs, setting="data.splits.validation")

    def _stream(self, split: Split) -> Iterator[Bitext] | None:
        return self._read(split) if split in self._list_splits() else None

    def _read(self, split: Split) -> Iterator[Bitext]:
        empty = True
        for sources, targets in self._iterate_pairs(split):
            empty = False
            yield Bitext(sources, targets)
        if empty:
            raise DataError(f"{self._describe_split(split)} has no rows.")

    def _get_split_name(self, split: Split) -> str | None:
        """What the dataset calls a split, where it has one."""
        name: str | None = getattr(self.splits, split)
        assert not isinstance(name, int)  # split off from the training split
        return "test" if split == "test" and name == AUTO else name

    def _list_splits(self) -> list[Split]:
        """The splits that there are."""
        required: list[Split] = ["train", "validation"]
        there = self.splits.test is not None and (self.splits.test != AUTO or self._has_test)
        return [*required, "test"] if there else required

    @cached_property
    def _has_test(self) -> bool:
        if self._is_local:
            there = "test" in (self.data_files or {})
        else:
            self._open("train")  # whatever else is wrong shows here, where it is not about the test split
            try:
                self._open("test")
                there = True
            except DataError as problem:
                if not _is_unknown_split(problem.__cause__):
                    raise
                there = False
        if not there:
            logger.info("data.path=%s has no split called test, so there is no test set", self.path)
        return there

    def _describe_split(self, split: Split) -> str:
        """The split in the words of the person who asked for it."""
        config = f", config {self.config}" if self.config else ""
        revision = f", revision {self.revision}" if self.revision else ""
        name = self._get_split_name(split)
        file = (self.data_files or {}).get(str(name)) if self.path in FORMATS else None
        return f"data.path={self.path}{config}{revision}, split {name}{f' ({file})' if file else ''}"

    def _iterate_pairs(self, split: Split) -> Iterator[tuple[list[str], list[str]]]:
        """The text in pieces of equal size, one line a sentence; what had to be changed for that is logged once."""
        rows = self._iterate_rows(split)
        cleaned = missing = 0
        while piece := list(islice(rows, _ROWS_PER_PIECE)):
            sides: list[list[str]] = []
            for texts in zip(*piece, strict=True):
                sides.append([lines.replace_line_ends(text or "") for text in texts])
                missing += sum(text is None for text in texts)
                cleaned += sum(text != line for text, line in zip(texts, sides[-1], strict=True) if text is not None)
            yield sides[0], sides[1]
        if (cleaned or missing) and split not in self._reported_splits:
            self._reported_splits.add(split)
            logger.warning(
                "%s: %d texts had line ends inside, now spaces; %d were missing, now empty",
                *(self._describe_split(split), cleaned, missing),
            )

    def _iterate_rows(self, split: Split) -> Iterator[TextPair]:
        if self._is_local:
            return read_split(
                str(self._get_split_name(split)), self.path, self.data_files or {}, self.column_spec, split=split
            )
        return read_rows(self._open(split), self.column_spec, dataset_name=self._describe_split(split))

    def _open(self, split: Split) -> Dataset:
        name = self._get_split_name(split)
        assert name is not None
        if name not in self._datasets:
            import datasets

            if not sys.stderr.isatty():
                datasets.disable_progress_bars()
            # What `datasets` raises comes from the network, the hub, the file system, and the reader of each format.
            problems = (OSError, ValueError, RuntimeError, KeyError, TypeError, datasets.exceptions.DatasetsError)
            try:
                self._datasets[name] = self._load_saved(name) if self._is_saved() else self._download(name)
            except problems as problem:
                reason = " ".join(str(problem).split())[:300].rstrip(".")
                unknown = _is_unknown_split(problem)
                hint = f"Set data.splits.{split} to what the dataset calls it." if unknown else self._suggest_fix()
                raise DataError(f"{self._describe_split(split)} could not be loaded: {reason}. {hint}") from problem
        return self._datasets[name]

    def _suggest_fix(self) -> str:
        """What may help where data cannot be opened."""
        files = [file for file in (self.data_files or {}).values() if "://" not in file]
        if self.path in FORMATS and files:
            return f"Look whether {', '.join(files)} can be read as data.path={self.path}."
        folder = Path(self.path).expanduser().is_dir()
        return f"Look whether the folder {self.path} is whole." if folder else _OFFLINE_HINT

    def _is_saved(self) -> bool:
        return any((Path(self.path).expanduser() / file).is_file() for file in _SAVED_FILES)

    def _load_saved(self, name: str) -> Dataset:
        from datasets import DatasetDict, ReadInstruction, concatenate_datasets, load_from_disk

        found = load_from_disk(str(Path(self.path).expanduser()))
        # One dataset without names can be sliced as if it were called train.
        parts = dict(found) if isinstance(found, DatasetDict) else {"train": found}
        chosen = ReadInstruction.from_spec(name).to_absolute({part: len(rows) for part, rows in parts.items()})
        return concatenate_datasets([parts[one.splitname].select(range(one.from_, one.to)) for one in chosen])

    def _download(self, name: str) -> Dataset:
        from datasets import load_dataset

        options: dict[str, Any] = {}
        if self.path == "csv":
            # Else "NA" and "null", which are words, would be read as missing.
            options["keep_default_na"] = False
            if all(".tsv" in Path(file).suffixes for file in (self.data_files or {}).values()):
                options |= {"sep": "\t", "quoting": csv.QUOTE_NONE}
        path = str(Path(self.path).expanduser()) if self.path.startswith("~") else self.path
        return load_dataset(
            path, self.config, revision=self.revision, data_files=self.data_files, split=name, **options
        )


def _is_unknown_split(problem: BaseException | None) -> bool:
    """Whether `datasets` says that a dataset was found, but has no such split."""
    return isinstance(problem, ValueError) and str(problem).startswith("Unknown split")


def _check_columns(source: Column | None, target: Column | None) -> tuple[Column, Column] | None:
    """Both columns, or none. Raises ConfigError for one alone, and for a number that is none."""
    if source is None and target is None:
        return None
    if source is None or target is None:
        raise ConfigError("data.source_column and data.target_column go together: set both, or neither.")
    for name, column in (("source", source), ("target", target)):
        if isinstance(column, int) and column < 1:
            raise ConfigError(f"data.{name}_column={column}: columns are numbered from 1.")
    return source, target
