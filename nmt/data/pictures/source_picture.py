"""The picture that a model reads as its source, and which part of it each source position is."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from nmt.data.pictures.boxes import Box


class SourcePicture(NamedTuple):
    """pixels: red, green and blue. regions: the part that each source position is, in these pixels; no two overlap.

    scale, left, top: where a pixel (x, y) of the file is: at (x scale + left, y scale + top).
    """

    pixels: UInt8[ndarray, "height width 3"]
    regions: list[Box]
    scale: float = 1.0
    left: int = 0
    top: int = 0

    @property
    def is_strip(self) -> bool:
        """Whether source positions stand side by side, as the slices of a drawn sentence do."""
        return all((region.top, region.bottom) == (0, len(self.pixels)) for region in self.regions)

    def measure_overlap(self, box: Box) -> Float[ndarray, " position"]:
        """Which share of each region lies in a box of the file."""
        left, right = (side * self.scale + self.left for side in (box.left, box.right))
        top, bottom = (side * self.scale + self.top for side in (box.top, box.bottom))
        regions = np.array(self.regions, dtype=np.float64).reshape(-1, 4)
        wide = np.minimum(regions[:, 2], right) - np.maximum(regions[:, 0], left)
        high = np.minimum(regions[:, 3], bottom) - np.maximum(regions[:, 1], top)
        area = (regions[:, 2] - regions[:, 0]) * (regions[:, 3] - regions[:, 1])
        share: ndarray = wide.clip(0) * high.clip(0) / area
        return share
