"""Files that paths and globs name."""

import glob
from collections.abc import Iterable
from pathlib import Path

from nmt.errors import DataError


def expand_glob(pattern: str) -> list[str]:
    """The files that a path or a glob names, in the order of their names. Raises DataError if there are none."""
    path = str(Path(pattern).expanduser())
    if not set("*?[") & set(path) or Path(path).exists():
        return [path]
    if not (found := sorted(file for file in glob.glob(path, recursive=True) if Path(file).is_file())):
        raise DataError(f"No file matches {pattern}.")
    return found


def expand_globs(patterns: Iterable[str]) -> list[str]:
    """The files that paths and globs name, one pattern after another. Raises DataError as `expand_glob` does."""
    return [file for pattern in patterns for file in expand_glob(pattern)]
