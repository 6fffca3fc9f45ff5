"""Tasks of points: each target is the answer by its definition, and answers are measured as they should be."""

import itertools
import math
import random

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from nmt.data.geometry import compute_area, find_hull, is_simple
from nmt.data.points import POINT_TASKS, Hull, PointTask, Sorting, Tour, parse_points, parse_positions
from nmt.errors import ConfigError

SMALL = {"shortest": 3, "longest": 7, "train": 60, "validation": 13, "test": 11}


@pytest.fixture(params=POINT_TASKS)
def task(request: pytest.FixtureRequest) -> PointTask:
    return POINT_TASKS[request.param](**SMALL)


def measure_tour(points: np.ndarray, way: list[int]) -> float:
    return sum(math.dist(points[a], points[b]) for a, b in zip(way, [*way[1:], way[0]], strict=True))


def test_targets_are_answers_by_their_definition(task: PointTask) -> None:
    for split, size in task.sizes.items():
        text = task.load(split)
        assert len(text.source) == len(text.target) == size
        assert text.alignments is not None
        for source, target, links in zip(text.source, text.target, text.alignments, strict=True):
            points, found = parse_points(source), parse_positions(target)
            assert points.shape[1] == task.features
            assert found is not None
            assert links == " ".join(f"{s}-{t}" for t, s in enumerate(found))
            if isinstance(task, Sorting):
                assert [points[place, 0] for place in found] == sorted(points[:, 0].tolist())
            elif isinstance(task, Hull):
                theirs = ConvexHull(points).vertices.tolist()  # counter-clockwise in two dimensions
                start = theirs.index(min(theirs))
                assert found == theirs[start:] + theirs[:start]
            else:
                assert found[0] == 0
                assert found[1] < found[-1]
                best = min(measure_tour(points, [0, *way]) for way in itertools.permutations(range(1, len(points))))
                assert measure_tour(points, found) == pytest.approx(best)


def test_the_text_is_that_of_the_settings(task: PointTask) -> None:
    again, other = type(task)(**SMALL), type(task)(**SMALL, seed=2)
    assert again.load("train") == task.load("train")
    assert again.get_identity() == task.get_identity()
    assert other.load("train") != task.load("train")
    more = type(task)(**{**SMALL, "train": 90})  # test and validation stay
    assert (more.load("test"), more.load("validation")) == (task.load("test"), task.load("validation"))
    assert {len(line.split()) for line in task.load("train").source} == set(range(3, 8))


def test_right_answers_measure_best(task: PointTask) -> None:
    text = task.load("test")
    found = task.measure(text.source, text.target, text.target)
    assert set(found) == set(task.metrics)
    assert found == {name: pytest.approx({"valid": 100, "area": 100, "ratio": 1}[name]) for name in task.metrics}
    nothing = task.measure(text.source, [""] * 11, text.target)
    assert nothing["valid"] == 0
    assert nothing.get("area", 0) == 0
    assert nothing.get("ratio", math.inf) == math.inf


def test_a_tour_is_measured_by_its_length() -> None:
    square = "0,0 1,0 1,1 0,1"
    crossed = (2 + 2 * math.sqrt(2)) / 4
    assert Tour().measure([square], ["0 2 1 3"], ["0 1 2 3"]) == {"valid": 100, "ratio": pytest.approx(crossed)}
    found = Tour().measure([square] * 4, ["0 1 2 3", "0 1 2", "0 1 2 2", "0 1 2 x"], ["0 1 2 3"] * 4)
    assert found == {"valid": 25, "ratio": 1}


def test_a_hull_is_measured_by_its_area() -> None:
    square = "0,0 1,0 1,1 0,1 0.5,0.5"
    right = "0 1 2 3"
    for hypothesis, valid, area in (
        ("0 1 2", 100, 50),
        ("0 2 1 3", 0, 0),
        ("0 1", 0, 0),
        ("0 1 9", 0, 0),
        ("4 0 1", 100, 25),
    ):
        found = Hull().measure([square], [hypothesis], [right])
        assert found == {"valid": valid, "area": pytest.approx(area)}


def test_areas_and_crossings_are_those_of_polygons() -> None:
    draw = random.Random(1)
    for _ in range(50):
        points = np.array([[draw.random(), draw.random()] for _ in range(draw.randint(3, 9))])
        corners = points[find_hull(points)]
        assert compute_area(corners) == pytest.approx(ConvexHull(points).volume)
        assert is_simple(corners)
        if len(corners) > 3:
            twisted = corners.copy()
            twisted[[1, 2]] = twisted[[2, 1]]
            assert not is_simple(twisted)


def test_a_test_may_be_longer(task: PointTask) -> None:
    longer = type(task)(**SMALL, test_length=9)
    assert {len(line.split()) for line in longer.load("test").source} == {9}
    assert {len(line.split()) for line in longer.load("train").source} == set(range(3, 8))
    assert longer.get_identity() != task.get_identity()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("sorting", {"shortest": 7, "longest": 3}, "got 7 and 3"),
        ("hull", {"shortest": 2}, "from 3 to 200"),
        ("tour", {"longest": 10}, "from 3 to 9"),
        ("hull", {"test_length": 2}, r"data\.test_length must be from 3 to 200"),
        ("tour", {"test": 0}, r"data\.test is a number of pairs"),
    ],
)
def test_numbers_are_checked(name: str, settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        POINT_TASKS[name](**(SMALL | settings))
