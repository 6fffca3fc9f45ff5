"""Pictures of the attention between given sentences: which are drawn, and into which folder."""

import logging
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nmt.errors import ConfigError, DataError
from nmt.storage.new_files import open_replacement, remove_abandoned

if TYPE_CHECKING:
    from nmt.data.pictures.source_picture import SourcePicture
    from nmt.data.sources.reader import SourceReader
    from nmt.evaluation.alignment import Gold
    from nmt.report.formats import Format

logger = logging.getLogger(__name__)

PICTURE_NAME = re.compile(r"(\d{3,})(-maps|-encoder|-decoder|-source)?\.(png|pdf|svg|json|html)")


@dataclass(frozen=True, kw_only=True)
class HeatmapSettings:
    """Pictures of the weights of the first `limit` pairs, in `folder`; None for no pictures. `formats`: each picture is
    a file of every one of these. `maps`: also the weights of every layer and head. `layer`, `head`: from 1, of the
    attention to the source that is drawn; None for those whose links are written, and for the mean over heads."""

    folder: str | None
    limit: int
    formats: list[Literal["png", "pdf", "svg"]]
    maps: bool = False
    layer: int | None = None
    head: int | None = None

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ConfigError(
                f"heatmaps.limit is a number of pairs and must be 1 or more; got {self.limit}. For no pictures leave "
                "heatmaps.folder out."
            )
        for name in ("layer", "head"):
            if (number := getattr(self, name)) is not None and number < 1:
                raise ConfigError(f"heatmaps.{name} counts from 1; got {number}.")
        chosen = {"maps": self.maps, "layer": self.layer is not None, "head": self.head is not None}
        if self.folder is None and any(chosen.values()):
            named = ", ".join(f"heatmaps.{name}" for name, is_chosen in chosen.items() if is_chosen)
            raise ConfigError(
                f"{named} says what is drawn, and without heatmaps.folder nothing is. Add heatmaps.folder=FOLDER, or "
                "leave it out."
            )
        if not self.formats:
            raise ConfigError("heatmaps.formats=[] names no format. Choose from png, pdf and svg, such as [pdf,svg].")

    def is_picture(self, name: str) -> bool:
        """Whether a picture may be written to a file of this name."""
        parts = PICTURE_NAME.fullmatch(name)
        if parts is None or (parts[2] is not None and not self.maps):
            return False
        if parts[3] not in (self.formats if parts[2] != "-maps" else ("json", "html")):
            return False
        digits = parts[1].lstrip("0")  # of thousands of digits Python makes no number
        return (
            len(digits) <= len(str(self.limit))
            and parts[1] == f"{int(digits or 0):03d}"
            and (1 <= int(digits or 0) <= self.limit)
        )

    def list_pictures(self, names: Iterable[str]) -> list[Path]:
        """Where pictures may be written, of those that have one of these names."""
        return [Path(self.folder).expanduser() / name for name in names if self.folder and self.is_picture(name)]


def check_folder(heatmaps: HeatmapSettings) -> None:
    """Raises DataError where pictures cannot be written: into what is no folder, or in place of what is no file."""
    if heatmaps.folder is None:
        return
    folder = Path(heatmaps.folder).expanduser()
    named = f"heatmaps.folder={heatmaps.folder}"
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
        if not there.is_dir():
            raise DataError(f"{named} cannot be a folder: {there} is a file, or a link to nowhere. Choose another.")
        if not os.access(there, os.W_OK | os.X_OK):
            raise DataError(f"{named} cannot be written: {there} may not be written to. Choose another.")
        for entry in os.scandir(folder) if there == folder else ():
            if heatmaps.is_picture(entry.name) and not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                raise DataError(
                    f"{named}: {folder / entry.name} is a link, a pipe, a folder or the like, and a picture would take "
                    "its place. Remove it, or choose another folder."
                )
        remove_abandoned(folder)
    except OSError as problem:
        raise DataError(f"{named} cannot be written: {problem.strerror}. Choose another.") from None


def draw_heatmaps(
    heatmaps: HeatmapSettings,
    weights: Sequence[Any],
    source: Sequence[str],
    target: Sequence[str],
    gold: "Sequence[Gold] | None",
    first: int,
    *,
    reader: "SourceReader | None" = None,
) -> None:
    """Pictures of those of the pairs first, first + 1, ... that are to be drawn. reader: of source lines; None where
    they are text."""
    if heatmaps.folder is None or first >= heatmaps.limit:
        return
    from nmt.evaluation.pointing import show_source

    folder = Path(heatmaps.folder).expanduser()
    split = str.split if reader is None else reader.split_words
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place, each in enumerate(weights[: heatmaps.limit - first], start=first):
            words, links = (split(source[place]), target[place].split()), None if gold is None else gold[place]
            shown = None if reader is None else show_source(reader, source[place])
            pictures = render_heatmap(
                each, *words, place + 1, links, heatmaps.formats, shown, source[place] if shown else None
            )
            for ending, picture in pictures.items():
                with open_replacement(folder / f"{place + 1:03d}.{ending}", sync=False) as file:
                    file.write(picture)
    except OSError as problem:
        raise DataError(f"heatmaps.folder={folder} cannot be written: {problem.strerror}.") from None


def render_heatmap(
    weights: Any,
    source: list[str],
    target: list[str],
    number: int,
    gold: "Gold | None",
    formats: "Sequence[Format]",
    shown: "SourcePicture | None" = None,
    line: str | None = None,
) -> dict[str, bytes]:
    """The picture of one pair in each format; none, with a warning, where it is too large or cannot be drawn: links are
    worth more than pictures of them. shown: the picture that the source is, and `line` is what names it."""
    from nmt.report.formats import encode
    from nmt.report.heatmap import explain_size
    from nmt.report.picture_maps import draw_alignment

    reason = explain_size(weights) if shown is None or shown.is_strip else None
    if reason is None:
        try:
            named = " ".join(source) if line is None else line
            title = f"line {number}: {named}"
            figure = draw_alignment(weights, source, target, picture=shown, title=title, gold=gold)
            return {ending: encode(figure, ending, dpi=120) for ending in formats}
        except Exception as problem:  # of the library that draws
            reason = repr(problem)
    logger.warning("line %d is not drawn (heatmaps.folder): %s", number, reason)
    return {}
