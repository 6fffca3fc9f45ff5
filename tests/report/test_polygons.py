"""Ways through points, drawn in pictures and in the page."""

import re
from xml.etree import ElementTree

from nmt.report.formats import encode
from nmt.report.polygons import draw_polygon, render_polygons

POLYGON = {"points": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], "found": [0, 2, 1], "right": [0, 1, 2, 3]}


def test_both_ways_are_closed_and_the_right_one_is_dashed() -> None:
    figure = draw_polygon(POLYGON, title="step 3")
    found, right, points = figure.axes[0].lines
    assert found.get_xydata().tolist() == [[0, 0], [1, 1], [1, 0], [0, 0]]
    assert right.get_xydata().tolist() == [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]
    assert points.get_xydata().tolist() == POLYGON["points"]
    assert (found.is_dashed(), right.is_dashed()) == (False, True)
    assert encode(figure, "png", dpi=40).startswith(b"\x89PNG")


def test_the_page_has_the_same_ways() -> None:
    page = render_polygons([("probe 1 <b>", POLYGON), ("probe 2", POLYGON | {"found": None})])
    assert "probe 1 &lt;b&gt;" in page
    first, second = (ElementTree.fromstring(svg) for svg in re.findall("<svg.*?</svg>", page))
    ways = [[line.get("points") for line in svg.iter("polyline")] for svg in (first, second)]
    right = "22.0,218.0 218.0,218.0 218.0,22.0 22.0,22.0 22.0,218.0"
    assert ways == [["22.0,218.0 218.0,22.0 218.0,218.0 22.0,218.0", right], ["", right]]
    assert [text.text for text in first.iter("text")] == ["0", "1", "2", "3"]
    assert render_polygons([]) == ""


def test_positions_that_are_none_are_left_out() -> None:
    figure = draw_polygon(POLYGON | {"found": [0, 9, 1]}, title="")
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[0, 0], [1, 0], [0, 0]]
