"""Moses pairs in an archive, as OPUS gives them out: a zip or tar with two text files, each named by its language."""

import contextlib
import lzma
import os
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from nmt.data import lines
from nmt.data.pair_files.reading import PairRequest
from nmt.data.unpack import BoundedStream, CountedStream
from nmt.errors import DataError
from nmt.printable import shorten

MAX_MEMBERS = 10_000
"""The most files of an archive that are looked at."""

MAX_HEADER_BYTES = 1 << 20
"""The most bytes of a name or of other text about a file in a tar, which is read at once."""

_TEXT_TYPES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    NotImplementedError,
    RuntimeError,  # it has a password
    EOFError,
    OSError,
    zlib.error,
    lzma.LZMAError,
)


def read_archive(path: str, asked: PairRequest, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
    """The pairs of all pairs of text files that it holds: a/train.en and a/train.de, or a/train.en.gz.

    Other files are left out. Nothing is written to the disk. Raises DataError where it holds no such pair, where two
    files have different numbers of lines, and as `lines.decode` does.
    """
    try:
        with _open_archive(path) as members:
            pairs = _find_pairs(members, asked)
            if not pairs:
                names = ", ".join(shorten(name, 60) for name in sorted(members)[:8])
                raise DataError(
                    f"{path} holds no two text files of one name that end in .{asked.source_language} and "
                    f".{asked.target_language}; it holds {names or 'nothing'}."
                )
            for source, target in pairs:
                yield from _read_pair(path, members, source, target, asked)
    except _DAMAGE as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise  # of the file system
        raise DataError(
            f"{path} is damaged, incomplete or cannot be unpacked ({problem}). Fetch it again, or unpack it first."
        ) from None


class BoundedInfo(tarfile.TarInfo):
    """What a tar says of a file. Raises DataError where that is too much."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> Any:
        found = super().frombuf(buf, encoding, errors)
        if found.type in _TEXT_TYPES and found.size > MAX_HEADER_BYTES:
            raise DataError(
                f"It is a tar with {found.size:,} bytes of text about a file; {MAX_HEADER_BYTES:,} are read at most."
            )
        return found


@contextlib.contextmanager
def _open_archive(path: str) -> Iterator[Mapping[str, Any]]:
    """What opens each file, by its name."""
    with contextlib.ExitStack() as stack:
        if zipfile.is_zipfile(path):
            packed = stack.enter_context(zipfile.ZipFile(path))
            names = [info.filename for info in packed.infolist()[:MAX_MEMBERS] if not info.is_dir()]
            yield {name: lambda name=name: packed.open(name) for name in names}
        else:
            try:
                tar = stack.enter_context(tarfile.open(path, tarinfo=BoundedInfo))
                files = [member for member, _ in zip(tar, range(MAX_MEMBERS), strict=False) if member.isreg()]
            except DataError as problem:
                raise DataError(f"{path}: {problem}") from None
            yield {member.name: lambda member=member: tar.extractfile(member) for member in files}


def _find_pairs(members: Mapping[str, Any], asked: PairRequest) -> list[tuple[str, str]]:
    """Names of source and target files that differ in the language at their end alone."""
    stems = {
        language: {_get_stem(name, language): name for name in members if _get_stem(name, language) is not None}
        for language in (asked.source_language, asked.target_language)
    }
    sources, targets = stems.values()
    return [(sources[stem], targets[stem]) for stem in sorted(set(sources) & set(targets), key=str)]


def _get_stem(name: str, language: str) -> str | None:
    """The name without its language; None where it has another."""
    path = PurePosixPath(name)
    plain = path.with_suffix("") if path.suffix.lower() in (".gz", ".bz2", ".xz", ".zst") else path
    return str(plain.with_suffix("")) if plain.suffix.lower() == f".{language.lower()}" else None


def _read_pair(
    path: str, members: Mapping[str, Any], source: str, target: str, asked: PairRequest
) -> Iterator[tuple[str, str]]:
    """One side after the other: two files of a compressed tar cannot be read side by side."""
    sides: list[list[str]] = []
    archive = CountedStream(None)
    archive.bytes = os.path.getsize(path)  # all of it, whatever part a file of it has
    for name in (source, target):
        with members[name]() as opened:
            bounded = BoundedStream(opened, archive, f"{path}: {name}")
            sides.append(list(lines.decode(bounded, name=bounded.name, errors=asked.errors, setting="data.errors")))
    if len(sides[0]) != len(sides[1]):
        raise DataError(
            f"{path}: {source} has {len(sides[0])} lines and {target} has {len(sides[1])}, but line n of one must "
            "belong to line n of the other."
        )
    yield from zip(*sides, strict=True)
