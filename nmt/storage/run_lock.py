"""One run to a folder: a lock that the kernel takes back when its process dies, however that happens."""

import logging
import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nmt.errors import CheckpointError
from nmt.storage.files import explain_disk_errors
from nmt.storage.locks import lock_file

logger = logging.getLogger(__name__)

NAME = ".lock"
"""Stays when the run has ended: a lock file that were removed could be locked by two at once."""


OWN_CONTENT = re.compile(rb"process \d+ on |\0*\Z")
"""How the content of a lock begins; zeros are what a disk had yet to write."""

FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""A link there is not followed, and no pipe waited for."""


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Makes the folder; inside, no other process can enter the same block for it.

    Raises CheckpointError at once if another process is in it, naming that process, and if something else has the name
    of the lock. On a file system without locks, such as some network drives, it says so and goes on.
    """
    with explain_disk_errors("begin a run in", folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | FLAGS, 0o666)
    try:
        _check_own(descriptor, folder)
        try:
            lock_file(descriptor)
        except BlockingIOError:
            raise CheckpointError(
                f"{folder} is busy: {_read_holder(descriptor)} is writing to it. Wait until that ends, stop it, or "
                "choose another output=..."
            ) from None
        except OSError as problem:
            logger.warning("%s cannot be locked (%s): see to it that no second run writes to it", folder, problem)
        with explain_disk_errors("write", folder / NAME):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _check_own(descriptor: int, folder: Path) -> None:
    """Raises CheckpointError for what no run has written, and what is therefore not written over."""
    is_own = stat.S_ISREG(os.fstat(descriptor).st_mode) and OWN_CONTENT.match(os.read(descriptor, 200))
    os.lseek(descriptor, 0, os.SEEK_SET)
    if not is_own:
        raise CheckpointError(
            f"{folder / NAME} is no lock of a run, and is left as it is. Move it away, or choose another output=..."
        )


def _read_holder(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
