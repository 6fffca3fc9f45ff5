"""Splits of local CSV, TSV and JSON lines: which files a split names, and which of their rows."""

import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path

from nmt.data import lines
from nmt.data.globs import expand_glob
from nmt.data.tables import ColumnSpec, TextPair, read_pairs
from nmt.errors import DataError

NATIVE_FORMATS = ("json", "csv")
"""The formats whose local files are read without `datasets`, so that a mistake is said with its file and line."""


def check_files(kind: str, data_files: Mapping[str, str], spec: ColumnSpec) -> None:
    """Raises DataError where a local file is missing, is of another kind, or lacks what is wanted in its first row."""
    for split, pattern in data_files.items():
        for file in [] if "://" in pattern else expand_glob(pattern):
            setting = f"data.data_files.{split}"
            lines.check(file, setting=setting, text=kind in NATIVE_FORMATS, tables=True, regular=True)
            if kind in NATIVE_FORMATS:
                next(read_pairs(file, kind, spec), None)
            elif kind == "parquet":
                with Path(file).open("rb") as opened:
                    if opened.read(4) != b"PAR1":
                        raise DataError(f"{file} ({setting}) is not a Parquet file: it does not begin with PAR1.")


def read_split(
    name: str, kind: str, data_files: Mapping[str, str], spec: ColumnSpec, *, split: str
) -> Iterator[TextPair]:
    """The rows of the files that `name` stands for, or of slices such as "train[:90%]". `split` is what asked for it.

    Raises DataError where there is no such split, and as `read_pairs` does.
    """

    def read(part: str) -> Iterator[TextPair]:
        return chain.from_iterable(read_pairs(file, kind, spec) for file in expand_glob(data_files[part]))

    if name in data_files:
        yield from read(name)
        return
    sizes = {} if re.fullmatch(r"[\w.]+", name) else {part: sum(1 for _ in read(part)) for part in data_files}
    for part, start, stop in _parse_slices(name, sizes, kind, split, known=", ".join(data_files)):
        yield from islice(read(part), start, stop)


def _parse_slices(name: str, sizes: dict[str, int], kind: str, split: str, *, known: str) -> list[tuple[str, int, int]]:
    """Parts, each with its first row and the one after its last."""
    problem: Exception | None = None
    if sizes:
        from datasets import ReadInstruction

        try:
            chosen = ReadInstruction.from_spec(name).to_absolute(sizes)
            return [(one.splitname, one.from_, one.to) for one in chosen]
        except (ValueError, AssertionError) as found:
            problem = found
    raise DataError(
        f"data.path={kind}, split {name} could not be loaded: {problem or 'it is not in data.data_files'}. Set "
        f"data.splits.{split} to one of {known}, or to a slice such as {known.split(', ')[0]}[:90%]."
    )
