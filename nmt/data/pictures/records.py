"""A source picture as JSON, for files that are read without the picture's own."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from nmt.data.pictures.boxes import Box
from nmt.data.pictures.source_picture import SourcePicture

MAX_SIDE = 160
"""Pixels of a picture that a record keeps, where its regions have some to spare."""


def make_picture_record(picture: SourcePicture, line: str) -> dict[str, Any]:
    """Red, green and blue of each pixel as base64, and the part that each source position is; line: that of the source.

    Of a large grid only every second pixel is kept, or fewer.
    """
    picture = _thin_out(picture)
    height, width, _ = picture.pixels.shape
    return {
        "line": line,
        "width": width,
        "height": height,
        "pixels": base64.b64encode(picture.pixels.tobytes()).decode(),
        "regions": [list(region) for region in picture.regions],
        "scale": picture.scale,
        "left": picture.left,
        "top": picture.top,
    }


def read_picture_record(record: Mapping[str, Any]) -> SourcePicture:
    """The inverse of `make_picture_record`. Raises ValueError where the numbers do not fit together."""
    flat = np.frombuffer(base64.b64decode(record["pixels"]), dtype=np.uint8)
    pixels = flat.reshape(record["height"], record["width"], 3)
    regions = [Box(*region) for region in record["regions"]]
    return SourcePicture(pixels, regions, record["scale"], record["left"], record["top"])


def _thin_out(picture: SourcePicture) -> SourcePicture:
    """The picture with at most MAX_SIDE pixels on a side, if its regions have pixels to spare; strips are as they
    were."""
    every, smallest = 1, min((box.right - box.left for box in picture.regions), default=1)
    while not picture.is_strip and max(picture.pixels.shape[:2]) > MAX_SIDE * every and smallest % (2 * every) == 0:
        every *= 2
    regions = [Box(*(side // every for side in box)) for box in picture.regions]
    pixels = np.ascontiguousarray(picture.pixels[::every, ::every])
    return SourcePicture(pixels, regions, picture.scale / every, picture.left // every, picture.top // every)
