"""Whether attention to a picture lies on the thing that the word names."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nmt.data.pictures.boxes import Box, parse_boxes
from nmt.data.pictures.source_picture import SourcePicture
from nmt.data.sources.reader import FeatureReader, SourceReader


class Pointing(NamedTuple):
    """mass: of the weights in the box, a mean over words that have one. uniform: what equal weights would have."""

    mass: float
    uniform: float
    words: int


def measure_words(
    weights: Float[ndarray, "word position"], picture: SourcePicture, boxes: Mapping[int, Box]
) -> list[tuple[float, float]]:
    """sum over s of w[t, s] area(region_s in box) / area(region_s), for every word t with a box; and the same for
    weights that are all alike.

    The weights of a word may sum to less than one; what is not on the picture is not in the box either. Words beyond
    those that there are, and rows without mass, are left out.
    """
    found = []
    for word, box in sorted(boxes.items()):
        if word < len(weights) and weights[word].sum() > 0:
            overlap = picture.measure_overlap(box)
            found.append((float(weights[word] @ overlap), float(overlap.mean())))
    return found


def compute_pointing(
    attention: Sequence[Float[ndarray, "_ _"]],
    pictures: Sequence[SourcePicture],
    boxes: Sequence[Mapping[int, Box]],
) -> Pointing | None:
    """The mean over all words with a box of all pairs; None where there is none."""
    each = [measure_words(*pair) for pair in zip(attention, pictures, boxes, strict=True)]
    found = np.array([pair for pairs in each for pair in pairs]).reshape(-1, 2)
    if not len(found):
        return None
    mass, uniform = found.mean(0).tolist()
    return Pointing(mass, uniform, len(found))


def show_source(reader: SourceReader, line: str) -> SourcePicture | None:
    """The picture that a source line is to the model; None where it is none."""
    return reader.show(line) if isinstance(reader, FeatureReader) and line.strip() else None


def measure_pointing(
    reader: SourceReader,
    source: Sequence[str],
    boxes: Sequence[str] | None,
    attention: Sequence[Float[ndarray, "_ _"]],
) -> dict[str, float]:
    """`pointing` and `pointing_uniform` of weights between words and positions; nothing where no boxes are known, or
    sources are no pictures. boxes: as in `Bitext`. Raises DataError for what are no boxes."""
    pictures = [show_source(reader, line) for line in source] if boxes else []
    shown = [picture for picture in pictures if picture is not None]
    if not boxes or len(shown) < len(source):
        return {}
    parsed = [parse_boxes(line, where=f"boxes of pair {number}") for number, line in enumerate(boxes, 1)]
    found = compute_pointing(attention, shown, parsed)
    return {} if found is None else {"pointing": found.mass, "pointing_uniform": found.uniform}
