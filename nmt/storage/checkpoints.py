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
from nmt.storage.files import WRITING, explained, sync

log = logging.getLogger(__name__)

REPLACED = f"{WRITING}replaced-"
"""Begins the name of a checkpoint while another takes its place."""

HEAVY = (
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


class Kept(NamedTuple):
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
        writing = self.folder / f"{WRITING}{final.name}"
        with explained("write checkpoint", final):
            shutil.rmtree(writing, ignore_errors=True)
            writing.mkdir(parents=True)
            try:
                yield writing
                manifest.seal(writing, value)
                self._publish(writing, final)
            except BaseException:
                shutil.rmtree(writing, ignore_errors=True)
                raise
            self._point(final)
            self._prune()

    def tidy(self) -> None:
        """Removes what dead runs left unfinished; to be called once, before the first write.

        Nothing is removed where a checkpoint has lost its manifest: `newest` says what to do.
        """
        with explained("tidy", self.folder):
            for replaced in self.folder.glob(f"{REPLACED}*"):
                final = self.folder / replaced.name.removeprefix(REPLACED)
                if not final.exists():  # the run died before the new one was there
                    replaced.rename(final)
            if self._find_unsealed():
                return
            files.tidy(self.folder)
            for _, folder in self._folders():
                if not (folder / manifest.NAME).exists():
                    _lighten(folder)

    def newest(self) -> Path | None:
        """The newest checkpoint that is sound, hashes and all; damaged newer ones are skipped with a warning.

        Raises CheckpointError where there are checkpoints and all are damaged: to begin again from nothing is for a
        person to decide.
        """
        complaints: list[str] = []
        unsealed = self._find_unsealed()
        for _, folder in reversed(self._folders()):
            if not (folder / manifest.NAME).exists() and folder not in unsealed:
                continue
            if not (found := manifest.problems(folder)):
                return folder
            complaints.append(f"{folder}: {'; '.join(found)}")
            self._damaged.add(folder)
            log.warning("Checkpoint %s is damaged and is skipped: %s", folder, "; ".join(found))
        if complaints:
            raise CheckpointError(
                "Every checkpoint of this run is damaged:\n  "
                + "\n  ".join(complaints)
                + f"\nPut back a sound copy of one, or remove {self.folder} to train from the beginning."
            )
        return None

    def kept(self) -> list[Kept]:
        """The checkpoints that are complete (judged by sizes) and that `newest` did not skip, in the order of steps."""
        return [
            Kept(step, manifest.value(folder), folder)
            for step, folder in self._folders()
            if folder not in self._damaged and not manifest.problems(folder, hashes=False)
        ]

    def _folders(self) -> list[tuple[int, Path]]:
        found = ((re.fullmatch(r"step-(\d{6,})", path.name), path) for path in self.folder.glob("step-*"))
        return sorted((int(match[1]), path) for match, path in found if match)

    def _find_unsealed(self) -> set[Path]:
        """The checkpoints that lost their manifest otherwise than by `_lighten`, which is damage.

        `_lighten` leaves what `last` points to, and works only while there is a newer sealed checkpoint.
        """
        found = {self.folder / os.readlink(self.folder / "last")} if self._points("last") else set()
        for _, folder in reversed(self._folders()):
            if (folder / manifest.NAME).exists():
                break
            if any((folder / name).exists() for name in WEIGHTS_AND_STATE):
                found.add(folder)
        return {folder for folder in found if folder.is_dir() and not (folder / manifest.NAME).exists()}

    def _publish(self, writing: Path, final: Path) -> None:
        replaced = self.folder / f"{REPLACED}{final.name}"
        if final.exists():  # a folder can only be renamed onto an empty one
            final.rename(replaced)
        try:
            writing.rename(final)
        except OSError:
            if replaced.exists():
                replaced.rename(final)
            raise
        self._damaged.discard(final)
        sync(self.folder)
        shutil.rmtree(replaced, ignore_errors=True)

    def settle(self, newest: Path) -> None:
        """Lets `last` and `best` say what is so, as a run may have died, or its disk failed, before it came to that."""
        with explained("point to", newest):
            self._point(newest)

    def _point(self, newest: Path) -> None:
        """`last` to the newest checkpoint, `best` to the best that is left, if any was measured."""
        pointers = {"last": newest}
        if best := self._ranked():
            pointers["best"] = best[0].folder
        for name, target in pointers.items():
            temporary = self.folder / f"{WRITING}{name}"
            temporary.unlink(missing_ok=True)
            os.symlink(target.name, temporary)
            os.replace(temporary, self.folder / name)
        sync(self.folder)

    def _ranked(self) -> list[Kept]:
        measured = [entry for entry in self.kept() if entry.value is not None]
        return sorted(measured, key=lambda entry: (-(entry.value or 0.0), entry.step))

    def _prune(self) -> None:
        """Makes light what need not stay. The manifest goes first: from then on the folder is no checkpoint."""
        kept = self.kept()
        measured = [entry for entry in kept if entry.value is not None]
        # An interruption's pushes none of these out, and goes when there are enough of them, so that a run that was
        # stopped leaves what one leaves that was not.
        most = 1 if len(measured) >= self.keep_last else self.keep_last
        newest = (*kept[-most:], *measured[-self.keep_last :])
        stays = {entry.folder for entry in (*newest, *self._ranked()[: self.keep_best])}
        stays |= {self.folder / os.readlink(self.folder / name) for name in ("last", "best") if self._points(name)}
        for _, folder in self._folders():
            if folder not in stays:
                _lighten(folder)

    def _points(self, name: str) -> bool:
        return (self.folder / name).is_symlink()


def _lighten(folder: Path) -> None:
    for pattern in HEAVY:
        for path in folder.glob(pattern):
            path.unlink()
    if not any(folder.iterdir()):  # that of an interruption holds nothing that stays
        folder.rmdir()
