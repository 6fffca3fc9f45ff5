"""Files of NumPy's own format, read without trusting them: nothing is unpickled, and no memory is taken for what a file
does not hold."""

import math
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np
from numpy.lib import format as npy_format

from nmt.data.sources.reader import Features
from nmt.errors import DataError
from nmt.exhaustion import explain_exhaustion

T = TypeVar("T")

MAX_BYTES = 2**30
MAX_HEADER_BYTES = 4096
"""A header says a type and a shape, in about 120 bytes."""


def read_npy(name: str, features: int) -> Features:
    """The array [position, feature] of a .npy file, as single precision.

    Raises DataError for whatever else has this name: one sentence that says what is wrong.
    """
    return _read_file(name, lambda file: read_array(file, name, features))


def check_npy(name: str, features: int) -> None:
    """Raises DataError as `read_npy` does, for what a file's header and size tell."""
    _read_file(name, lambda file: read_header(file, name, features))


def _read_file(name: str, read: Callable[[BinaryIO], T]) -> T:
    """What `read` makes of a regular file. Raises DataError."""
    try:
        path = Path(name).expanduser()
        check_regular(path, name)
        # Between the look and the opening it may have become something else.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DataError(f"{name} is no regular file.")
            return read(file)
    except OSError as problem:
        raise DataError(f"{name[:200]} cannot be read: {problem.strerror}.") from None
    except (ValueError, RuntimeError, SyntaxError) as problem:
        if explain_exhaustion(problem) is not None:
            raise
        raise DataError(f"{name[:200]} is no sound .npy file: {' '.join(str(problem).split())[:120]}.") from None


def check_regular(path: Path, name: str) -> None:
    """Raises DataError unless it is a regular file of bearable size, and no link to one."""
    if not os.path.lexists(path):
        raise DataError(f"{name} does not exist; names are relative to the working directory, {os.getcwd()}.")
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise DataError(f"{name} is a link, which is not followed. Name the file itself.")
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{name} is no regular file.")
    if found.st_size > MAX_BYTES:
        raise DataError(f"{name} has {found.st_size} bytes; at most {MAX_BYTES} are read.")


class Header(NamedTuple):
    """What an array is, and how many bytes it has."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]
    size: int


def read_header(file: BinaryIO, name: str, features: int) -> Header:
    """The header of an open file, in which the bytes of the array follow."""
    version = npy_format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"{name} has version {version[0]}.{version[1]} of the format; versions 1.0 and 2.0 are read.")
    start = file.tell()
    length = int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
    if length > MAX_HEADER_BYTES:
        raise DataError(f"{name} has a header of {length} bytes; that of an array has at most {MAX_HEADER_BYTES}.")
    file.seek(start)
    parse = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, is_fortran, dtype = parse(file, max_header_size=MAX_HEADER_BYTES)
    if dtype.hasobject:
        raise DataError(f"{name} holds pickled Python objects, which are not read. Save an array of numbers.")
    if dtype.kind not in "fiu":
        raise DataError(f"{name} holds {dtype}; numbers are needed, such as float32.")
    if len(shape) != 2 or shape[1] != features:
        raise DataError(
            f"{name} has the shape {shape}; [position, feature] is needed, with model.source.features={features}."
        )
    size = math.prod(shape) * dtype.itemsize
    if os.fstat(file.fileno()).st_size - file.tell() != size or min(shape) < 0:
        raise DataError(f"{name} does not hold what its header says: {size} bytes of numbers.")
    if not shape[0]:
        raise DataError(f"{name} has no position.")
    return Header(shape, is_fortran, dtype, size)


def read_array(file: BinaryIO, name: str, features: int) -> Features:
    """The array in an open file."""
    shape, is_fortran, dtype, size = read_header(file, name, features)
    with np.errstate(over="ignore"):
        found = (
            np.frombuffer(file.read(size), dtype).reshape(shape, order="F" if is_fortran else "C").astype(np.float32)
        )
    if not np.isfinite(found).all():
        place, feature = np.argwhere(~np.isfinite(found))[0].tolist()
        raise DataError(
            f"{name} has a number that is not finite, or too large, at position {place}, feature {feature} (from 0)."
        )
    return np.ascontiguousarray(found)
