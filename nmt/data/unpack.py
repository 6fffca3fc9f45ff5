"""Files of several compressed streams, one after another."""

import io
import lzma
import sys
from collections.abc import Callable
from typing import Any

from nmt.errors import DataError

MAX_EXPANSION = 500
"""Bytes that a byte of a compressed stream may stand for, on average: text has three to ten, and one line that is
repeated for ever a few hundred."""

ALWAYS_ALLOWED_BYTES = 1 << 22
"""So many bytes may come of any stream."""


class CountedStream(io.RawIOBase):
    """The bytes of another stream, which are counted as they are read."""

    def __init__(self, binary: Any) -> None:
        self.binary = binary
        self.bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self.binary.read1(len(buffer))
        buffer[: len(read)] = read
        self.bytes += len(read)
        return len(read)


class BoundedStream(io.RawIOBase):
    """What is unpacked from `packed`, as long as it is no more than text can be; `name` stands for it in messages.

    Raises DataError where it grows to MAX_EXPANSION times what was read: some kilobytes that hold nothing but
    blank lines would otherwise keep a reader busy for hours.
    """

    def __init__(self, unpacked: Any, packed: CountedStream, name: str) -> None:
        self.unpacked = unpacked
        self.packed = packed
        self.name = name
        self.bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self.unpacked.readinto(buffer)
        self.bytes += size
        if self.bytes > max(ALWAYS_ALLOWED_BYTES, MAX_EXPANSION * self.packed.bytes):
            raise DataError(
                f"{self.name} unpacks to more than {MAX_EXPANSION} times its size, as no text does: "
                f"{self.packed.bytes:,} bytes made {self.bytes:,} so far. Look at what it holds; to read it all the "
                "same, unpack it first."
            )
        return int(size)


class DecompressedStream(io.RawIOBase):
    """The bytes of compressed streams that follow one another, with zero bytes between and after them where they are
    padded to multiples of `padding`.

    Raises OSError, EOFError or LZMAError where a stream is damaged or cut off, and where what follows one begins no
    other, which bz2.BZ2File and lzma.LZMAFile take for the end of the file.
    """

    def __init__(self, packed: Any, make_decompressor: Callable[[], Any], *, padding: int = 1) -> None:
        self.packed = packed
        self.make_decompressor = make_decompressor
        self.padding = padding
        self.stream = make_decompressor()
        self.pending = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.stream.eof or self._begin_next():
            block = b""
            if self.stream.needs_input:
                block, self.pending = self.pending or self.packed.read1(io.DEFAULT_BUFFER_SIZE), b""
                if not block:
                    raise EOFError("it ends within a compressed stream")
            if read := self.stream.decompress(block, len(buffer)):
                buffer[: len(read)] = read
                return len(read)
        return 0

    def _begin_next(self) -> bool:
        """Skips the padding after a stream; whether another stream follows."""
        block, zeros = self.stream.unused_data, 0
        while block := block or self.packed.read1(io.DEFAULT_BUFFER_SIZE):
            self.pending = block.lstrip(b"\0")
            zeros += len(block) - len(self.pending)
            if self.pending:
                break
            block = b""
        if zeros % self.padding:
            raise lzma.LZMAError(f"{zeros} zero bytes follow a stream, which is no multiple of {self.padding}")
        if self.pending:
            self.stream = self.make_decompressor()
        return bool(self.pending)


class ZstdStream(DecompressedStream):
    """The bytes of zstd frames that follow one another. Raises LZMAError where one is damaged, as xz does, and
    DataError where no package unpacks them."""

    def __init__(self, packed: Any) -> None:
        self.zstd = _import_zstd()
        super().__init__(packed, self.zstd.ZstdDecompressor)

    def readinto(self, buffer: Any) -> int:
        try:
            return super().readinto(buffer)
        except self.zstd.ZstdError as problem:
            raise lzma.LZMAError(str(problem)) from None


def _import_zstd() -> Any:
    """Python's own module from 3.14 on, and before that the package that has it."""
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise DataError(
            "To read zstd files, install a package (pip install backports.zstd), or unpack them first with `zstd -d`."
        ) from None
    return zstd
