"""Tensors and JSON on disk: nothing is pickled, and what goes wrong is said with its path."""

import errno
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from nmt.errors import CheckpointError
from nmt.storage.json_files import MAX_JSON_BYTES as MAX_JSON_BYTES
from nmt.storage.json_files import check_kinds as check_kinds
from nmt.storage.json_files import check_regular
from nmt.storage.json_files import format_json as format_json
from nmt.storage.json_files import read_json as read_json
from nmt.storage.new_files import TEMPORARY_PREFIX as TEMPORARY_PREFIX
from nmt.storage.new_files import list_unfinished, open_replacement

FULL_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT}
"""No space left on the device, or none left to this user."""

DISK_ERRORS = {*FULL_DISK_ERRORS, errno.EIO}
"""Where it is worth to know how much space is left: even a disk that fails may do so for lack of it."""

MAX_HEADER_BYTES = 2**20
"""The most that names and shapes may take: room for thousands of tensors, and parsed in no time."""


OTHER_FOLDER_ADVICE = (
    "or choose another folder with output=...; earlier checkpoints are as they were, and the same command goes on from "
    "them."
)
"""What can be done where a run cannot be written."""


@contextmanager
def explain_disk_errors(action: str, path: Path, advice: str = OTHER_FOLDER_ADVICE) -> Iterator[None]:
    """Turns an OSError inside into a CheckpointError that names the path, and the space left if it is the disk's.

    advice: ends the message; what else can be done than to mend the problem.
    """
    try:
        yield
    except (OSError, SafetensorError) as problem:
        number = _find_errno(problem)
        raise CheckpointError(
            f"Cannot {action} {path}: {problem}. {_describe_free_space(path) if number in DISK_ERRORS else ''}"
            f"{'Free some space' if number in FULL_DISK_ERRORS else 'Mend that'}, {advice}"
        ) from problem


def save_tensors(path: Path, tensors: Mapping[str, Tensor], advice: str = OTHER_FOLDER_ADVICE) -> None:
    """Writes named tensors as safetensors; two names may not share memory.

    Raises CheckpointError, which ends with `advice`, if the file cannot be written.
    """
    with explain_disk_errors("write", path, advice):
        path.touch()
        mode = path.stat().st_mode  # safetensors would leave a file that only its owner can read
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path)
        path.chmod(mode)


def load_tensors(path: Path, device: str = "cpu") -> dict[str, Tensor]:
    """The named tensors of a safetensors file. Raises CheckpointError if it is missing or damaged."""
    with _check_tensor_file(path):
        return load_file(path, device)


class Entry(NamedTuple):
    """What the header of a safetensors file says of a tensor; `dtype` is in its words, such as F32."""

    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path) -> dict[str, Entry]:
    """Types and shapes of the tensors of a safetensors file, which has as many bytes as they need; no tensor is read.

    Raises CheckpointError if it is missing or damaged.
    """
    with _check_tensor_file(path), safe_open(path, "pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        return {name: Entry(part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}


@contextmanager
def _check_tensor_file(path: Path) -> Iterator[None]:
    """Inside, a safetensors file can be read, whose header is of a bearable size; problems are CheckpointErrors."""
    try:
        check_regular(path)
        with path.open("rb") as file:
            if (size := int.from_bytes(file.read(8), "little")) > MAX_HEADER_BYTES:
                raise OSError(f"its header claims {size} bytes, of at most {MAX_HEADER_BYTES}")
        yield
    except (OSError, SafetensorError) as problem:
        raise CheckpointError(f"Cannot read the tensors of {path}: {problem}. Choose another checkpoint.") from problem


def write_json(path: Path, value: Any) -> None:
    """Writes JSON with sorted keys; NaN and infinity raise ValueError, as no other reader would take them.

    Raises CheckpointError if the file cannot be written.
    """
    with explain_disk_errors("write", path):
        path.write_text(format_json(value), encoding="utf-8")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file that at every instant is as it was or as it is to be, whatever kills the program. Text is UTF-8.

    A link there is replaced, not followed. Raises CheckpointError if it cannot be written; what was there then stays.
    """
    with explain_disk_errors("write", path), open_replacement(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def remove_unfinished(folder: Path, names: Iterable[str] | None = None) -> None:
    """Removes what dead runs left unfinished in a folder: all of it, or only what was to be files of these names."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*") if names is None else list_unfinished(folder, names):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def fsync(path: Path) -> None:
    """Waits until a file, or the list of names in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _find_errno(problem: Exception) -> int | None:
    """The number of an error of the operating system; safetensors has it in its message alone."""
    if isinstance(problem, OSError):
        return problem.errno
    found = re.search(r"os error (\d+)", str(problem))
    return int(found[1]) if found else None


def _describe_free_space(path: Path) -> str:
    for folder in (path, *path.parents):
        with suppress(OSError):  # of a folder that is not there, or of the disk again
            return f"{shutil.disk_usage(folder).free / 2**20:.0f} MiB are free there. "
    return ""
