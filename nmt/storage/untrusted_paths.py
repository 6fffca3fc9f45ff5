"""Where a model lies and where it works: all that can be asked before torch is imported.

Model folders come from strangers, so nothing in one is opened before `find_regular_file` has looked at it.
"""

import json
import os
import re
from pathlib import Path
from typing import Any, Literal

from nmt.errors import ModelError
from nmt.printable import shorten

Device = Literal["auto", "cpu", "cuda", "mps"]

MAX_THREADS = 1024
"""Of a CPU; what is more would take the memory of the machine for their stacks."""

CONFIG = "config.json"

COPY_AGAIN = "Copy the whole folder anew from the run that it comes from, or choose another checkpoint."
"""The way out where a model folder is damaged."""

WEIGHTS = "model.safetensors"
JOINT_VOCABULARY = ("spm.model",)
SEPARATE_VOCABULARIES = ("spm.source.model", "spm.target.model")
"""Beside CONFIG, the files that a model folder is made of: the vocabulary is in JOINT or in SEPARATE."""

TARGET_VOCABULARY = SEPARATE_VOCABULARIES[1:]
"""That of the target alone, where the source is no text."""

LEXICON = "lexicon.safetensors"
"""What nmt-shortlist adds to it."""

MAX_CONFIG_BYTES = 2**16
MAX_VOCABULARY_BYTES = 2**23
"""Twenty times what these files have; parsing what is larger would take seconds."""

MAX_LEXICON_BYTES = 2**27
"""Four times what the largest vocabularies need; what is larger would take too much memory."""


def find_model_folder(path: Path) -> Path:
    """The folder that holds the model: `path` itself, or the best (else the last) checkpoint of the run there.

    Raises ModelError where there is none, and where a pointer of the run leads out of `path`.
    """
    options = (path, path / "checkpoints" / "best", path / "checkpoints" / "last", path / "best", path / "last")
    try:
        for folder in options:
            if os.path.lexists(folder / CONFIG):
                return check_inside(path, folder)
        found = _describe_folder(path) if path.is_dir() else "a file" if path.exists() else "no such folder"
    except (OSError, ValueError) as problem:
        raise ModelError(
            f"model={shorten(path)} cannot be looked into: {shorten(problem)}. Choose another."
        ) from problem
    raise ModelError(
        f"model={shorten(path)} must be a run folder (outputs/<run>) or a model folder (with config.json and "
        f"model.safetensors in it); found {found}."
    )


def _describe_folder(folder: Path) -> str:
    """A folder that holds no model, for a message."""
    names = sorted(entry.name for entry in folder.iterdir())
    shortened = ", ".join(shorten(Path(name), 60) for name in names[:8])
    return f"a folder with {shortened}{', ...' if names[8:] else ''} in it" if names else "an empty folder"


def check_inside(folder: Path, path: Path) -> Path:
    """`path`, which must not lead out of `folder`: a folder from elsewhere must not choose other files of this machine.

    Raises ModelError.
    """
    real = path.resolve(strict=True)
    if not real.is_relative_to(folder.resolve()):
        raise ModelError(
            f"{shorten(path)} is a link out of {shorten(folder)}, to {shorten(real)}, and is not followed. Give the "
            "folder that is meant as model=..., or copy the model with its links resolved (cp -rL)."
        )
    return path


def find_regular_file(folder: Path, name: str, *, max_bytes: int) -> Path:
    """The file `name` of a model folder, if that is what it is: a regular file in the folder, of at most `most` bytes.

    Raises ModelError for all else, such as a pipe or a device, which is not opened.
    """
    path = folder / name
    if not os.path.lexists(path):
        raise ModelError(f"{shorten(folder)} is not a complete model folder: it has no {name}. {COPY_AGAIN}")
    try:
        file = check_inside(folder, path)
        if not file.is_file():
            raise ModelError(f"{shorten(path)} is no regular file. A model folder holds files only.")
        if (size := file.stat().st_size) > max_bytes:
            raise ModelError(
                f"{shorten(path)} has {size} bytes; at most {max_bytes} are read here. It is no file of a model."
            )
    except (OSError, RuntimeError) as problem:  # a RuntimeError is a circle of links
        raise ModelError(f"{shorten(path)} cannot be read: {shorten(problem)}.") from problem
    return file


def read_config(folder: Path) -> Any:
    """What the config.json of a model folder says, unchecked. Raises ModelError if it is no JSON, or ambiguous."""
    path = find_regular_file(folder, CONFIG, max_bytes=MAX_CONFIG_BYTES)
    try:
        return parse_json(path.read_bytes())
    except (OSError, ValueError, RecursionError) as problem:
        raise ModelError(
            f"{shorten(path)} is damaged: it is not the JSON that was written there ({shorten(problem)}). {COPY_AGAIN}"
        ) from problem


def parse_json(content: bytes) -> Any:
    """The value of a JSON text in UTF-8, which must be one that all readers understand alike.

    Raises ValueError where it is no JSON, names something twice in one object, or holds half a surrogate pair, which is
    no text and could not be printed or written; RecursionError where it is nested too deeply.
    """
    text = content.decode()
    value = json.loads(text, object_pairs_hook=_check_distinct)
    if re.search(r"\\u[dD][89a-fA-F]", text):  # escapes are the only way to have one
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it holds half a surrogate pair (\\ud800 to \\udfff), which is no text") from None
    return value


def list_model_files(folder: Path) -> list[Path]:
    """The files that the model in a folder is made of, by name: regular files in the folder, of bearable sizes.

    Raises ModelError. Whatever else lies in the folder is not looked at.
    """
    max_bytes = {
        CONFIG: MAX_CONFIG_BYTES,
        WEIGHTS: get_physical_memory(),
        **dict.fromkeys(name_vocabularies(read_config(folder)), MAX_VOCABULARY_BYTES),
    }
    return [find_regular_file(folder, name, max_bytes=max_bytes[name]) for name in sorted(max_bytes)]


def name_vocabularies(settings: Any) -> tuple[str, ...]:
    """The vocabularies of a model folder whose config.json says this, which is checked later."""

    def look_up(*keys: str) -> Any:
        found = settings
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    if look_up("model", "source", "name") not in (None, "tokens"):
        return TARGET_VOCABULARY
    return SEPARATE_VOCABULARIES if look_up("tokenizer", "joint") is False else JOINT_VOCABULARY


def get_physical_memory() -> int:
    """Bytes of memory that this machine has; more weights than that cannot be used here.

    A terabyte where the system does not tell, as Windows does not.
    """
    if not hasattr(os, "sysconf"):
        return 2**40
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _check_distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, which may name nothing twice: readers would differ in what it says."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it names {twice!r} twice")
    return found
