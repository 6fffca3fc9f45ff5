"""Sentences as pictures: black on white, in one line, and cut into tiles."""

import math
import unicodedata
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nmt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

RIGHT_TO_LEFT = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI"})
"""Bidirectional classes of characters that are written from right to left."""

MARKS = frozenset({"Mn", "Mc", "Me"})
"""Categories of characters that are drawn onto the one before them."""

JOINERS = "\u200c\u200d"

MIN_HEIGHT, MAX_HEIGHT = 6, 200


class TextDrawer:
    """Draws a sentence as a picture of `height` pixels, in which the font is as large as its highest and lowest letters
    let it be. font: a TrueType or OpenType file; None: DejaVu Sans, which matplotlib brings along.

    Characters stand one beside the other in the order of the text: nothing is shaped, whatever libraries are there, so
    that a sentence looks the same everywhere. Raises ConfigError for a height out of range, and for a file that is no
    font.
    """

    def __init__(self, *, font: str | None = None, height: int = 13) -> None:
        if not MIN_HEIGHT <= height <= MAX_HEIGHT:
            raise ConfigError(f"model.source.height must be from {MIN_HEIGHT} to {MAX_HEIGHT} pixels; got {height}.")
        self.font, self.height = font, height
        if font is not None:
            _ = self._face, self._characters

    def draw(self, line: str) -> Float[ndarray, "height width"]:
        """Ink, from 0 (paper) to 1: the line without blanks around it, NFC, with every other blank one space wide.

        Raises DataError for a character that the font does not have, and for text that this cannot lay out.
        """
        from PIL import Image, ImageDraw

        text = self._normalize(line)
        width = math.ceil(self._face.getlength(text))
        picture = Image.new("L", (max(width, 1), self.height), 255)
        ImageDraw.Draw(picture).text((0, 0), text, font=self._face, fill=0)
        ink: ndarray = 1.0 - np.asarray(picture, dtype=np.float32)[:, :width] / 255.0
        return ink

    def list_starts(self, line: str) -> list[tuple[str, float]]:
        """The characters of a line that is drawn, and where each begins, in pixels. Raises DataError as `draw` does."""
        text = self._normalize(line)
        return [(character, self._face.getlength(text[:place])) for place, character in enumerate(text)]

    def _normalize(self, line: str) -> str:
        text = " ".join(unicodedata.normalize("NFC", line).split())
        self._check_text(text)
        return text

    def _check_text(self, text: str) -> None:
        for character in dict.fromkeys(text):
            if unicodedata.bidirectional(character) in RIGHT_TO_LEFT:
                raise DataError(
                    f"{_name(character)} is written from right to left, which model/source=rendered cannot draw. Use "
                    "model/source=tokens for this language."
                )
            if unicodedata.category(character) in MARKS or character in JOINERS:
                raise DataError(
                    f"{_name(character)} changes the shape of its neighbours, which model/source=rendered cannot draw. "
                    "Use model/source=tokens for this language."
                )
        for character in dict.fromkeys(text):
            if ord(character) not in self._characters:
                raise DataError(
                    f"The font {self.path} has no glyph for {_name(character)}. Give one that has it, with "
                    "model.source.font=FILE, or leave the line out."
                )

    @cached_property
    def path(self) -> Path:
        """The file of the font."""
        if self.font is not None:
            return Path(self.font).expanduser()
        from matplotlib import get_data_path

        return Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")

    @cached_property
    def _face(self) -> "FreeTypeFont":
        from PIL import ImageFont

        if not self.path.is_file():
            raise ConfigError(f"There is no file {self.path} (model.source.font).")
        try:
            for size in range(self.height, 0, -1):
                face = ImageFont.truetype(str(self.path), size, layout_engine=ImageFont.Layout.BASIC)
                if sum(face.getmetrics()) <= self.height or size == 1:
                    return face
            raise ValueError("it has no size")
        except (OSError, ValueError) as problem:
            raise ConfigError(f"{self.path} (model.source.font) is no font that can be read: {problem}.") from None

    @cached_property
    def _characters(self) -> frozenset[int]:
        """The code points that the font has glyphs for."""
        from matplotlib.ft2font import FT2Font

        try:
            return frozenset(FT2Font(str(self.path)).get_charmap())
        except (OSError, RuntimeError, ValueError) as problem:
            raise ConfigError(f"{self.path} (model.source.font) is no font that can be read: {problem}.") from None


def _name(character: str) -> str:
    shown = character if character.isprintable() and unicodedata.category(character) not in MARKS else ""
    name = unicodedata.name(character, "without a name")
    return f"{f'{shown!r} ' if shown else ''}(U+{ord(character):04X} {name})"


def cut_tiles(picture: Float[ndarray, "height width"], stride: int) -> Float[ndarray, "tile height {stride}"]:
    """Columns n stride .. (n + 1) stride of the picture for tile n, at least one; the last is filled up with paper."""
    height, width = picture.shape
    tiles = max(1, -(-width // stride))
    padded = np.zeros((height, tiles * stride), dtype=np.float32)
    padded[:, :width] = picture
    return np.ascontiguousarray(padded.reshape(height, tiles, stride).transpose(1, 0, 2))
