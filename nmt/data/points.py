"""Tasks whose target points at positions of the source: sorting, the convex hull, the shortest tour."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from nmt.data.corpus import Bitext, Split
from nmt.data.geometry import Points, compute_area, compute_tour_lengths, find_hull, is_simple, list_tours
from nmt.data.tasks import MAX_PAIRS, NO_LANGUAGE, check_seed
from nmt.errors import ConfigError

MAX_POINTS = 200
MAX_TOUR_POINTS = 9
"""A tour is the best of all (n - 1)! / 2 ways."""

DECIMALS = 4
"""Of a coordinate, as it is written; the target is that of the numbers that are written."""


class PointTask(ABC):
    """Points with coordinates that are uniform between 0 and 1, and a target that names some of them by their
    positions. train, validation and test are numbers of pairs; there are `shortest` to `longest` points, alike;
    test_length: so many in each line of the test split, to see whether a model goes on beyond what it has seen.

    The text is a function of the settings. Pairs of test and validation are drawn first. Raises ConfigError for a
    number that is out of range.
    """

    name: ClassVar[str]
    features: ClassVar[int]
    least: ClassVar[int] = 1
    most: ClassVar[int] = MAX_POINTS
    metrics: ClassVar[tuple[str, ...]] = ("valid",)
    """What `measure` gives, beside whether a target is met word for word."""

    def __init__(
        self,
        *,
        shortest: int = 5,
        longest: int = 10,
        seed: int = 1,
        train: int = 100_000,
        validation: int = 500,
        test: int = 1000,
        test_length: int | None = None,
    ) -> None:
        check_seed(seed)
        if test_length is not None and not self.least <= test_length <= self.most:
            raise ConfigError(
                f"data.test_length must be from {self.least} to {self.most}, or null for the lengths of all lines; got "
                f"{test_length}."
            )
        if not self.least <= shortest <= longest <= self.most:
            raise ConfigError(
                f"data.shortest and data.longest must be from {self.least} to {self.most}, the longest not below the "
                f"shortest; got {shortest} and {longest}."
            )
        self.sizes: dict[Split, int] = {"test": test, "validation": validation, "train": train}
        for split, size in self.sizes.items():
            if not 1 <= size <= MAX_PAIRS:
                raise ConfigError(f"data.{split} is a number of pairs, from 1 to {MAX_PAIRS}; got {size}.")
        self.shortest, self.longest, self.seed, self.test_length = shortest, longest, seed, test_length
        self.target_numbers = max(longest, test_length or longest)
        self.source_language = self.target_language = NO_LANGUAGE

    @abstractmethod
    def solve(self, points: Points) -> list[int]:
        """The positions of the target."""

    def measure(self, source: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        """`valid`, the percentage of hypotheses that are an answer at all, and what else a task measures."""
        sides = [[parse_points(line) for line in source], [parse_positions(line) for line in hypotheses]]
        valid = [self.is_valid(points, found) for points, found in zip(*sides, strict=True)]
        return {"valid": 100 * float(np.mean(valid))}

    @abstractmethod
    def is_valid(self, points: Points, found: Sequence[int] | None) -> bool:
        """Whether these positions are an answer, good or bad; None is none."""

    def trace(self, source: str, hypothesis: str, reference: str) -> dict[str, Any]:
        """The closed ways of both through points of a plane, as `nmt.report.polygons` draws them; nothing of others."""
        if self.features != 2:
            return {}
        sides = {"found": parse_positions(hypothesis), "right": parse_positions(reference)}
        return {"polygon": {"points": parse_points(source).tolist(), **sides}}

    def check(self) -> None:
        """Nothing can be missing: the task is code."""
        return None

    def get_identity(self) -> dict[str, Any]:
        """All that shapes the text."""
        sizes = {str(split): size for split, size in self.sizes.items()}
        settings = {"shortest": self.shortest, "longest": self.longest, "seed": self.seed}
        settings |= {} if self.test_length is None else {"test_length": self.test_length}
        return {"corpus": self.name, "version": 1} | settings | sizes

    def load(self, split: Split) -> Bitext:
        """The pairs of a split; each target word is linked with the position that it names."""
        sources, targets = self._make(split)
        links = [" ".join(f"{s}-{t}" for t, s in enumerate(target)) for target in targets]
        return Bitext(sources, [" ".join(map(str, target)) for target in targets], links)

    def _make(self, split: Split) -> tuple[list[str], list[list[int]]]:
        start = 0
        for name, size in self.sizes.items():
            if name == split:
                break
            start += size
        drawn = self._draws[start : start + self.sizes[split]]
        return [format_points(points) for points in drawn], [self.solve(points) for points in drawn]

    @cached_property
    def _draws(self) -> list[Points]:
        draw = np.random.default_rng(self.seed)
        found = []
        for split, count in self.sizes.items():
            for _ in range(count):
                size = int(draw.integers(self.shortest, self.longest + 1))
                if split == "test" and self.test_length is not None:
                    size = self.test_length
                found.append(np.round(draw.random((size, self.features)), DECIMALS))
        return found


class Sorting(PointTask):
    """The positions of numbers from the least to the greatest; of equal ones the first comes first."""

    name = "sorting"
    features = 1

    def solve(self, points: Points) -> list[int]:
        found: list[int] = np.argsort(points[:, 0], kind="stable").tolist()
        return found

    def is_valid(self, points: Points, found: Sequence[int] | None) -> bool:
        """Whether every position is named once."""
        return found is not None and sorted(found) == list(range(len(points)))


class Hull(PointTask):
    """The corners of the convex hull, counter-clockwise from that with the lowest position.

    `area` is the percentage of the hull's area that the polygon of a hypothesis has; 0 where it crosses itself, or is
    no polygon   (Vinyals et al. 2015, section 4.1, who leave invalid ones out of the mean).
    """

    name = "hull"
    features = 2
    least = 3
    metrics = ("valid", "area")

    def solve(self, points: Points) -> list[int]:
        corners = find_hull(points)
        start = corners.index(min(corners))
        return corners[start:] + corners[:start]

    def is_valid(self, points: Points, found: Sequence[int] | None) -> bool:
        """Whether the positions are corners of a polygon that does not cross itself."""
        if found is None or len(found) < 3 or len(set(found)) < len(found) or max(found) >= len(points):
            return False
        return is_simple(points[list(found)])

    def measure(self, source: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        shares = []
        for line, hypothesis, reference in zip(source, hypotheses, references, strict=True):
            points, found, right = parse_points(line), parse_positions(hypothesis), parse_positions(reference)
            whole = compute_area(points[right]) if right else 0.0
            is_valid = found is not None and self.is_valid(points, found)
            shares.append(compute_area(points[found]) / whole if is_valid and whole else 0.0)
        return super().measure(source, hypotheses, references) | {"area": 100 * float(np.mean(shares))}


class Tour(PointTask):
    """The shortest closed way through all points, from position 0; of its two directions that whose second position is
    lower. All ways are tried.

    `ratio` is the length of the tours of hypotheses by that of the shortest, a mean over those that are tours; infinite
    where none is.
    """

    name = "tour"
    features = 2
    least = 3
    most = MAX_TOUR_POINTS
    metrics = ("valid", "ratio")

    def __init__(
        self,
        *,
        shortest: int = 5,
        longest: int = 5,
        seed: int = 1,
        train: int = 100_000,
        validation: int = 500,
        test: int = 1000,
        test_length: int | None = None,
    ) -> None:
        sizes = {"train": train, "validation": validation, "test": test, "test_length": test_length}
        super().__init__(shortest=shortest, longest=longest, seed=seed, **sizes)  # type: ignore[arg-type]

    def solve(self, points: Points) -> list[int]:
        ways = list_tours(len(points))
        lengths = compute_tour_lengths(points, ways)
        found: list[int] = ways[int(lengths.argmin())].tolist()
        return found

    def is_valid(self, points: Points, found: Sequence[int] | None) -> bool:
        """Whether every position is named once."""
        return found is not None and sorted(found) == list(range(len(points)))

    def measure(self, source: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        ratios = []
        for line, hypothesis, reference in zip(source, hypotheses, references, strict=True):
            points, found, right = parse_points(line), parse_positions(hypothesis), parse_positions(reference)
            if found is not None and right and self.is_valid(points, found):
                lengths = compute_tour_lengths(points, np.array([found, right]))
                ratios.append(float(lengths[0] / lengths[1]))
        ratio = float(np.mean(ratios)) if ratios else float("inf")
        return super().measure(source, hypotheses, references) | {"ratio": ratio}


POINT_TASKS: Mapping[str, type[PointTask]] = {cls.name: cls for cls in (Sorting, Hull, Tour)}


# Lines ----------------------------------------------------------------------------------------------------------------


def format_points(points: Points) -> str:
    """A source line."""
    return " ".join(",".join(f"{value:.{DECIMALS}f}" for value in point) for point in points.tolist())


def parse_points(line: str) -> Points:
    """The points of a source line."""
    return np.array([[float(value) for value in point.split(",")] for point in line.split()])


def parse_positions(line: str) -> list[int] | None:
    """The positions that a line names; None where a word is none."""
    words = line.split()
    return [int(word) for word in words] if all(word.isascii() and word.isdigit() for word in words) else None
