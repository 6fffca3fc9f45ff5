"""A corpus of recordings: tables that name a file of frames and its transcript."""

import hashlib
import os
from pathlib import Path
from typing import Any

from nmt.data import held_out, lines
from nmt.data.corpus import Bitext, Split
from nmt.data.sources.npy import check_regular
from nmt.data.tasks import NO_LANGUAGE
from nmt.errors import DataError


class VectorFiles:
    """Each split is a file whose lines are `name.npy<TAB>transcript`, where names are relative to that file's folder;
    numbers may stand in place of a name, as in `nmt.data.sources.vectors`.

    validation: another such file, or a number of lines that are split off from those of training. All methods raise
    DataError where a file is missing or a line has no two columns.
    """

    def __init__(
        self,
        *,
        target_language: str,
        train: str,
        validation: str | int,
        test: str | None = None,
        source_language: str = NO_LANGUAGE,
        errors: lines.Errors = "strict",
    ) -> None:
        self.source_language, self.target_language, self.errors = source_language, target_language, errors
        self.files: dict[Split, str] = {"train": train}
        self.validation_pairs: int | None = None
        if isinstance(validation, str):
            self.files["validation"] = validation
        else:
            held_out.check_pairs(validation, setting="data.validation")
            self.validation_pairs = validation
        if test is not None:
            self.files["test"] = test

    def check(self) -> None:
        for split, path in self.files.items():
            lines.check(path, setting=f"data.{split}", errors=self.errors, tables=True, regular=True)

    def describe_line(self, split: Split, place: int) -> str:
        """The file of a line of a split, and its number there."""
        if self.validation_pairs is None or split == "test":
            return f"{self.files[split]}, line {place + 1}"
        text = self._read("train")
        assert text is not None
        place = held_out.find_place([text], self.validation_pairs, split, place, setting="data.validation")
        return f"{self.files['train']}, line {place + 1}"

    def get_identity(self) -> dict[str, Any]:
        """Hashes of the content, that of the files which lines name included."""
        hashes: dict[str, Any] = {split: self._hash(split) for split in self.files}
        if self.validation_pairs is not None:
            hashes["validation"] = {"pairs": self.validation_pairs}
        return {"corpus": "vectors", "errors": self.errors} | hashes

    def load(self, split: Split) -> Bitext | None:
        return held_out.load_split(self._read, split, self.validation_pairs, setting="data.validation")

    def _read(self, split: Split) -> Bitext | None:
        path = self.files.get(split)
        if path is None:
            return None
        sources: list[str] = []
        targets: list[str] = []
        folder = os.path.dirname(os.path.expanduser(path))
        for number, line in enumerate(lines.stream(path, self.errors, setting="data.errors", tables=True), start=1):
            columns = line.split("\t")
            if len(columns) != 2:
                raise DataError(
                    f"{path} (data.{split}), line {number} has {len(columns)} columns; name.npy, a tab and the "
                    f"transcript are needed. It begins {line[:60]!r}."
                )
            name = columns[0].strip()
            source = os.path.join(folder, name) if name.endswith(".npy") else columns[0]
            sources.append(source)
            targets.append(columns[1])
        if not sources:
            raise DataError(f"{path} (data.{split}) is empty; it should hold name.npy, a tab and a transcript a line.")
        return Bitext(sources, targets)

    def _hash(self, split: Split) -> str:
        text = self._read(split)
        assert text is not None
        total = hashlib.sha256()
        for number, (source, target) in enumerate(zip(text.source, text.target, strict=True), start=1):
            total.update(f"{target}\n".encode())
            if not source.endswith(".npy"):
                total.update(source.encode())
                continue
            try:
                check_regular(Path(source), source)
                with open(source, "rb") as file:
                    total.update(hashlib.file_digest(file, "sha256").digest())
            except DataError as problem:
                raise DataError(f"{self.files[split]}, line {number}: {problem}") from None
            except OSError as problem:
                raise DataError(
                    f"{self.files[split]}, line {number}: {source} cannot be read: {problem.strerror}."
                ) from None
        return total.hexdigest()
