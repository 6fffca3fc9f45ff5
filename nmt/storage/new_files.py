"""Files that appear whole, written under names that nobody else has: no link is followed and no pipe is waited for.

What has to lie under a name that can be found again is opened only if the program may have put it there.
"""

import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal

from nmt.errors import DataError
from nmt.storage.locks import lock_file

TEMPORARY_PREFIX = ".writing-"
"""Begins the name of what is not yet whole."""

MAX_NAME_CHARACTERS = 50
"""Of a file, in the name of what takes its place: file systems take names of 255 bytes."""

REPLACEMENT_PREFIX = f"{TEMPORARY_PREFIX}~"
"""Begins the name of what takes the place of a file: no output has a name such as ~0123abcd-out.txt, but many have one
such as 20260131-out.txt, whose part would be taken for a replacement."""

UNFINISHED_NAME = re.compile(re.escape(TEMPORARY_PREFIX) + r"~?[0-9a-f]{8}-(.+)", re.DOTALL)
"""The name of a file that `open_replacement` left where the process was killed; in version 0.1 it had no ~."""


class ForeignFileError(DataError):
    """Something that the program cannot have put there has the name of a file of its own; it is left as it is."""


@contextmanager
def open_replacement(final: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """A new file, with a name that nobody else has, which takes the place of `final` when the block ends.

    If the block raises, nothing is left of it; what is left where the process is killed, `remove_abandoned` removes. It
    has the permissions of the file that it replaces. sync: whether it is forced to disk first. Raises OSError.
    """
    file = _create_beside(final)
    path = Path(file.name)
    try:
        with file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(path, final)
    except BaseException:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def _create_beside(final: Path) -> BinaryIO:
    while True:
        name = f"{REPLACEMENT_PREFIX}{secrets.token_hex(4)}-{final.name[:MAX_NAME_CHARACTERS]}"
        with suppress(FileExistsError):
            file = final.with_name(name).open("xb")  # which follows no link
            if _lock_own(file):
                copy_permissions(final, file)
                return file
            file.close()


def _lock_own(file: BinaryIO) -> bool:
    """Locks a file that was just made, so that others see that its process lives; False where one took it for what a
    dead process left."""
    try:
        lock_file(file.fileno())
    except BlockingIOError:
        return False
    except OSError:  # without locks, nobody will remove it
        return True
    return os.fstat(file.fileno()).st_nlink > 0


def copy_permissions(final: Path, file: BinaryIO) -> None:
    """Gives an open file the permissions of the one that it is to replace, if there is one."""
    with suppress(OSError, AttributeError):  # Windows has no fchmod
        os.fchmod(file.fileno(), stat.S_IMODE(final.stat().st_mode) & 0o777 | 0o600)


def remove_abandoned(folder: Path) -> None:
    """Removes what `open_replacement` left in a folder in processes that were killed, as far as that can be done."""
    for path in folder.glob(f"{REPLACEMENT_PREFIX}*"):
        if UNFINISHED_NAME.fullmatch(path.name):
            with suppress(OSError, ForeignFileError):
                if (file := open_own(path, "rb")) is not None:
                    with file:
                        lock_file(file.fileno())  # which only a living process has
                        path.unlink()


def list_unfinished(folder: Path, names: Iterable[str]) -> list[Path]:
    """What processes that were killed left in a folder in place of files of these names."""
    beginnings = {name[:MAX_NAME_CHARACTERS] for name in names}
    found = ((UNFINISHED_NAME.fullmatch(path.name), path) for path in folder.glob(f"{TEMPORARY_PREFIX}*"))
    return [path for match, path in found if match and match[1] in beginnings and path.is_file()]


def open_own(path: Path, mode: Literal["rb", "ab"], *, max_bytes: int | None = None) -> BinaryIO | None:
    """A file under a name of the program's own, which is made to be appended to; None where none is there to be read.

    Raises ForeignFileError for what the program cannot have put there: links, pipes and the like, files of other users
    or with a second name, and files of more than `max_bytes`. Raises OSError.
    """
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    flags |= os.O_RDONLY if mode == "rb" else os.O_WRONLY | os.O_APPEND
    if not os.path.lexists(path):
        if mode == "rb":
            return None
        with suppress(FileExistsError):
            return os.fdopen(os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666), mode)
    _check_own(path, os.lstat(path), max_bytes)
    file = os.fdopen(os.open(path, flags), mode)
    try:
        _check_own(path, os.fstat(file.fileno()), max_bytes)  # it may be another one by now
    except ForeignFileError:
        file.close()
        raise
    return file


def _check_own(path: Path, found: os.stat_result, max_bytes: int | None) -> None:
    """Raises ForeignFileError for what `open_own` does not open."""
    if stat.S_ISLNK(found.st_mode):
        raise ForeignFileError(f"{path} is a link, which is not followed")
    if not stat.S_ISREG(found.st_mode):
        raise ForeignFileError(f"{path} is no regular file")
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise ForeignFileError(f"{path} belongs to another user")
    if found.st_nlink > 1:
        raise ForeignFileError(f"{path} is a file that has another name as well")
    if max_bytes is not None and found.st_size > max_bytes:
        raise ForeignFileError(f"{path} has {found.st_size} bytes, of at most {max_bytes}")
