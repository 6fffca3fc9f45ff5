"""Moses pairs in an archive, as OPUS gives them out: a zip or tar with two text files, each named by its language."""

import contextlib
import lzma
import os
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from nmt.data import lines
from nmt.data.pair_files.reading import PairRequest
from nmt.data.unpack import BoundedStream, CountedStream
from nmt.errors import DataError
from nmt.printable import shorten

MAX_MEMBERS = 10_000
"""The most files of an archive, with its folders."""

MAX_LINES = 20_000_000
"""The most lines of a side, blank ones too."""

Member = tuple[str, Callable[[], Any]]
"""The name of a file in an archive, and what opens it."""

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

    Other files are left out. Nothing is written to the disk. Raises DataError where it holds no such pair, or two files
    for one side of a pair, where it has more than MAX_MEMBERS files or a side more than MAX_LINES lines, where two
    files have different numbers of lines, and as `lines.decode` does.
    """
    try:
        with _open_archive(path) as files:
            names = [name for name, _ in files]
            pairs, members = _find_pairs(path, names, asked), dict(files)
            if not pairs:
                names = [shorten(name, 60) for name in sorted(names)[:8]]
                raise DataError(
                    f"{path} holds no two text files of one name that end in .{asked.source_language} and "
                    f".{asked.target_language}; it holds {', '.join(names) or 'nothing'}."
                )
            for source, target in pairs:
                yield from _read_pair(path, members, source, target, asked)
    except _DAMAGE as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise  # of the file system
        reason = str(problem).partition("\n")[0].rstrip(":")  # tarfile lists all that it tried, one a line
        raise DataError(
            f"{path} is damaged, incomplete or cannot be unpacked ({reason}). Fetch it again, or unpack it first; "
            "`unzip -t` and `tar -tf` check such files."
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
def _open_archive(path: str) -> Iterator[list[Member]]:
    """The files, in their order."""
    with contextlib.ExitStack() as stack:
        if zipfile.is_zipfile(path):
            packed = stack.enter_context(zipfile.ZipFile(path))
            _check_count(path, infos := packed.infolist())
            yield [(info.filename, partial(packed.open, info)) for info in infos if not info.is_dir()]
        elif _begins_like_zip(path):
            raise DataError(
                f"{path} is a zip archive that is damaged or cut off: the directory at its end is missing. Fetch it "
                "again; `unzip -t` checks such files."
            )
        else:
            try:
                tar = stack.enter_context(tarfile.open(path, tarinfo=BoundedInfo))
                members = list(islice(tar, MAX_MEMBERS + 1))
            except DataError as problem:
                raise DataError(f"{path}: {problem}") from None
            _check_count(path, members)
            yield [(member.name, partial(tar.extractfile, member)) for member in members if member.isreg()]


def _check_count(path: str, members: Sequence[Any]) -> None:
    """Raises DataError where there are too many for all to be looked at."""
    if len(members) > MAX_MEMBERS:
        raise DataError(
            f"{path} holds more than {MAX_MEMBERS} files and folders, which are not looked at. Unpack it, and name its "
            "text files with data=files."
        )


def _begins_like_zip(path: str) -> bool:
    """Whether the first bytes of a file are those of a zip archive that holds something."""
    with open(path, "rb") as opened:
        return opened.read(4) == b"PK\x03\x04"


def _find_pairs(path: str, names: Sequence[str], asked: PairRequest) -> list[tuple[str, str]]:
    """Names of source and target files that differ in the language at their end alone. Raises DataError where there are
    two for one side, such as a.en and a.en.gz, or twice a.en."""
    sides = []
    for language in (asked.source_language, asked.target_language):
        found: dict[str, list[str]] = {}
        for name in names:
            if (stem := _get_stem(name, language)) is not None:
                found.setdefault(stem, []).append(name)
        sides.append(found)
    stems = sorted(set(sides[0]) & set(sides[1]))
    for side, language in zip(sides, (asked.source_language, asked.target_language), strict=True):
        for stem in stems:
            if len(side[stem]) > 1:
                raise DataError(
                    f"{path} holds several files for {shorten(stem, 60)} in {language}: "
                    f"{', '.join(shorten(name, 60) for name in side[stem][:8])}. Which of them is meant is not known; "
                    "unpack the archive, and name the files that are with data=files."
                )
    return [(sides[0][stem][0], sides[1][stem][0]) for stem in stems]


def _get_stem(name: str, language: str) -> str | None:
    """The name without its language; None where it has another."""
    path = PurePosixPath(name)
    plain = path.with_suffix("") if path.suffix.lower() in (".gz", ".bz2", ".xz", ".zst") else path
    return str(plain.with_suffix("")) if plain.suffix.lower() == f".{language.lower()}" else None


def _read_pair(
    path: str, members: Mapping[str, Callable[[], Any]], source: str, target: str, asked: PairRequest
) -> Iterator[tuple[str, str]]:
    """One side after the other: two files of a compressed tar cannot be read side by side."""
    sides: list[list[str]] = []
    archive = CountedStream(None)
    archive.bytes = os.path.getsize(path)  # all of it, whatever part a file of it has
    for name in (source, target):
        with members[name]() as opened:
            bounded = BoundedStream(opened, archive, f"{path}: {name}")
            text = lines.decode(bounded, name=bounded.name, errors=asked.errors, setting="data.errors")
            sides.append(list(islice(text, MAX_LINES + 1)))
        if len(sides[-1]) > MAX_LINES:
            raise DataError(
                f"{path}: {name} has more than {MAX_LINES:,} lines, and a side of an archive is held in memory. Unpack "
                "it, and name its files with data=files, which reads them in parts."
            )
    if len(sides[0]) != len(sides[1]):
        raise DataError(
            f"{path}: {source} has {len(sides[0])} lines and {target} has {len(sides[1])}, but line n of one must "
            "belong to line n of the other."
        )
    yield from zip(*sides, strict=True)
