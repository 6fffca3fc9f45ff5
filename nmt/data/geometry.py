"""Polygons and closed ways through points of a plane."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Points = Float[ndarray, "point feature"]


def find_hull(points: Points) -> list[int]:
    """The corners of the convex hull, counter-clockwise   (Andrew 1979, the monotone chain)"""
    corners = points.tolist()
    order = sorted(range(len(corners)), key=lambda place: (corners[place], place))
    halves = []
    for way in (order, order[::-1]):
        chain: list[int] = []
        for place in way:
            while len(chain) > 1 and compute_turn(corners[chain[-2]], corners[chain[-1]], corners[place]) <= 0:
                chain.pop()
            chain.append(place)
        halves.append(chain[:-1])
    return halves[0] + halves[1]


def compute_turn(first: Sequence[float], second: Sequence[float], third: Sequence[float]) -> float:
    """Twice the area of the triangle; above 0 where the way turns left."""
    return (second[0] - first[0]) * (third[1] - first[1]) - (second[1] - first[1]) * (third[0] - first[0])


def compute_area(corners: Points) -> float:
    """That of a polygon that does not cross itself, by the shoelace formula."""
    x, y = corners.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def is_simple(corners: Points) -> bool:
    """Whether no two sides of a polygon cross, but for neighbours in their corner."""
    sides = list(zip(corners.tolist(), np.roll(corners, -1, 0).tolist(), strict=True))
    count = len(sides)
    return not any(
        cross(*sides[i], *sides[j])
        for i, j in itertools.combinations(range(count), 2)
        if j - i > 1 and (i, j) != (0, count - 1)
    )


def cross(a: Sequence[float], b: Sequence[float], c: Sequence[float], d: Sequence[float]) -> bool:
    """Whether the segments a-b and c-d cross."""
    return (compute_turn(a, b, c) > 0) != (compute_turn(a, b, d) > 0) and (
        (compute_turn(c, d, a) > 0) != (compute_turn(c, d, b) > 0)
    )


_TOURS: dict[int, ndarray] = {}


def list_tours(points: int) -> ndarray:
    """All closed ways from 0 through so many points, [way point], one of each two directions."""
    if points not in _TOURS:
        ways = [(0, *rest) for rest in itertools.permutations(range(1, points)) if rest[0] < rest[-1] or points < 3]
        _TOURS[points] = np.array(ways)
    return _TOURS[points]


def compute_tour_lengths(points: Points, ways: ndarray) -> Float[ndarray, " way"]:
    """The length of each closed way."""
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    lengths: ndarray = distances[ways, np.roll(ways, -1, 1)].sum(1)
    return lengths
