"""Every part of attention has a picture on its page, drawn by the code itself."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from nmt.attention.history import HISTORIES
from nmt.attention.normalizer import NORMALIZERS
from nmt.attention.scope import SCOPES
from nmt.attention.score import SCORES
from nmt.attention.selection import SELECTIONS
from scripts.draw_attention import FOLDER, PICTURES

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_part_has_a_picture() -> None:
    parts = {*SCORES, *SCOPES, *NORMALIZERS, *HISTORIES, *SELECTIONS} - {"none", "expected"}
    assert parts <= PICTURES.keys()


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_stands_on_its_page(name: str) -> None:
    assert (FOLDER / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert f"](../images/attention/{name}.png)" in (DOCS / "attention" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["additive", "local_p", "monotonic"])
def test_a_picture_can_be_drawn(name: str) -> None:
    assert isinstance(PICTURES[name](), Figure)
