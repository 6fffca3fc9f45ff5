"""Pairs of texts from a data set that `datasets` has opened; what is wrong with a row is said with its number."""

from collections.abc import Iterator
from typing import Any

from nmt.data.tables import ColumnSpec, TextPair
from nmt.errors import DataError
from nmt.printable import shorten

_TEXT_TYPES = ("string", "large_string", "string_view", "null")
_ROWS_PER_READ = 10_000


def read_rows(data: Any, spec: ColumnSpec, *, dataset_name: str) -> Iterator[TextPair]:
    """The pairs of a `datasets.Dataset`; `asked` stands for it in messages.

    Raises DataError where it has no such columns, and for a row that has something else than text, or cannot be read.
    """
    columns = _find_columns(data.features, spec, dataset_name)
    for start in range(0, len(data), _ROWS_PER_READ):
        try:
            piece = data[start : start + _ROWS_PER_READ]
        except (ValueError, TypeError) as problem:  # such as bytes that are not UTF-8
            row = next((row for row in range(start, len(data)) if not _is_readable(data, row)), start)
            raise DataError(
                f"{dataset_name}, row {row + 1} cannot be read as text: {str(problem)[:200]}. Mend that row, or "
                "write the "
                "data anew in UTF-8."
            ) from None
        for row, values in enumerate(zip(*(piece[column] for column in columns), strict=True), start + 1):
            yield spec.extract_pair(dict(zip(columns, values, strict=True)), f"{dataset_name}, row {row}")


def _find_columns(features: Any, spec: ColumnSpec, dataset_name: str) -> list[str]:
    """The columns that hold the text: one called "translation", or two."""
    from datasets import Translation, Value

    if spec.columns is None and (nested := features.get("translation")) is not None:
        languages = nested.languages if isinstance(nested, Translation) else nested
        if isinstance(languages, list | tuple | dict) and not set(spec.languages) <= set(languages):
            raise DataError(
                f"{dataset_name} has translations in {', '.join(sorted(languages))}; asked for were "
                f"{' and '.join(spec.languages)}. Set data.source_language and data.target_language to two of these."
            )
        return ["translation"]
    for column in spec.names:
        feature = features.get(column)
        if not isinstance(feature, Value) or feature.dtype not in _TEXT_TYPES:
            found = ", ".join(f"{name} ({getattr(kind, 'dtype', 'nested')})" for name, kind in features.items())
            raise DataError(
                f"{dataset_name} has no column of text called {column}; its columns are {shorten(found, 200)}. Set "
                "data.source_column and data.target_column to the names of two columns of text."
            )
    return [str(column) for column in spec.names]


def _is_readable(data: Any, row: int) -> bool:
    try:
        data[row]
    except (ValueError, TypeError):
        return False
    return True
