"""Drawings of a memory in a report."""

import re
from typing import Any
from xml.etree import ElementTree

from nmt.report.machine_section import draw_weights, render_machine_section

SOURCE, TARGET = ["▁ein", "▁<b>", "</s>"], ["▁a", "</s>"]


def make_memory(steps: int, slots: int) -> dict[str, Any]:
    weights = [[(t + s) % 2 / 4 for s in range(slots)] for t in range(steps)]
    return {"source": SOURCE, "target": TARGET, "maps": {"read": [[weights, weights]], "written": [[weights]]}}


def test_every_head_has_a_drawing_and_text_is_escaped() -> None:
    page = render_machine_section([make_memory(2, 4), {"source": SOURCE, "target": TARGET, "maps": {"source": []}}])
    assert page.count("<svg") == 3
    assert "<b>" not in page
    assert "▁&lt;b&gt;" in page
    assert "style=" not in page


def test_cells_are_the_weights() -> None:
    weights = make_memory(5, 3)["maps"]["written"][0][0]
    drawn = ElementTree.fromstring(draw_weights(weights, [*SOURCE, *TARGET], ["1", "2", "3"], "title"))
    cells = [each for each in drawn.iter("rect") if each.find("title") is not None]
    found = {(int(cell.attrib["y"]), int(cell.attrib["x"])): float(cell.attrib["fill-opacity"]) for cell in cells}
    assert sorted(found.values()) == sorted(value for row in weights for value in row if value)
    names = [cell.find("title").text or "" for cell in cells]  # type: ignore[union-attr]
    assert names[0] == "▁ein, 2: 0.25"
    assert all(re.fullmatch(r".+, \d: 0\.25", name) for name in names)


def test_what_is_no_machine_or_too_large_has_no_drawing() -> None:
    assert render_machine_section([]) == ""
    assert render_machine_section([make_memory(2, 3000)]) == ""
