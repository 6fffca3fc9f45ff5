"""Figures as the contents of files: pictures for screens, and vector graphics with TrueType fonts for papers."""

import io
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Format = Literal["png", "pdf", "svg"]

FONTS: dict[Any, Any] = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "nmt"}
"""TrueType (42) in PDF, as publishers refuse Type 3. In SVG letters are outlines, which look alike on all computers.
The salt makes the names in an SVG the same on every run."""

METADATA: dict[Format, dict[str, Any]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
"""Without the time, so that the same figure is the same file."""


def encode(figure: "Figure", ending: Format, *, dpi: int = 150) -> bytes:
    """The content of a file that shows the figure; `dpi` are those of a PNG."""
    from matplotlib import rc_context

    content = io.BytesIO()
    with rc_context(FONTS):
        figure.savefig(content, format=ending, dpi=dpi, metadata=METADATA[ending])
    return content.getvalue()
