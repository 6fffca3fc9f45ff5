"""Source lines that name picture files."""

from typing import ClassVar

import numpy as np

from nmt.data.pictures.boxes import Box
from nmt.data.pictures.reading import read_picture
from nmt.data.pictures.source_picture import SourcePicture
from nmt.data.sources.reader import FeatureReader, Features, SourceItem
from nmt.errors import ConfigError

MAX_SIZE, MAX_LAYERS = 512, 8


class PixelReader(FeatureReader):
    """A line names a picture, which is scaled to `size` x `size` pixels; an item is its cells [cell, height, width, 3]
    of 2^layers pixels a side, row by row, with numbers from 0 to 1. Paths are relative to the working directory.

    Raises ConfigError for a size that is no multiple of 2^layers.
    """

    is_grid: ClassVar[bool] = True

    def __init__(self, *, size: int = 32, layers: int = 2) -> None:
        super().__init__(size=size, layers=layers)
        if not 1 <= layers <= MAX_LAYERS:
            raise ConfigError(f"model.source.layers must be from 1 to {MAX_LAYERS}; got {layers}.")
        self.cell = 2**layers
        if not self.cell <= size <= MAX_SIZE or size % self.cell:
            raise ConfigError(
                f"model.source.size must be a multiple of 2^layers, {self.cell}, and at most {MAX_SIZE}; got {size}."
            )
        self.size, self.side = size, size // self.cell
        self.feature_shape = (self.cell, self.cell, 3)

    def read(self, line: str) -> Features:
        picture = read_picture(line.strip(), size=self.size).pixels
        grid = picture.reshape(self.side, self.cell, self.side, self.cell, 3).transpose(0, 2, 1, 3, 4)
        return (grid.reshape(-1, *self.feature_shape) / np.float32(255.0)).astype(np.float32)

    def label(self, item: SourceItem) -> list[str]:
        """Row and column of each cell, from 1."""
        return [f"{place // self.side + 1},{place % self.side + 1}" for place in range(len(item))]

    def show(self, line: str) -> SourcePicture:
        picture = read_picture(line.strip(), size=self.size)
        corners = [(row * self.cell, column * self.cell) for row in range(self.side) for column in range(self.side)]
        regions = [Box(left, top, left + self.cell, top + self.cell) for top, left in corners]
        return SourcePicture(picture.pixels, regions, picture.scale, picture.left, picture.top)
