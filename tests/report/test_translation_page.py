"""The page of translations is one file that loads nothing, with every weight in it."""

import base64
import hashlib
import json
import re

import numpy as np
import pytest

from nmt.report.translation_page import Picture, render_page
from tests.report.samples import HOSTILE
from tests.report.test_html import Reader

PICTURES = [
    Picture(1, ["the", HOSTILE, "</s>"], ["der", "</s>"], np.array([[0.0, 1.0, 0.0], [0.25, 0.25, 0.5]])),
    Picture(7, ["שלום", "</s>"], [HOSTILE, "{{title}}", "</s>"], np.array([[0.1, 0.9], [0.8, 0.2], [0.0, 1.0]])),
]


def made(pictures: list[Picture]) -> str:
    return render_page(
        pictures, title=f"a title {HOSTILE}", created="today", entries=[("model", "outputs/a"), ("lines", "9")]
    )


def test_it_holds_what_it_was_given() -> None:
    reader = Reader(made(PICTURES))
    assert reader.texts["title"] == [f"a title {HOSTILE}".replace("\u2028", "\u2028")]
    assert reader.texts["dd"] == ["outputs/a", "9"]
    found = json.loads(reader.texts["script"][0])["sentences"]
    for each, picture in zip(found, PICTURES, strict=True):
        assert (each["number"], each["source"], each["target"]) == (picture.number, picture.source, picture.target)
        values = np.frombuffer(bytes.fromhex(each["weights"]), np.uint8).reshape(picture.weights.shape) / 255
        np.testing.assert_allclose(values, picture.weights, atol=0.5 / 255)


def test_it_loads_nothing_and_runs_no_script_but_its_own() -> None:
    text = made(PICTURES)
    reader = Reader(text)
    assert len(reader.texts["script"]) == 2
    assert not [name for _, name, _ in reader.attributes if name.startswith("on") or name in ("src", "href")]
    (policy,) = [value for tag, name, value in reader.attributes if tag == "meta" and value.startswith("default-src")]
    assert "default-src 'none'" in policy
    digest = base64.b64encode(hashlib.sha256(reader.texts["script"][1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_a_page_of_nothing_is_a_page() -> None:
    assert json.loads(Reader(made([])).texts["script"][0])["sentences"] == []


def test_words_and_weights_must_agree() -> None:
    with pytest.raises(ValueError, match="1 target and 1 source words"):
        made([Picture(1, ["a"], ["b"], np.ones((2, 2)))])
