"""Where in a picture the thing is that a word names: boxes, as text that stands beside a caption."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from nmt.errors import DataError
from nmt.printable import shorten

_BOX = re.compile(r"(\d{1,6}):(\d{1,6}),(\d{1,6}),(\d{1,6}),(\d{1,6})", re.ASCII)


class Box(NamedTuple):
    """A rectangle of pixels: from `left` to before `right`, from `top` to before `bottom`."""

    left: int
    top: int
    right: int
    bottom: int


def format_boxes(boxes: Sequence[Box | None]) -> str:
    """`word:left,top,right,bottom` for every word that has a box, with words counted from 0."""
    return " ".join(f"{word}:{','.join(map(str, box))}" for word, box in enumerate(boxes) if box is not None)


def parse_boxes(line: str, *, where: str) -> dict[int, Box]:
    """The box of each word that has one. Raises DataError, which begins with `where`, for what is no box."""
    found = {}
    for part in line.split():
        if (matched := _BOX.fullmatch(part)) is None:
            raise DataError(f"{where}: {shorten(part, 60)} is no box; it must be word:left,top,right,bottom.")
        word, *sides = map(int, matched.groups())
        box = Box(*sides)
        if box.left >= box.right or box.top >= box.bottom:
            raise DataError(f"{where}: the box {shorten(part, 60)} is empty; left,top must be before right,bottom.")
        found[word] = box
    return found
