"""Checkpoints: complete or not there at all, whatever interrupts the run."""

import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nmt.errors import CheckpointError, ConfigError
from nmt.storage import files, manifest
from nmt.storage.files import TEMPORARY_PREFIX, explain_disk_errors, fsync

log = logging.getLogger(__name__)

REPLACED_PREFIX = f"{TEMPORARY_PREFIX}replaced-"
"""Begins the name of a checkpoint while another takes its place."""

REMOVABLE_FILES = (
    manifest.NAME,
    "model.safetensors",
    "state.safetensors",
    "state.json",
    "config.json",
    "lexicon.safetensors",
    "data.json",
    "spm*.model",
)


WEIGHTS_AND_STATE = ("model.safetensors", "state.safetensors")
"""What every complete checkpoint has; a light one has neither."""


class CheckpointInfo(NamedTuple):
    """A checkpoint that is still complete: what step it holds, and how good that was (None: never measured)."""

    step: int
    value: float | None
    folder: Path


class Checkpoints:
    """The folder `checkpoints/` of a run: `step-000400/` and the like, with the pointers `last` and `best`.

    A checkpoint is written under a temporary name, forced to disk, sealed with a manifest and renamed, so a kill or a
    full disk at any moment leaves the earlier ones untouched. The `keep_last` newest, the `keep_last` newest that were
    measured, and the `keep_best` best (by the value given to `write`, larger being better, of equals the earlier) stay
    complete; from the others only model and state are removed, and scores, hypotheses and pictures remain. What `last`
    and `best` point to always stays.
    """

    def __init__(self, folder: Path, *, keep_last: int, keep_best: int) -> None:
        if keep_last < 1:
            raise ConfigError(f"keep_last must be at least 1, or nothing could be resumed; got {keep_last}.")
        if keep_best < 0:
            raise ConfigError(f"keep_best must be 0 or more; got {keep_best}.")
        self.folder = folder
        self.keep_last = keep_last
        self.keep_best = keep_best
        self._damaged: set[Path] = set()

    @contextmanager
    def write(self, step: int, value: float | None = None) -> Iterator[Path]:
        """Yields an empty folder to fill; when the block ends it is the checkpoint of this step, in one instant.

        If the block raises, nothing is left of it. Replaces a checkpoint of the same step. Raises CheckpointError,
        with the path, if something cannot be written.
        """
        final = self.folder / f"step-{step:06d}"
        writing = self.folder / f"{TEMPORARY_PREFIX}{final.name}"
        with explain_disk_errors("write checkpoint", final):
            shutil.rmtree(writing, ignore_errors=True)
            writing.mkdir(parents=True)
            try:
                yield writing
                manifest.seal(writing, value)
                self._publish(writing, final)
            except BaseException:
                shutil.rmtree(writing, ignore_errors=True)
                raise
            self._write_pointers(final)
            self._prune()

    def recover(self) -> None:
        """Removes what dead runs left unfinished; to be called once, before the first write.

        Nothing is removed where a checkpoint has lost its manifest: `find_newest` says what to do.
        """
        with explain_disk_errors("tidy", self.folder):
            for replaced in self.folder.glob(f"{REPLACED_PREFIX}*"):
                final = self.folder / replaced.name.removeprefix(REPLACED_PREFIX)
                if not final.exists():  # the run died before the new one was there
                    replaced.rename(final)
            if self._find_unsealed():
                return
            files.remove_unfinished(self.folder)
            for _, folder in self._list_folders():
                if not (folder / manifest.NAME).exists():
                    _drop_weights(folder)

    def find_newest(self) -> Path | None:
        """The newest checkpoint that is sound, hashes and all; damaged newer ones are skipped with a warning.

        Raises CheckpointError where there are checkpoints and all are damaged: to begin again from nothing is for a
        person to decide.
        """
        complaints: list[str] = []
        unsealed = self._find_unsealed()
        for _, folder in reversed(self._list_folders()):
            if not (folder / manifest.NAME).exists() and folder not in unsealed:
                continue
            if not (found := manifest.find_problems(folder)):
                return folder
            complaints.append(f"{folder}: {'; '.join(found)}")
            self._damaged.add(folder)
            log.warning("Checkpoint %s is damaged and is skipped: %s", folder, "; ".join(found))
        if complaints:
            raise CheckpointError(
                "Every checkpoint of this run is damaged:",
                *(f"  {complaint}" for complaint in complaints),
                f"Put back a sound copy of one, or remove {self.folder} to train from the beginning.",
            )
        return None

    def list_complete(self) -> list[CheckpointInfo]:
        """The checkpoints that are complete (judged by sizes) and that `find_newest` did not skip, in the order "
        "of steps."""
        return [
            CheckpointInfo(step, manifest.read_value(folder), folder)
            for step, folder in self._list_folders()
            if folder not in self._damaged and not manifest.find_problems(folder, hashes=False)
        ]

    def _list_folders(self) -> list[tuple[int, Path]]:
        found = ((re.fullmatch(r"step-(\d{6,})", path.name), path) for path in self.folder.glob("step-*"))
        return sorted((int(match[1]), path) for match, path in found if match)

    def _find_unsealed(self) -> set[Path]:
        """The checkpoints that lost their manifest otherwise than by `_drop_weights`, which is damage.

        `_drop_weights` leaves what `last` points to, and works only while there is a newer sealed checkpoint.
        """
        found = {self.folder / os.readlink(self.folder / "last")} if self._is_pointer("last") else set()
        for _, folder in reversed(self._list_folders()):
            if (folder / manifest.NAME).exists():
                break
            if any((folder / name).exists() for name in WEIGHTS_AND_STATE):
                found.add(folder)
        return {folder for folder in found if folder.is_dir() and not (folder / manifest.NAME).exists()}

    def _publish(self, writing: Path, final: Path) -> None:
        replaced = self.folder / f"{REPLACED_PREFIX}{final.name}"
        if final.exists():  # a folder can only be renamed onto an empty one
            final.rename(replaced)
        try:
            writing.rename(final)
        except OSError:
            if replaced.exists():
                replaced.rename(final)
            raise
        self._damaged.discard(final)
        fsync(self.folder)
        shutil.rmtree(replaced, ignore_errors=True)

    def repair_pointers(self, newest: Path) -> None:
        """Lets `last` and `best` say what is so, as a run may have died, or its disk failed, before it came to that."""
        with explain_disk_errors("point to", newest):
            self._write_pointers(newest)

    def _write_pointers(self, newest: Path) -> None:
        """`last` to the newest checkpoint, `best` to the best that is left, if any was measured."""
        pointers = {"last": newest}
        if best := self._rank():
            pointers["best"] = best[0].folder
        for name, target in pointers.items():
            temporary = self.folder / f"{TEMPORARY_PREFIX}{name}"
            temporary.unlink(missing_ok=True)
            os.symlink(target.name, temporary)
            os.replace(temporary, self.folder / name)
        fsync(self.folder)

    def _rank(self) -> list[CheckpointInfo]:
        measured = [entry for entry in self.list_complete() if entry.value is not None]
        return sorted(measured, key=lambda entry: (-(entry.value or 0.0), entry.step))

    def _prune(self) -> None:
        """Makes light what need not stay. The manifest goes first: from then on the folder is no checkpoint."""
        kept = self.list_complete()
        measured = [entry for entry in kept if entry.value is not None]
        # An interruption's pushes none of these out, and goes when there are enough of them, so that a run that was
        # stopped leaves what one leaves that was not.
        most = 1 if len(measured) >= self.keep_last else self.keep_last
        newest = (*kept[-most:], *measured[-self.keep_last :])
        stays = {entry.folder for entry in (*newest, *self._rank()[: self.keep_best])}
        stays |= {self.folder / os.readlink(self.folder / name) for name in ("last", "best") if self._is_pointer(name)}
        for _, folder in self._list_folders():
            if folder not in stays:
                _drop_weights(folder)

    def _is_pointer(self, name: str) -> bool:
        return (self.folder / name).is_symlink()


def _drop_weights(folder: Path) -> None:
    for pattern in REMOVABLE_FILES:
        for path in folder.glob(pattern):
            path.unlink()
    if not any(folder.iterdir()):  # that of an interruption holds nothing that stays
        folder.rmdir()
