"""A corpus in files that hold both sides of every pair."""

import logging
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from nmt.data import held_out, lines
from nmt.data.corpus import PAIRS_PER_CHUNK, Bitext, Split, hash_file
from nmt.data.globs import expand_globs
from nmt.data.pair_files.formats import READERS, Format, detect_format
from nmt.data.pair_files.reading import PairRequest
from nmt.errors import ConfigError, DataError

logger = logging.getLogger(__name__)


class PairFiles:
    """A corpus in TMX, XLIFF or PO files, in tables of columns that tabs separate, or in archives of text files.

    train, validation, test: a file, a glob, or a list of these, which follow one another. `validation` may be a
    number: so many pairs are split off from the training text, as `held_out.split_off` says. format: "auto" tells it
    by what a file begins with. columns: of a table, source and target, from 1. errors: as `Files` has it, for tables
    and archives.

    Line ends inside a text become spaces. What a file holds besides pairs in these languages is left out, and counted
    in the log. All methods raise DataError for files that are missing, damaged or something else, and `load` for a
    split without pairs; the constructor raises ConfigError.
    """

    def __init__(
        self,
        *,
        source_language: str,
        target_language: str,
        train: str | list[str],
        validation: str | list[str] | int,
        test: str | list[str] | None = None,
        format: Format = "auto",
        columns: list[int] | None = None,
        errors: lines.Errors = "strict",
    ) -> None:
        source, target = _check_columns(columns or [1, 2])
        self.source_language = source_language
        self.target_language = target_language
        self.format = format
        self.request = PairRequest(source_language, target_language, (source, target), errors)
        self.splits: dict[Split, list[str]] = {"train": _make_list(train, "data.train")}
        self.validation_pairs: int | None = None
        """How many pairs of the training text are for validation; None where validation has files of its own."""
        if isinstance(validation, int):
            held_out.check_pairs(validation, setting="data.validation")
            self.validation_pairs = validation
        else:
            self.splits["validation"] = _make_list(validation, "data.validation")
        if test is not None:
            self.splits["test"] = _make_list(test, "data.test")
        self._reported: set[str] = set()

    def check(self) -> None:
        for split in self.splits:
            for path in self.find_files(split):
                lines.check(path, setting=f"data.{split}", text=False, regular=True)
                self.find_format(path)

    def get_identity(self) -> dict[str, Any]:
        """Hashes of the content, and what says which of it is read."""
        found: dict[str, Any] = {"corpus": "pairs", "format": self.format, "request": list(self.request)}
        for split in self.splits:
            found[split] = [hash_file(path) for path in self.find_files(split)]
        return found if self.validation_pairs is None else found | {"validation": {"pairs": self.validation_pairs}}

    def load(self, split: Split) -> Bitext | None:
        chunks = self.stream(split)
        return None if chunks is None else held_out.join_chunks(chunks)

    def stream(self, split: Split) -> Iterator[Bitext] | None:
        """The same, in chunks."""
        return held_out.stream_split(self._stream, split, self.validation_pairs, setting="data.validation")

    def _stream(self, split: Split) -> Iterator[Bitext] | None:
        return self.read(split) if split in self.splits else None

    def read(self, split: Split) -> Iterator[Bitext]:
        """The pairs of all files of a split, one after another."""
        total = 0
        for path in self.find_files(split):
            left_out: Counter[str] = Counter()
            before = total
            pairs = READERS[self.find_format(path)](path, self.request, left_out)
            while chunk := list(islice(pairs, PAIRS_PER_CHUNK)):
                total += len(chunk)
                yield Bitext([source for source, _ in chunk], [target for _, target in chunk])
            if path not in self._reported:
                self._reported.add(path)
                reasons = "".join(f", {count} {reason}" for reason, count in left_out.items())
                logger.info("%s: %d pairs%s", path, total - before, reasons)
        if not total:
            raise DataError(f"{', '.join(self.splits[split])} (data.{split}) has no pairs.")

    def find_files(self, split: Split) -> list[str]:
        """The files of a split, those of a glob in the order of their names."""
        return expand_globs(self.splits[split])

    def find_format(self, path: str) -> str:
        """What reads a file."""
        lines.check(path, text=False, regular=True)
        return detect_format(path) if self.format == "auto" else self.format


def _make_list(paths: str | list[str], setting: str) -> list[str]:
    found = [paths] if isinstance(paths, str) else list(paths)
    if not found:
        raise ConfigError(f"{setting}=[] names no file. Write {setting}=FILE, or [FILE,FILE].")
    return found


def _check_columns(columns: list[int]) -> tuple[int, int]:
    if len(columns) != 2 or min(columns) < 1 or columns[0] == columns[1]:
        raise ConfigError(
            f"data.columns={columns} must be the numbers of two columns, source and target, from 1, such as [1,2]."
        )
    return columns[0], columns[1]
