"""The files of a folder of prepared data, and whether they are as they were written."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from nmt.errors import DataError

ABOUT_FILE = "about.json"

SEAL_KEY = "seal"
"""The hash of the rest of ABOUT, so that damage to it is seen as well."""


def seal_folder(folder: Path, about: dict[str, Any]) -> None:
    """Writes ABOUT last: `about`, the size and SHA-256 of every other file of the folder, and its own hash."""
    files = {path.name: _describe(path) for path in sorted(folder.iterdir())}
    content = json.loads(json.dumps({**about, "files": files}))  # as it will be read
    text = json.dumps({**content, SEAL_KEY: _hash_content(content)}, indent=1)
    (folder / ABOUT_FILE).write_text(text, encoding="utf-8")


def read_about(folder: Path) -> dict[str, Any] | None:
    """What ABOUT says, if it and all files that it names are as they were written; None where the folder is damaged.

    Nothing but regular files is opened: a pipe would keep us waiting.
    """
    path = folder / ABOUT_FILE
    try:
        if not path.is_file():
            return None
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        seal = about.pop(SEAL_KEY)
        sound = seal == _hash_content(about) and all(
            _is_unchanged(folder / name, file) for name, file in about["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return about if sound else None


def remove(path: Path) -> None:
    """Removes a folder, or whatever else has its name, as far as that can be done."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_unchanged(path: Path, described: dict[str, Any]) -> bool:
    return path.is_file() and path.stat().st_size == described["size"] and _describe(path) == described


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _hash_content(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def check_cache(cache: Path) -> None:
    """Raises DataError where nothing can be written to the cache: better said before a vocabulary is learnt."""
    existing = next(folder for folder in (cache.absolute(), *cache.absolute().parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        problem = "it is no folder" if not existing.is_dir() else "nothing may be written there"
        raise DataError(
            f"Prepared data cannot be written to {existing} (cache): {problem}. Choose another folder for the cache."
        )
