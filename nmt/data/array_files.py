"""Arrays on disk that grow: a part is written as it is made, so that many pairs need no more memory than few."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nmt.data.encoded import PackedLines, RaggedIds
from nmt.errors import DataError


def explain_unwritable(place: Path, problem: OSError) -> DataError:
    """What is said where prepared data cannot be written to a place in the cache."""
    return DataError(
        f"Prepared data cannot be written to {place}: {problem.strerror}. Choose another folder for the cache."
    )


class ArrayFile:
    """A .npy file, to which parts [row, ...] are appended; `close` makes it what `np.save` would write of all of them.

    by_column: the array has the axes [..., row] instead, and each of its columns is one row of a part. Raises DataError
    where it cannot be written.
    """

    def __init__(self, path: Path, *, by_column: bool = False) -> None:
        self.path = path
        self.by_column = by_column
        self.rows = 0
        self._kind: tuple[tuple[int, ...], np.dtype[Any]] | None = None
        self._file: BinaryIO | None = None

    def append(self, part: NDArray[Any]) -> None:
        """Writes more rows, all of one shape and type."""
        try:
            if self._file is None:
                self._kind = part.shape[1:], part.dtype
                self._file = self.path.open("wb")
                self._write_header(self._file)
            assert self._kind == (part.shape[1:], part.dtype)
            self._file.write(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
        except OSError as problem:
            raise explain_unwritable(self.path.parent, problem) from None
        self.rows += len(part)

    def close(self) -> None:
        """Says in the header how many rows there are, for which it has left room. One part, if only an empty one, must
        have been appended."""
        assert self._file is not None
        try:
            with self._file as file:
                file.seek(0)
                self._write_header(file)
        except OSError as problem:
            raise explain_unwritable(self.path.parent, problem) from None

    def _write_header(self, file: BinaryIO) -> None:
        assert self._kind is not None
        shape, dtype = self._kind
        described = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": self.by_column,
            "shape": (*shape, self.rows) if self.by_column else (self.rows, *shape),
        }
        np.lib.format.write_array_header_1_0(file, described)


class RaggedFile:
    """Two files of arrays: parts of different lengths, one after another, and where each begins."""

    def __init__(self, flat: Path, offsets: Path) -> None:
        self.flat = ArrayFile(flat)
        self.offsets = ArrayFile(offsets)
        self.offsets.append(np.zeros(1, np.int64))
        self.end = 0

    def append(self, flat: NDArray[Any], offsets: NDArray[np.int64]) -> None:
        """More of them; `offsets` counts from the beginning of `flat`, and its first is 0."""
        self.flat.append(flat)
        self.offsets.append(offsets[1:] + self.end)
        self.end += int(offsets[-1])

    def close(self) -> None:
        self.flat.close()
        self.offsets.close()


def open_ids(flat: Path, offsets: Path) -> RaggedIds:
    """Ids, mapped into memory."""
    return RaggedIds(*(np.load(path, mmap_mode="r") for path in (flat, offsets)))


def open_lines(flat: Path, offsets: Path) -> PackedLines:
    """Lines, mapped into memory."""
    return PackedLines(*(np.load(path, mmap_mode="r") for path in (flat, offsets)))
