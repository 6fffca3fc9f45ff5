"""Picture files as arrays of one size. Pictures come from strangers, so nothing is decoded before its size is known."""

import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from nmt.errors import DataError
from nmt.printable import shorten

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF")
"""What is decoded. Others, such as EPS, would run programs."""

MAX_FILE_BYTES = 2**26
MAX_PIXELS = 2**25
"""Of a picture as it lies in its file: 64 MiB, and 33 million pixels, which are 100 MB when they are decoded."""

MAX_RATIO = 200
"""Of the longer side to the shorter one: what is longer is a line, of which nothing would be left when it is scaled."""


class FittedPicture(NamedTuple):
    """A picture in a square. A pixel (x, y) of the file is at (x scale + left, y scale + top)."""

    pixels: UInt8[ndarray, "size size 3"]
    scale: float
    left: int
    top: int


def read_picture(path: str | Path, *, size: int, where: str | None = None) -> FittedPicture:
    """The picture in a file as red, green and blue, scaled so that it just fits into a square, and centred on black.

    A picture of this size is not changed. Of a file with several pictures it is the first; what is transparent is
    white, and a camera's turn is undone. where: what to call the file in messages, such as "captions.tsv, line 3".
    Raises DataError for a file that is missing, none of FORMATS, damaged or too large.
    """
    try:
        with open_picture(path, where=where) as opened:
            return _fit(_flatten(opened), size)
    except DataError:
        raise
    except Exception as problem:  # of a library that decodes what strangers wrote
        raise DataError(
            f"{_call(path, where)} is damaged and cannot be read as a picture: {_explain(problem)}."
        ) from None


def open_picture(path: str | Path, *, where: str | None = None) -> "Image":
    """The picture, of which nothing but the size is read. Raises DataError as `read_picture` does."""
    from PIL import Image, UnidentifiedImageError

    name = _call(path, where)
    _check_file(Path(path).expanduser(), name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes, which are checked below
            opened = Image.open(Path(path).expanduser(), formats=FORMATS)
    except UnidentifiedImageError:
        known = ", ".join(FORMATS)
        raise DataError(f"{name} is no picture that can be read; it must be one of {known}.") from None
    except Image.DecompressionBombError:
        raise DataError(f"{name} has too many pixels; at most {MAX_PIXELS:,} are read. Scale it down.") from None
    except Exception as problem:  # of a library that reads what strangers wrote
        raise DataError(f"{name} cannot be read as a picture: {_explain(problem)}.") from None
    width, height = opened.size
    if width * height > MAX_PIXELS:
        opened.close()
        raise DataError(f"{name} has {width} x {height} pixels, and at most {MAX_PIXELS:,} are read. Scale it down.")
    if min(width, height) < 1 or max(width, height) > MAX_RATIO * min(width, height):
        opened.close()
        raise DataError(
            f"{name} has {width} x {height} pixels; the longer side must be at most {MAX_RATIO} times the shorter one."
        )
    return opened


def _check_file(path: Path, name: str) -> None:
    try:
        about = path.stat()
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise DataError(f"{name} cannot be read: {reason}.") from None
    if not stat.S_ISREG(about.st_mode):
        raise DataError(f"{name} is no regular file; a line of a source of pictures must name a picture.")
    if about.st_size > MAX_FILE_BYTES:
        raise DataError(
            f"{name} has {about.st_size:,} bytes, and pictures of at most {MAX_FILE_BYTES:,} are read. Scale it down."
        )


def _flatten(picture: "Image") -> "Image":
    """Red, green and blue of the first frame, upright, on white."""
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(picture)
    if "A" not in upright.getbands() and "transparency" not in upright.info:
        return _reduce_depth(upright).convert("RGB")
    layered = upright.convert("RGBA")
    paper = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(paper, layered).convert("RGB")


def _reduce_depth(picture: "Image") -> "Image":
    """One byte a pixel where grey has more, which Pillow would cut off at 255 rather than scale."""
    from PIL import Image

    if not picture.mode.startswith(("I", "F")):
        return picture
    grey = np.asarray(picture, dtype=np.float64)
    largest = 65535.0 if picture.mode.startswith("I") else max(float(np.nanmax(grey)), 1e-9)
    return Image.fromarray((np.nan_to_num(grey) / largest * 255.0).clip(0, 255).astype(np.uint8))


def _fit(picture: "Image", size: int) -> FittedPicture:
    from PIL import Image

    longest = max(picture.size)
    if longest != size:
        width, height = (max(1, round(side * size / longest)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BOX if longest > size else Image.Resampling.NEAREST)
    found = np.zeros((size, size, 3), dtype=np.uint8)
    left, top = ((size - side) // 2 for side in picture.size)
    found[top : top + picture.height, left : left + picture.width] = np.asarray(picture)
    return FittedPicture(found, size / longest, left, top)


def _call(path: str | Path, where: str | None) -> str:
    return shorten(Path(path)) if where is None else f"{where}: {shorten(Path(path))}"


def _explain(problem: Any) -> str:
    return shorten(str(problem).rstrip(".") or type(problem).__name__, 200)
