"""Locks on files that the kernel takes back when their process ends, where the system has such."""

import errno
import os


def lock_file(descriptor: int) -> None:
    """Locks an open file or folder for this process alone, until it is closed.

    Raises BlockingIOError if another process has the lock, and any other OSError where there are no such locks: on some
    network drives, and on Windows.
    """
    try:
        import fcntl
    except ImportError:
        raise OSError(errno.ENOSYS, "this system has no locks on files") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except PermissionError as problem:  # how some file systems say that it is taken
        raise BlockingIOError(problem.errno, os.strerror(errno.EAGAIN)) from None
