"""Small pictures of coloured shapes with captions, which need no files: where each object is, is known."""

import hashlib
import json
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt.data.corpus import Bitext, Split
from nmt.data.pictures.boxes import Box, format_boxes
from nmt.data.tasks import check_seed
from nmt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from PIL.Image import Image

SIZE = 32
"""Pixels of a side."""

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 170, 60),
    "blue": (50, 80, 220),
    "yellow": (235, 200, 40),
    "white": (245, 245, 245),
    "purple": (150, 60, 190),
}
SHAPES = ("circle", "square", "triangle", "cross")
SMALLEST, LARGEST = 8, 12
"""Pixels of a side of an object."""

RELATIONS = ("above", "left of")
MAX_OBJECTS = 3
MAX_PAIRS = 200_000
FILES_PER_FOLDER = 1000
GROUND = (24, 28, 36)


class SceneObject(NamedTuple):
    """A shape of a colour, and the square that it fills, in pixels."""

    colour: str
    shape: str
    box: Box


class DrawnScene(NamedTuple):
    """Objects in the order of the caption: from above to below, or from left to right."""

    objects: list[SceneObject]
    relation: str

    @property
    def words(self) -> list[str]:
        """The caption."""
        return [word for part in self._list_parts() for word in part[0]]

    @property
    def boxes(self) -> list[Box | None]:
        """For each word of the caption, the box of the object that it names or colours; None for other words."""
        return [box for words, boxes in self._list_parts() for box in boxes]

    def _list_parts(self) -> Iterator[tuple[list[str], list[Box | None]]]:
        for number, (colour, shape, box) in enumerate(self.objects):
            if number:
                between = self.relation.split()
                yield between, [None] * len(between)
            yield ["a", colour, shape], [None, box, box]


class Scenes:
    """Pictures of one to `objects` shapes, and what is in them: "a red circle above a blue square".

    Pictures have 32 x 32 pixels. Of several objects one is above the next, or left of it, by more than it is to the
    side of it, so that there is one caption. train, validation and test are numbers of pairs.
    The pictures are a function of the other settings; they are written into `folder` as PNG files where they are not
    there yet, and source lines are their paths. Raises ConfigError for a number that is out of range.
    """

    def __init__(
        self,
        *,
        objects: int = 3,
        seed: int = 1,
        train: int = 10000,
        validation: int = 500,
        test: int = 500,
        folder: str = ".cache/nmt/scenes",
    ) -> None:
        check_seed(seed)
        if not 1 <= objects <= MAX_OBJECTS:
            raise ConfigError(f"data.objects must be from 1 to {MAX_OBJECTS}; got {objects}.")
        self.sizes: dict[Split, int] = {"test": test, "validation": validation, "train": train}
        for split, size in self.sizes.items():
            if not 1 <= size <= MAX_PAIRS:
                raise ConfigError(f"data.{split} is a number of pictures, from 1 to {MAX_PAIRS}; got {size}.")
        self.objects, self.seed, self.folder = objects, seed, folder
        self.source_language, self.target_language = "zxx", "en"

    def check(self) -> None:
        """Nothing can be missing: the scenes are code."""
        return None

    def get_identity(self) -> dict[str, Any]:
        """All that shapes the text, which has the names of the files."""
        sizes = {str(split): size for split, size in self.sizes.items()}
        return {
            "corpus": "scenes",
            "version": 2,
            "objects": self.objects,
            "seed": self.seed,
            **sizes,
            "in": self.folder,
        }

    def load(self, split: Split) -> Bitext:
        """The pairs of a split; writes its pictures where they are missing. Raises DataError where it cannot."""
        start = 0
        for name, size in self.sizes.items():
            if name == split:
                break
            start += size
        places = range(start, start + self.sizes[split])
        scenes = [self._scenes[place] for place in places]
        paths = [self._find_path(place) for place in places]
        try:
            self._write_missing(scenes, paths)
        except OSError as problem:
            raise DataError(
                f"The pictures of data=scenes cannot be written to {self.folder}: {problem.strerror}. Choose another "
                "folder with data.folder=FOLDER."
            ) from None
        return Bitext(
            [str(path) for path in paths],
            [" ".join(scene.words) for scene in scenes],
            boxes=[format_boxes(scene.boxes) for scene in scenes],
        )

    def _find_path(self, place: int) -> Path:
        settings = json.dumps([2, self.objects, self.seed, *self.sizes.values()])
        name = hashlib.sha256(settings.encode()).hexdigest()[:16]
        return Path(self.folder, name, f"{place // FILES_PER_FOLDER:03d}", f"{place:06d}.png")

    def _write_missing(self, scenes: list[DrawnScene], paths: list[Path]) -> None:
        for scene, path in zip(scenes, paths, strict=True):
            if path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f".{path.name}.{os.getpid()}")
            draw_scene(scene).save(unfinished, format="PNG")
            unfinished.replace(path)

    @cached_property
    def _scenes(self) -> list[DrawnScene]:
        random = Random(self.seed)
        return [compose_scene(random, self.objects) for _ in range(sum(self.sizes.values()))]


def compose_scene(random: Random, most: int) -> DrawnScene:
    """A scene of one to `most` objects, with colours and shapes that are drawn alike and independently."""
    count = random.randint(1, most)
    relation = random.choice(RELATIONS)
    room = SIZE // count
    sizes = [random.randint(SMALLEST, min(LARGEST, room)) for _ in range(count)]
    objects = []
    middle = random.randint(8, SIZE - 8)
    for place, size in enumerate(sizes):
        along = place * room + random.randint(0, room - size)
        across = min(max(0, middle - size // 2 + random.randint(-2, 2)), SIZE - size)
        left, top = (across, along) if relation == "above" else (along, across)
        box = Box(left, top, left + size, top + size)
        objects.append(SceneObject(random.choice(list(COLOURS)), random.choice(SHAPES), box))
    return DrawnScene(objects, relation)


def draw_scene(scene: DrawnScene) -> "Image":
    """The picture of a scene."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (SIZE, SIZE), GROUND)
    pen = ImageDraw.Draw(picture)
    for colour, shape, (left, top, right, bottom) in scene.objects:
        corners, ink = (left, top, right - 1, bottom - 1), COLOURS[colour]
        if shape == "circle":
            pen.ellipse(corners, fill=ink)
        elif shape == "square":
            pen.rectangle(corners, fill=ink)
        elif shape == "triangle":
            pen.polygon([((left + right - 1) / 2, top), (right - 1, bottom - 1), (left, bottom - 1)], fill=ink)
        else:
            third = (right - left) // 3
            pen.rectangle((left + third, top, right - 1 - third, bottom - 1), fill=ink)
            pen.rectangle((left, top + third, right - 1, bottom - 1 - third), fill=ink)
    return picture
