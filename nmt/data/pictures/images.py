"""A corpus of picture files with captions: a table of both, or a folder in which each picture has a text beside it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nmt.data import held_out, lines
from nmt.data.corpus import Bitext, Split
from nmt.data.pictures.boxes import parse_boxes
from nmt.data.pictures.reading import open_picture
from nmt.errors import DataError
from nmt.printable import shorten

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".ppm", ".webp", ".tif", ".tiff"})
"""Of files in a folder that are pictures."""

CAPTION_SUFFIX = ".txt"


class CaptionedPicture(NamedTuple):
    """A picture and one of its captions; `where` is the place in a file that says so. boxes: as in `Bitext`."""

    path: Path
    caption: str
    where: str
    boxes: str = ""


class Images:
    """Pictures with captions. Each split is a table or a folder.

    A table has a line for each caption: the path of a picture, from the folder of the table, a tab, and the caption;
    where a third column follows, it has boxes of the caption's words, in pixels of the picture, as
    `word:left,top,right,bottom` with words counted from 0. In a folder, NAME.txt has the captions of NAME.png or
    NAME.jpg, one a line. `validation` may be a number: so many pictures are split off from the training set.

    Source lines are paths of the pictures. All methods raise DataError where a file is missing; `load` also where a
    picture cannot be opened, with the file and the line that name it.
    """

    def __init__(self, *, target_language: str, train: str, validation: str | int, test: str | None = None) -> None:
        self.source_language, self.target_language = "zxx", target_language
        self.validation_pairs: int | None = None
        self.places: dict[Split, str] = {"train": train}
        if isinstance(validation, int):
            held_out.check_pairs(validation, setting="data.validation")
            self.validation_pairs = validation
        else:
            self.places["validation"] = validation
        if test is not None:
            self.places["test"] = test

    def check(self) -> None:
        for split, place in self.places.items():
            if not Path(place).expanduser().is_dir():
                lines.check(place, setting=f"data.{split}", tables=True, regular=True)

    def get_identity(self) -> dict[str, Any]:
        """Where the pictures are, their captions, and sizes and times of the files."""
        found: dict[str, Any] = {"corpus": "images", "validation pairs": self.validation_pairs}
        for split in self.places:
            digest = hashlib.sha256()
            for picture in self._list_pictures(split):
                about = picture.path.stat()
                parts = (picture.path, picture.caption, picture.boxes, about.st_size, about.st_mtime_ns)
                digest.update("\0".join(map(str, parts)).encode("utf-8", "surrogateescape") + b"\n")
            found[split] = digest.hexdigest()
        return found

    def load(self, split: Split) -> Bitext | None:
        return held_out.load_split(self._read, split, self.validation_pairs, setting="data.validation")

    def describe_line(self, split: Split, place: int) -> str:
        """The file that names a picture of a split, and the line in it."""
        of: Split = split
        if self.validation_pairs is not None and split != "test":
            of, text = "train", self._read("train")
            assert text is not None
            place = held_out.find_place([text], self.validation_pairs, split, place, setting="data.validation")
        return [picture.where for picture in self._list_pictures(of)][place]

    def _read(self, split: Split) -> Bitext | None:
        if split not in self.places:
            return None
        pictures = list(self._list_pictures(split))
        for picture in pictures:
            open_picture(picture.path, where=picture.where).close()
        boxes = [picture.boxes for picture in pictures]
        return Bitext(
            [str(picture.path) for picture in pictures],
            [picture.caption for picture in pictures],
            boxes=boxes if any(boxes) else None,
        )

    def _list_pictures(self, split: Split) -> Iterator[CaptionedPicture]:
        """The pictures of a split with their captions. Raises DataError where there are none, or one is missing."""
        place = Path(self.places[split]).expanduser()
        setting = f"data.{split}"
        found = _read_folder(place, setting) if place.is_dir() else _read_table(place, setting)
        empty = True
        for picture in found:
            empty = False
            if not picture.path.is_file():
                raise DataError(f"{picture.where}: there is no picture {shorten(picture.path)}.")
            if "\n" in str(picture.path):
                raise DataError(f"{picture.where}: the name of a picture must not have a line end.")
            yield picture
        if empty:
            raise DataError(f"{place} ({setting}) has no pictures with captions.")


def _read_table(path: Path, setting: str) -> Iterator[CaptionedPicture]:
    lines.check(path, setting=setting, tables=True, regular=True)
    for number, line in enumerate(lines.stream(path, tables=True), 1):
        where = f"{shorten(path)}, line {number}"
        if not line.strip():
            continue
        columns = line.split("\t")
        if not 2 <= len(columns) <= 3 or not all(column.strip() for column in columns[:2]):
            raise DataError(
                f"{where}: a picture, a tab and a caption were expected; got {len(columns)} "
                f"column{'s' if len(columns) > 1 else ''}: {shorten(line, 60)!r}."
            )
        boxes = columns[2] if len(columns) == 3 else ""
        parse_boxes(boxes, where=where)
        yield CaptionedPicture(path.parent / Path(columns[0].strip()).expanduser(), columns[1], where, boxes)


def _read_folder(folder: Path, setting: str) -> Iterator[CaptionedPicture]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    for path in found:
        captions = path.with_suffix(CAPTION_SUFFIX)
        if not captions.is_file():
            raise DataError(
                f"{shorten(path)} ({setting}) has no caption: there is no file {shorten(captions.name)} beside it."
            )
        for number, line in enumerate(lines.stream(captions), 1):
            if line.strip():
                yield CaptionedPicture(path, line, f"{shorten(captions)}, line {number}")
