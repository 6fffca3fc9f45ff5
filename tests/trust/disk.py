"""A disk between the program and the disk: it counts every call that changes something below a folder, and strikes."""

import builtins
import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from safetensors import SafetensorError

Strike = Callable[[int, "Disk"], None]
"""Is told the number of a call before it is made; may raise, or kill."""

ONE_PATH = ("mkdir", "unlink", "rmdir", "chmod")
TWO_PATHS = ("rename", "replace", "symlink")


class Disk:
    """Installed by `install`. `calls`: what was done so far, such as `fsync checkpoints/step-000004`."""

    def __init__(self, root: Path, strike: Strike | None = None, *, only: str = "") -> None:
        self.root = os.path.realpath(root)
        self.strike = strike
        self.only = only
        self.calls: list[str] = []
        self.tear: Callable[[], None] = lambda: None

    def count_call(self, deed: str, path: Any, tear: Callable[[], None] = lambda: None) -> None:
        """Counts a call; `tear` does half of it, for strikes that leave it so."""
        absolute = os.path.abspath(os.fspath(path))
        if not absolute.startswith(self.root + os.sep) or self.only not in absolute:
            return
        self.calls.append(f"{deed} {os.path.relpath(absolute, self.root)}")
        self.tear = tear
        if self.strike is not None:
            self.strike(len(self.calls) - 1, self)

    def install(self, patch: pytest.MonkeyPatch) -> "Disk":
        """Puts itself between; `patch` takes it away again."""
        for name in ONE_PATH:
            patch.setattr(os, name, self._wrap_one_path(name, getattr(os, name)))
        for name in TWO_PATHS:
            patch.setattr(os, name, self._wrap_two_paths(name, getattr(os, name)))
        fsync = os.fsync

        def count_fsync(descriptor: int) -> None:
            self.count_call("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
            fsync(descriptor)

        patch.setattr(os, "fsync", count_fsync)
        patch.setattr(io, "open", self._wrap_open(io.open))
        patch.setattr(builtins, "open", self._wrap_open(builtins.open))
        patch.setattr("nmt.storage.files.save_file", self._save)
        return self

    def _wrap_one_path(self, name: str, real: Any) -> Any:
        def call(path: Any, *arguments: Any, dir_fd: int | None = None, **more: Any) -> Any:
            self.count_call(
                name, path if dir_fd is None else os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), path)
            )
            return real(path, *arguments, **(more if dir_fd is None else {**more, "dir_fd": dir_fd}))

        return call

    def _wrap_two_paths(self, name: str, real: Any) -> Any:
        def call(source: Any, target: Any, **more: Any) -> Any:
            self.count_call(name, target)
            return real(source, target, **more)

        return call

    def _wrap_open(self, real: Any) -> Any:
        def open_file(file: Any, mode: str = "r", *arguments: Any, **more: Any) -> Any:
            if isinstance(file, int) or not set(mode) & set("wax+"):
                return real(file, mode, *arguments, **more)
            self.count_call("open", file)
            return FileProxy(real(file, mode, *arguments, **more), file, self)

        return open_file

    def _save(self, tensors: Any, path: Any) -> None:
        def tear() -> None:
            safetensors.torch.save_file(tensors, path)
            os.truncate(path, os.stat(path).st_size // 2)

        try:
            self.count_call("write", path, tear)
        except OSError as problem:  # as safetensors says it
            told = f"Error while serializing: I/O error: {problem.strerror} (os error {problem.errno})"
            raise SafetensorError(told) from None
        safetensors.torch.save_file(tensors, path)


class FileProxy:
    """A file that is written to, with the disk between."""

    def __init__(self, file: Any, path: Any, disk: Disk) -> None:
        self._file, self._path, self._disk = file, path, disk

    def write(self, data: Any) -> Any:
        def tear() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        self._disk.count_call("write", self._path, tear)
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "FileProxy":
        return self

    def __exit__(self, *exception: Any) -> None:
        self._file.close()

    def __iter__(self) -> Any:
        return iter(self._file)


def fail_at(at: int, number: int) -> Strike:
    """Makes one call fail with an error of the operating system."""

    def strike(call: int, disk: Disk) -> None:
        if call == at:
            raise OSError(number, os.strerror(number), disk.calls[-1])

    return strike


ERRORS = (errno.ENOSPC, errno.EIO)
