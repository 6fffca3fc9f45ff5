"""The seal of a checkpoint: its files with sizes and hashes, written last. Without it, it is no checkpoint."""

import hashlib
import math
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from nmt.errors import CheckpointError
from nmt.storage.json_files import MAX_JSON_BYTES, format_json, read_json

NAME = "MANIFEST.json"

MAX_BYTES = MAX_JSON_BYTES
"""More than any manifest has."""

SEAL = "seal"
"""The manifest's own hash, so that damage to it is seen as well; older manifests have none."""


def seal(folder: Path, value: float | None = None) -> None:
    """Forces every file of the folder to disk, then writes its manifest and forces that, too.

    `value` is what checkpoints are ranked by, larger being better; one that is not finite counts as none.
    """
    from nmt.storage.files import fsync, write_json  # which take torch; what is written can be checked without it

    files = {}
    for path in sorted(folder.rglob("*")):
        fsync(path)
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": _sha256(path)}
    ranked = value is not None and math.isfinite(value)
    content = {"files": files, "value": value if ranked else None}
    write_json(folder / NAME, {**content, SEAL: _hash_content(content)})
    fsync(folder / NAME)
    fsync(folder)


def find_problems(folder: Path, *, hashes: bool = True) -> list[str]:
    """What is wrong with a checkpoint, file by file; nothing if it is sound. Without `hashes` only sizes count."""
    try:
        files = _read(folder)["files"]
    except CheckpointError as problem:
        return [str(problem)]
    return [
        f"{name}: {fault}" for name, wanted in files.items() if (fault := _find_problem(folder / name, wanted, hashes))
    ]


def list_sealed(checkpoints: Path) -> list[Path]:
    """The checkpoints of a run that have a manifest, sound or not, newest first."""
    found = ((re.fullmatch(r"step-(\d{6,})", path.name), path) for path in checkpoints.glob("step-*"))
    steps = sorted(((int(match[1]), path) for match, path in found if match), reverse=True)
    return [path for _, path in steps if (path / NAME).exists()]


def verify(folder: Path, names: Iterable[str]) -> None:
    """Raises CheckpointError unless these files are what was sealed. A folder without a manifest makes no claim."""
    if not (folder / NAME).exists():
        return
    files = _read(folder)["files"]
    faults = [
        (name, _find_problem(folder / name, files[name], True) if name in files else "is not in it") for name in names
    ]
    if found := [f"{name} {fault}" for name, fault in faults if fault]:
        raise CheckpointError(
            f"{folder} is not as it was written: {'; '.join(found)}. Take another checkpoint or another copy. Where "
            f"the change was made on purpose, copy the folder without its {NAME} and use the copy."
        )


def read_value(folder: Path) -> float | None:
    """The value by which a sealed folder is ranked. Raises CheckpointError if it has no readable manifest."""
    found: float | None = _read(folder)["value"]
    return found


def _find_problem(path: Path, wanted: dict[str, Any], hashes: bool) -> str | None:
    try:
        if not path.is_file():
            return "is no regular file" if path.exists() else "is missing"
        if (size := path.stat().st_size) != wanted["size"]:
            return f"has {size} bytes instead of {wanted['size']}"
        if hashes and _sha256(path) != wanted["sha256"]:
            return "has other contents than were written (its SHA-256 differs)"
    except OSError as problem:
        return f"cannot be read ({problem.strerror})"
    return None


def _read(folder: Path) -> dict[str, Any]:
    path = folder / NAME
    found = read_json(path)
    files = found.get("files") if isinstance(found, dict) else None
    entries = files if isinstance(files, dict) else {"": None}
    ranked = found.get("value") if isinstance(found, dict) else None
    complete = all(_is_entry(name, entry) for name, entry in entries.items())
    if not complete or not isinstance(ranked, float | int | None):
        raise CheckpointError(f"{path} is no manifest of this program. Choose another checkpoint.")
    content = {"files": files, "value": ranked}
    try:
        sealed = content if found.keys() == content.keys() else {**content, SEAL: _hash_content(content)}
        same = format_json(sealed).encode() == path.read_bytes()
    except ValueError:  # a number that this program never writes
        same = False
    if not same:
        raise CheckpointError(f"{path} is not as it was written. Choose another checkpoint.")
    return content


def _hash_content(content: dict[str, Any]) -> str:
    return hashlib.sha256(format_json(content).encode()).hexdigest()


def _is_entry(name: str, entry: Any) -> bool:
    """Whether an entry is one that `seal` may have written: nobody's manifest makes us read files elsewhere."""
    path = PurePosixPath(name)
    inside = not path.is_absolute() and ".." not in path.parts
    return inside and isinstance(entry, dict) and {"size", "sha256"} <= entry.keys()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
