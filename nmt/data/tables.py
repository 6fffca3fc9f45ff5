"""Pairs of texts from local CSV, TSV and JSON lines; what is wrong with a row is said with its file and line."""

import csv
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nmt.config import format_value
from nmt.data import lines
from nmt.errors import DataError
from nmt.printable import shorten

Column = str | int
"""A column's name, or its number from 1, as `cut -f` counts."""

Header = Literal["auto"] | bool
"""Whether a table begins with a line of names; "auto" looks whether the names that are asked for stand there."""

TextPair = tuple[str | None, str | None]

_COMMON_NAMES = {"source", "target", "src", "tgt", "trg"}

_REPORTED_PATHS: set[str] = set()

logger = logging.getLogger(__name__)


class ColumnSpec(NamedTuple):
    """What makes a pair of a row. languages: of source and target; columns: where they are, None if by language."""

    languages: tuple[str, str]
    columns: tuple[Column, Column] | None
    header: Header

    @property
    def names(self) -> tuple[Column, Column]:
        return self.columns or self.languages

    def extract_pair(self, row: Mapping[str, Any], where: str) -> TextPair:
        """The texts of a row with names; `where` is its place. Raises DataError for what is missing or no text."""
        if self.columns is None and "translation" in row:
            found = row["translation"]
            if found is None:
                return None, None
            if not isinstance(found, Mapping):
                raise DataError(
                    f"{where}: translation is {_format_value(found)}, where one text a language was expected, such as "
                    f"{{{self.languages[0]!r}: ..., {self.languages[1]!r}: ...}}."
                )
            row, where = found, f"{where}: translation"
        first, second = (_get_text(row, str(name), where) for name in self.names)
        return first, second


def read_pairs(path: str, kind: str, spec: ColumnSpec) -> Iterator[TextPair]:
    """The pairs of a file. kind: "csv" (also TSV) or "json".

    Raises DataError for a row that is not what the first row, or the feature, promises, with the line it stands in.
    """
    return _read_json(path, spec) if kind == "json" else _read_table(path, spec)


# Columns ----------------------------------------------------------------------------------------------------------


def _read_table(path: str, spec: ColumnSpec) -> Iterator[TextPair]:
    rows, number = _iterate_rows(path), 0
    try:
        number, first = next(rows, (0, []))
        if not first:
            return
        source, target, named = _locate(path, first, spec)
        if not named:
            yield first[source], first[target]
        for number, row in rows:
            if len(row) != len(first):
                raise DataError(
                    f"{path}, line {number} has {_format_column_count(row)}, where line 1 has {len(first)}: "
                    f"{_format_cells(row)}. Mend "
                    "that line, or leave it out."
                )
            yield row[source], row[target]
    except csv.Error as problem:
        raise DataError(f"{path}, line {number + 1} or after is not valid CSV ({problem}). Mend its quotes.") from None


def _iterate_rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not empty, with the number of its last line. TSV has no quotes."""
    text = lines.stream(path, setting="data.errors", tables=True)
    if _has_tabs(path):
        yield from ((number, line.split("\t")) for number, line in enumerate(text, 1) if line)
        return
    csv.field_size_limit(lines.MAX_LINE_BYTES)
    reader = csv.reader((line + "\n" for line in text), strict=True)
    yield from ((reader.line_num, row) for row in reader if row)


def _has_tabs(path: str) -> bool:
    """Whether a tab ends a column: in what is called TSV, and in what is not called CSV if its first line has one."""
    suffixes = {suffix.lower() for suffix in Path(path).suffixes}
    if suffixes & {".tsv", ".csv"}:
        return ".tsv" in suffixes
    return "\t" in next(lines.stream(path, tables=True), "")


def _locate(path: str, first: Sequence[str], spec: ColumnSpec) -> tuple[int, int, bool]:
    """The places of both columns from 0, and whether the first line holds names."""
    names = spec.names
    for name in names:
        if (isinstance(name, int) and name > len(first)) or (isinstance(name, str) and name not in first):
            what = f"no column {name}" if isinstance(name, int) else f"no column called {name}"
            raise DataError(
                f"{path} has {what}. Its first line has {_format_column_count(first)}: {_format_cells(first)}. "
                "Columns are chosen by "
                "number, from 1, or by a name in the first line: data.source_column=1 data.target_column=2; "
                "data.header=false says that there are no names."
            )
    places = [name - 1 if isinstance(name, int) else first.index(name) for name in names]
    named = spec.header
    if named == "auto":
        cells = [first[place].strip().casefold() for place in places]
        known = {*_COMMON_NAMES, *(str(language).casefold() for language in spec.languages)}
        named = any(isinstance(name, str) for name in names) or all(cell in known for cell in cells)
        if not named and path not in _REPORTED_PATHS:
            _REPORTED_PATHS.add(path)  # once, however often it is read
            logger.info(
                "%s: no line of names (data.header=true if there is one); line 1 is %s", path, _format_cells(first)
            )
    return places[0], places[1], named


def _format_column_count(row: Sequence[str]) -> str:
    return f"{len(row)} column{'s' if len(row) != 1 else ''}"


def _format_cells(row: Sequence[str]) -> str:
    return ", ".join(f"{number}: {_format_value(cell)}" for number, cell in enumerate(row[:8], 1))


# Objects ----------------------------------------------------------------------------------------------------------


def _read_json(path: str, spec: ColumnSpec) -> Iterator[TextPair]:
    for where, row in _iterate_objects(path):
        if not isinstance(row, Mapping):
            raise DataError(f"{where} is {_format_value(row)}, where an object was expected: one a line.")
        yield spec.extract_pair(row, where)


def _iterate_objects(path: str) -> Iterator[tuple[str, Any]]:
    text = enumerate(lines.stream(path, tables=True), 1)
    for number, line in text:
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        if line.strip() == "[" or line.startswith("[{"):  # one array of objects
            rows = _parse("\n".join([line, *(below for _, below in text)]), path)
            yield from ((f"{path}, row {place}", row) for place, row in enumerate(rows, 1))
            return
        yield where, _parse(line, where)


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise DataError(
            f"{where} is not JSON ({problem}): {_format_value(text)}. Every line must be one object, such as "
            '{"translation": {"en": "...", "de": "..."}}.'
        ) from None


def _get_text(row: Mapping[str, Any], name: str, where: str) -> str | None:
    if name not in row:
        has = f"it has {shorten(', '.join(map(str, row)), 200)}" if row else "it is empty"
        raise DataError(
            f"{where} has no {name!r}; {has}. Every row needs both texts; null is read as an empty one. Set "
            "data.source_language and data.target_language, or data.source_column and data.target_column."
        )
    value = row[name]
    if value is None:
        return None
    if not isinstance(value, str):
        raise DataError(f"{where}: {name} is {_format_value(value)}, where a text was expected.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{where}: {name} has half of a surrogate pair, which is no character: {_format_value(value)}."
        ) from None
    return value


def _format_value(value: Any) -> str:
    """A value as a person would write it, cut to what fits in a message."""
    text = format_value(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 70 else f"{text[:66]} ..."
