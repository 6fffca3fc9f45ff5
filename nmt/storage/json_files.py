"""JSON on disk, and what else can be asked of the files of a run without torch."""

import json
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from nmt.errors import CheckpointError
from nmt.storage.untrusted_paths import parse_json

MAX_JSON_BYTES = 2**22
"""The most that a JSON file may have: a hundred times what ours do, and parsed in a moment whatever is in it."""


def format_json(value: Any) -> str:
    """The one way in which a value is written: equal values are equal texts."""
    return json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False, indent=1) + "\n"


def check_regular(path: Path) -> None:
    """Raises OSError for what is no regular file: a pipe would keep us waiting, a device never end."""
    if not path.is_file():
        raise OSError("there is no such file" if not path.exists() else "it is no regular file")


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises CheckpointError if it is missing, no regular file, too large or no JSON."""
    try:
        check_regular(path)
        if (size := path.stat().st_size) > MAX_JSON_BYTES:
            raise OSError(f"it has {size} bytes, of at most {MAX_JSON_BYTES}")
        return parse_json(path.read_bytes())
    except (OSError, ValueError, RecursionError) as problem:
        raise CheckpointError(f"Cannot read {path} as JSON: {problem}. Choose another checkpoint.") from problem


def check_kinds(folder: Path, names: Iterable[str], *, folders: Collection[str]) -> None:
    """Raises CheckpointError where a pipe, a device or the like has the name of a file, or a file that of a folder.

    `names` are those that are meant, if they are there; those in `folders` are of folders.
    """
    for name in names:
        path = folder / name
        if os.path.lexists(path) and not (path.is_dir() if name in folders else path.is_file()):
            kind = "folder" if name in folders else "regular file"
            raise CheckpointError(f"{path} is no {kind}, as a run has there. Remove it, or choose another output=...")
