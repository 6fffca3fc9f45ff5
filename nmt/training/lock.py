"""One run to a folder: a lock that the kernel takes back when its process dies, however that happens."""

import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nmt.errors import CheckpointError
from nmt.training.files import explained

logger = logging.getLogger(__name__)

NAME = ".lock"
"""Stays when the run has ended: a lock file that were removed could be locked by two at once."""

HELD = {errno.EAGAIN, errno.EACCES}


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Makes the folder; inside, no other process can enter the same block for it.

    Raises CheckpointError at once if another process is in it, naming that process. On a file system without locks,
    such as some network drives, it says so and goes on.
    """
    with explained("begin a run in", folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            if problem.errno in HELD:
                raise CheckpointError(
                    f"{folder} is busy: {_holder(descriptor)} is writing to it. Wait until that ends, stop it, or "
                    "choose another output=..."
                ) from None
            logger.warning("%s cannot be locked (%s): see to it that no second run writes to it", folder, problem)
        with explained("write", folder / NAME):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
