"""The report is one file that holds what it was given and nothing that it would run."""

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser
from typing import Any

import pytest

from nmt.report.html import render_page, shorten_labels
from tests.report import samples
from tests.report.samples import HOSTILE

VOID = {"meta", "br", "img", "input", "link", "hr"}
RUN = samples.report()


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
    found: dict[str, Any] = json.loads(Reader(text).texts["script"][0])
    return found


def frames(text: str, probe: int = 0) -> Any:
    """The frames of all runs for a sentence, unpacked as the page's script does it."""
    return json.loads(zlib.decompress(base64.b64decode(data(text)["probes"][probe]["data"])))


def test_the_page_holds_what_it_was_given() -> None:
    text = render_page(RUN)
    reader = Reader(text)
    assert reader.texts["title"] == ["a run"]
    assert reader.texts["code"] == ["nrefs:1|case:mixed", "nmt-train attention=bahdanau", "0123abc"]
    assert {"35.58"} <= set(reader.texts["td"])
    assert "2024-05-06 07:08 UTC" in reader.texts["p"]
    assert "± 0.51" in reader.texts["span"]
    assert "**" in reader.texts["sup"]
    assert reader.texts["dd"][0] == "1,234,567"
    found = data(text)
    assert [probe["source"] for probe in found["probes"]] == [list(source) for source in samples.SOURCES]
    assert [probe["gold"] for probe in found["probes"]] == list(samples.GOLD)
    assert [panel["title"] for panel in found["learning"]] == ["loss", "BLEU", "chrF", "learning rate", "speed"]
    steps, values = found["learning"][1]["lines"][0]["curves"][0][0]
    assert (steps, values) == ([100, 200, 300, 400], [11.0, 21.0, 31.0, 41.0])


def test_weights_come_in_eight_bits() -> None:
    (run,) = frames(render_page(RUN))
    assert [frame[0] for frame in run] == [100, 200, 300, 400]
    for (_, target, free, forced), shown in zip(run, RUN["variants"][0]["runs"][0]["probes"][0]["frames"], strict=True):
        assert target == shown["target"]
        for digits, weights in ((free, shown["weights"]), (forced, shown["forced"]["weights"])):
            flat = [weight for row in weights for weight in row]
            assert [byte / 255 for byte in bytes.fromhex(digits)] == pytest.approx(flat, abs=0.5 / 255)


def test_runs_of_all_variants_are_frames_of_one_sentence() -> None:
    text = render_page(samples.report("attention=dot", "attention=cosine", seeds=2))
    assert [len(run) for run in frames(text)] == [4, 4, 4, 4]
    assert [variant["short"] for variant in data(text)["variants"]] == ["dot", "cosine"]
    assert data(text)["costs"] == [{"name": "parameters", "head": "parameters", "better": "less"}]
    assert data(text)["disagreement"]["words"] == 23


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["default"], ["default"]),
        (["attention=dot"], ["attention=dot"]),
        (["a.b=1", "a.b=12"], ["1", "12"]),
        (["a=1,b=2", "a=1,b=3"], ["2", "3"]),
        (["a=1,b=2", "a=2,b=2"], ["1,b=2", "2,b=2"]),
        (["dot", "dots"], ["dot", "dots"]),
        (["a=", "a=x"], ["a=", "x"]),
    ],
)
def test_labels_lose_what_they_share(labels: list[str], expected: list[str]) -> None:
    assert shorten_labels(labels) == expected


def test_no_field_of_the_template_is_left() -> None:
    assert re.findall(r"\{\{\w+\}\}", render_page({**RUN, "title": "a"}).split("<script")[0]) == []


def test_hostile_text_stays_text() -> None:
    cells = [{"text": HOSTILE, "stars": HOSTILE, "interval": HOSTILE, "best": True}, {"text": "–"}]
    columns = [{"head": HOSTILE, "note": HOSTILE}, {"head": "p"}]
    hostile = {
        **RUN,
        **dict.fromkeys(("title", "created"), HOSTILE),
        "facts": [(HOSTILE, HOSTILE)],
        "scores": {"columns": columns, "rows": [{"label": HOSTILE, "cells": cells}], "notes": [HOSTILE]},
        "signatures": [(HOSTILE, HOSTILE)],
        "commands": [(HOSTILE, HOSTILE), (HOSTILE, HOSTILE)],
        "variants": [{**RUN["variants"][0], "label": HOSTILE}],
    }
    text = render_page(hostile)
    reader, tame = Reader(text), Reader(render_page(RUN))
    assert {tag: len(found) for tag, found in reader.texts.items()} == {
        tag: len(found) for tag, found in tame.texts.items()
    }
    assert reader.texts["title"] == [HOSTILE]
    assert reader.texts["code"] == [HOSTILE] * 3
    assert data(text)["variants"][0]["label"] == HOSTILE
    assert data(text)["probes"][2]["source"][0] == HOSTILE


def test_the_page_asks_nothing_of_the_network() -> None:
    text = render_page(RUN)
    references = {"src", "href", "xlink:href", "action", "data", "srcset", "poster"}
    asked = [value for _, name, value in Reader(text).attributes if name in references]
    assert asked == []
    styles = "".join(Reader(text).texts["style"])
    assert "@import" not in styles
    assert "url(" not in styles
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import)\s*\(", text)


def test_only_the_pages_own_script_and_style_may_run() -> None:
    reader = Reader(render_page(RUN))
    (policy,) = [value for tag, name, value in reader.attributes if tag == "meta" and value.startswith("default-src")]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == "'none'"
    for part, text in (("script-src", reader.texts["script"][1]), ("style-src", reader.texts["style"][0])):
        assert parts[part] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert not [name for _, name, _ in reader.attributes if name == "style" or name.startswith("on")]


def test_a_run_that_has_just_begun_has_a_page() -> None:
    empty = {"seed": 1, "metrics": [], "probes": [{"source": ["a"], "reference": "b", "frames": []}]}
    scores = {"columns": [], "rows": [], "notes": []}
    text = render_page({**RUN, "scores": scores, "variants": [{"label": "a", "runs": [empty]}]})
    assert "no scores yet" in text
    assert (data(text)["probes"], data(text)["learning"], data(text)["measures"]) == ([], [], [])


def test_failures_are_said() -> None:
    assert (
        Reader(render_page({**RUN, "failures": ["FAILED: dot seed 1: no"]})).texts["bdi"][1] == "FAILED: dot seed 1: no"
    )


def test_long_curves_are_thinned_to_what_a_screen_shows() -> None:
    rows = [{"kind": "train", "step": step, "nll": 1.0} for step in range(1, 10_001)]
    report = {**RUN, "variants": [{"label": "a", "runs": [{"seed": 1, "metrics": rows, "probes": []}]}]}
    steps, values = data(render_page(report))["learning"][0]["lines"][0]["curves"][0][0]
    assert 200 < len(steps) == len(values) < 310
    assert (steps[0], steps[-1]) == (1, 10_000)


def test_the_same_run_gives_the_same_page() -> None:
    assert render_page(RUN) == render_page(RUN)
