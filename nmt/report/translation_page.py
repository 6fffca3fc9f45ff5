"""Translations with their attention, in one HTML file that needs nothing beside itself."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nmt.report.escaping import escape_html
from nmt.report.heatmap import INKS
from nmt.report.html import render_facts, render_template
from nmt.report.packing import encode_weights

SCRIPTS = ("charts.js", "grid.js", "sentences.js", "page.js")


class Picture(NamedTuple):
    """A translation and its attention; </s> is the last word of both sides. label: in place of number and source."""

    number: int
    source: Sequence[str]
    target: Sequence[str]
    weights: Float[np.ndarray, "target source"]
    label: str | None = None


def render_page(pictures: Sequence[Picture], *, title: str, created: str, entries: Sequence[tuple[str, str]]) -> str:
    """A page to go through the pictures; `entries` are names and values that a reader should know first.

    It loads nothing and runs no script but its own, as the pages of `nmt.report.html`. Raises ValueError if there is
    not a word for each row and column.
    """
    fields = {"title": escape_html(title), "created": escape_html(created), "facts": render_facts(entries)}
    return render_template(
        "sentences.html",
        fields,
        SCRIPTS,
        {"inks": len(INKS), "sentences": [convert_picture(each) for each in pictures]},
    )


def convert_picture(picture: Picture) -> dict[str, Any]:
    """A picture as the page's script reads it."""
    return {
        "number": picture.number,
        **({} if picture.label is None else {"label": picture.label}),
        "source": list(picture.source),
        "target": list(picture.target),
        "weights": encode_weights(picture.weights, picture.target, picture.source, picture.number),
    }
