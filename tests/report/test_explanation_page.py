"""The page of an explanation: every number that is printed, marks where they belong, and any text as text."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from nmt.report.arcs import WIDEST, draw_arcs
from nmt.report.explanation import Axis, Explanation, Stage, shorten_explanation
from nmt.report.explanation_html import render_report_section
from nmt.report.explanation_page import render_page
from nmt.report.shares import format_stage
from tests.report.samples import HOSTILE

WEIGHTS = np.array([[0.7, 0.3, 0.0], [0.2, 0.8, 0.0]])
HIDDEN = np.array([[False, False, True]] * 2)


def make_explanation(weights: np.ndarray = WEIGHTS, *, word: str = "dog", name: str = "softmax") -> Explanation:
    source, target = ["the", word, "<pad>"], ["der", "Hund"]
    looks = {"rows": target, "columns": source, "hidden": HIDDEN, "by_query": True, "by_source": True}
    return Explanation(
        title="Attention",
        facts=[("word", word)],
        axes=[Axis("normalizer", name, "x & y")],
        stages=[
            Stage("keys", "Keys", "k < 1", np.array([[1.0, 2.0], [3.0, 4.5], [0.0, 0.0]]), source, ["1", "2"]),
            Stage("scores", "Scores", "q . k", np.log(weights + 0.1), **looks),
            Stage("weights", "Weights", "softmax", weights, is_share=True, **looks),
        ],
        source=source,
        target=target,
        weights=weights,
        hidden=HIDDEN,
        query=1,
    )


class Reader(HTMLParser):
    """The tags of a page, and the cells of its tables by their class."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "td" and data.strip():
            self.cells.append((self.tags[-1][1].get("class") or "", data))


def read_page(*explanations: Explanation) -> tuple[str, Reader]:
    page = render_page(explanations, created="today", labels=["first", "other"])
    return page, Reader(page)


def test_every_number_stands_in_its_place_and_masked_cells_are_marked() -> None:
    explanation = make_explanation()
    _, found = read_page(explanation)
    wanted = [
        cell
        for stage in (explanation.stages[2], *explanation.stages)  # the grid comes first
        for row in format_stage(stage, 2)
        for cell in row
    ]
    assert [text for _, text in found.cells] == wanted
    masked = [text for kind, text in found.cells if "masked" in kind]
    assert len(masked) == 3 * 2
    assert all("heat" not in kind for kind, _ in found.cells if "masked" in kind)


def test_the_query_is_marked_wherever_rows_are_queries() -> None:
    page, _ = read_page(make_explanation())
    assert page.count('<tr class="mark"><th scope="row"><bdi>Hund</bdi>') == 3
    assert 'class="mark"><th scope="row"><bdi>der' not in page


def test_a_short_explanation_has_one_table_from_score_to_weight() -> None:
    page, found = read_page(shorten_explanation(make_explanation()))
    assert "From score to weight, for Hund" in page
    rows = re.findall(r'<tr><th scope="row"><bdi>(the|dog|&lt;pad&gt;)</bdi></th>(.*?)</tr>', page)
    assert [len(re.findall("<td", cells)) for _, cells in rows] == [2] * 6  # keys, and scores beside weights
    assert "0.80" in [text for _, text in found.cells]


def test_any_text_stays_text_and_nothing_is_loaded() -> None:
    page, found = read_page(make_explanation(word=HOSTILE), make_explanation(word=HOSTILE, name=HOSTILE))
    assert not {tag for tag, _ in found.tags} & {"img", "link", "iframe"}
    assert [tag for tag, _ in found.tags].count("script") == 2
    assert not [attributes for _, attributes in found.tags if {"style", "src", "onerror"} & attributes.keys()]
    assert "default-src 'none'" in page


def test_two_explanations_are_shown_side_by_side_with_what_changed() -> None:
    other = make_explanation(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), name="sparsemax")
    page, found = read_page(make_explanation(), other)
    assert "normalizer: softmax → sparsemax" in page
    assert [text for _, text in found.cells][:6] == ["0.20", "0.00", "-0.20", "0.80", "1.00", "+0.20"]
    folded = page[page.index("The same in both") :]
    assert folded.index("Keys") < folded.index("</details>") < folded.index("Scores")
    assert page.count('<dd class="changed">') == 2
    assert any(kind == "changed" for kind, _ in found.cells)


@pytest.mark.parametrize("weight", [0.1, 0.5, 1.0])
def test_a_line_is_as_wide_as_its_weight(weight: float) -> None:
    svg = draw_arcs(np.array([[weight, 1 - weight]]), ["a", "b"], ["x"], query=0)
    widths = [float(width) for width in re.findall(r'stroke-width="([\d.]+)"', svg)]
    wanted = [each for each in (weight, 1 - weight) if each > 0]
    assert widths == pytest.approx([WIDEST * each for each in wanted], abs=0.051)


def test_lines_of_others_lie_below_and_small_weights_are_not_drawn() -> None:
    svg = draw_arcs(np.array([[0.95, 0.05], [0.95, 0.05]]), ["a", "b"], ["x", "y"], query=0)
    paths = re.findall("<path([^>]*)>", svg)
    assert ['class="lit"' in path for path in paths] == [False, True, True]


def test_a_report_has_a_section_or_none() -> None:
    assert render_report_section(None) == ""
    section = render_report_section(shorten_explanation(make_explanation(word=HOSTILE)))
    assert section.startswith('<section id="explanation"')
    assert "<img" not in section
