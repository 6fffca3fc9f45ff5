"""The report is one file that holds what it was given and nothing that it would run."""

import json
import math
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from nmt.report.html import page

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)> & \" {{title}} \u2028 שלום"
VOID = {"meta", "br", "img", "input", "link", "hr"}


def run(**changes: Any) -> dict[str, Any]:
    frames = [
        {"step": 400, "target": ["a", "</s>"], "weights": [[0.25, 0.75], [0.0, 1.0]]},
        {"step": 800, "target": ["a", "house", "</s>"], "weights": [[0.5, 0.5], [1.0, 0.0], [0.1234, 0.8766]]},
    ]
    return {
        "title": "a run",
        "command": "nmt-train attention=bahdanau",
        "created": "2024-05-06 07:08",
        "scores": [{"name": "BLEU", "value": 35.578, "signature": "nrefs:1|case:mixed"}],
        "metrics": [{"kind": "train", "step": 1, "loss": 2.0}],
        "probes": [{"source": ["ein", "</s>"], "reference": "a house", "frames": frames}],
        **changes,
    }


class Reader(HTMLParser):
    """The text of every element by tag, the attributes of all, and a check that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data


def data(text: str) -> dict[str, Any]:
    """What the page's script reads."""
    return json.loads(Reader(text).texts["script"][0])


def test_the_page_holds_what_it_was_given() -> None:
    text = page(run())
    reader = Reader(text)
    assert reader.texts["h1"] == [""]
    assert reader.texts["bdi"] == reader.texts["title"] == ["a run"]
    assert reader.texts["code"] == ["nmt-train attention=bahdanau", "nrefs:1|case:mixed"]
    assert "35.58" in reader.texts["td"]
    assert "2024-05-06 07:08" in reader.texts["p"]
    assert "svg" in reader.texts
    (probe,) = data(text)["probes"]
    assert probe["source"] == ["ein", "</s>"]
    assert probe["reference"] == "a house"
    assert probe["frames"][1] == {
        "step": 800,
        "target": ["a", "house", "</s>"],
        "weights": [[500, 500], [1000, 0], [123, 877]],
    }


def test_no_field_of_the_template_is_left() -> None:
    assert re.findall(r"\{\{\w+\}\}", page(run())) == []


def test_hostile_text_stays_text() -> None:
    frames = [{"step": 1, "target": [HOSTILE], "weights": [[1.0]]}]
    hostile = run(
        title=HOSTILE,
        command=HOSTILE,
        created=HOSTILE,
        scores=[{"name": HOSTILE, "value": 1.0, "signature": HOSTILE}],
        probes=[{"source": [HOSTILE], "reference": HOSTILE, "frames": frames}],
    )
    text = page(hostile)
    reader, tame = Reader(text), Reader(page(run()))
    assert {tag: len(found) for tag, found in reader.texts.items()} == {
        tag: len(found) for tag, found in tame.texts.items()
    }
    assert reader.texts["title"] == [HOSTILE]
    assert reader.texts["code"] == [HOSTILE, HOSTILE]
    (probe,) = data(text)["probes"]
    assert (probe["source"], probe["reference"], probe["frames"][0]["target"]) == ([HOSTILE], HOSTILE, [HOSTILE])


def test_the_page_asks_nothing_of_the_network() -> None:
    text = page(run())
    references = {"src", "href", "xlink:href", "action", "data", "srcset", "poster"}
    asked = [value for _, name, value in Reader(text).attributes if name in references]
    assert [value for value in asked if not value.startswith("#")] == []
    styles = "".join(Reader(text).texts["style"]) + "".join(re.findall(r'style="([^"]*)"', text))
    assert "@import" not in styles
    assert [url for url in re.findall(r"url\(([^)]*)\)", text) if not url.startswith("#")] == []
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import)\s*\(", text)


def test_a_run_that_has_just_begun_has_a_page() -> None:
    text = page(run(scores=[], metrics=[], probes=[{"source": ["a"], "frames": []}]))
    assert "no scores yet" in text
    assert data(text)["probes"] == [{"source": ["a"], "reference": None, "frames": []}]


def test_weights_that_are_no_numbers_are_zero() -> None:
    frames = [{"step": 1, "target": ["a"], "weights": [[math.nan, 1.0]]}, {"step": 2, "target": [], "weights": []}]
    text = page(run(probes=[{"source": ["b", "</s>"], "frames": frames}]))
    assert [frame["weights"] for frame in data(text)["probes"][0]["frames"]] == [[[0, 1000]], []]


def test_words_and_weights_must_agree() -> None:
    frames = [{"step": 7, "target": ["a"], "weights": [[1.0, 0.0, 0.0]]}]
    with pytest.raises(ValueError, match=r"step 7: 1 target and 2 source .* \(1, 3\)"):
        page(run(probes=[{"source": ["b", "</s>"], "frames": frames}]))


def test_the_same_run_gives_the_same_page() -> None:
    assert page(run()) == page(run())
