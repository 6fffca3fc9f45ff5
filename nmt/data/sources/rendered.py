"""Source lines that are drawn."""

from itertools import pairwise

import numpy as np

from nmt.data.pictures.boxes import Box
from nmt.data.pictures.drawing import TextDrawer, cut_tiles
from nmt.data.pictures.source_picture import SourcePicture
from nmt.data.sources.reader import FeatureReader, Features
from nmt.errors import ConfigError

MAX_STRIDE = 1000


class RenderedReader(FeatureReader):
    """A line as tiles [tile, height, stride] of its picture, from left to right; see `TextDrawer`.

    font, height: as there. Raises ConfigError for a number that is out of range.
    """

    def __init__(self, *, font: str | None = None, height: int = 13, stride: int = 10) -> None:
        super().__init__(font=font, height=height, stride=stride)
        if not 1 <= stride <= MAX_STRIDE:
            raise ConfigError(f"model.source.stride must be from 1 to {MAX_STRIDE} pixels; got {stride}.")
        self.drawer = TextDrawer(font=font, height=height)
        self.stride = stride
        self.feature_shape = (height, stride)

    def read(self, line: str) -> Features:
        return cut_tiles(self.drawer.draw(line), self.stride)

    def split_words(self, line: str) -> list[str]:
        """For each tile, the characters that begin in it."""
        count, starts = len(self.read_any(line)), self.drawer.list_starts(line)
        bounds = range(0, (count + 1) * self.stride, self.stride)
        return ["".join(c for c, x in starts if low <= x < high) for low, high in pairwise(bounds)]

    def show(self, line: str) -> SourcePicture:
        tiles = self.read(line)
        paper = np.round(255 * (1.0 - np.concatenate(list(tiles), axis=1))).astype(np.uint8)
        bounds = range(0, (len(tiles) + 1) * self.stride, self.stride)
        regions = [Box(left, 0, right, len(paper)) for left, right in pairwise(bounds)]
        return SourcePicture(np.repeat(paper[:, :, None], 3, axis=2), regions)
