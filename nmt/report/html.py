"""A run at a glance: one HTML file that needs nothing beside itself."""

import html
import io
import json
import re
import unicodedata
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any

import numpy as np

from nmt.report.curves import curves
from nmt.report.heatmap import INKS

# On a dark page zero is the page itself and more weight is more light, in the same steps of lightness.
DARK_INKS = ("#14171d", "#1e2c4c", "#22457a", "#2461a3", "#2f80c3", "#4d9fd9", "#7abee7", "#b0daf0", "#ebf3f7")


def page(run: Mapping[str, Any]) -> str:
    """The report of a run: its command, scores with signatures, learning curves, and probe alignments over checkpoints.

    `run` is {"title": str, "command": str, "created": str, "scores": [{"name", "value", "signature"}],
    "metrics": rows as `curves` takes them, "probes": [{"source": words, "reference": str (or left out),
    "frames": [{"step": int, "target": words, "weights": [target, source]}]}]}. The frames of a probe are shown in their
    order, by a slider. All text is escaped, and a content security policy keeps the page from loading anything and from
    running any script but its own; weights keep three decimals. Raises ValueError if a frame's words and weights differ
    in number.
    """
    script = resource("page.js")
    fields = {
        "title": escaped(run["title"]),
        "created": escaped(run["created"]),
        "command": escaped(run["command"]),
        "scores": score_table(run["scores"]),
        "curves": inline_svg(run["metrics"]),
        "light_inks": ink_variables(INKS),
        "dark_inks": ink_variables(DARK_INKS),
        "data": embedded({"inks": len(INKS), "probes": [compact(probe) for probe in run["probes"]]}),
        "script": script,
        "allowed": f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'",
    }
    # One pass: braces in a title or a word are never taken for a field.
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: fields[match[1]], resource("page.html"))
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair, as in odd names of files, is no text


def escaped(text: str) -> str:
    """Text for HTML. Control characters, which it may not hold, become U+FFFD."""
    visible = "".join("\ufffd" if unicodedata.category(c) == "Cc" and c not in "\t\n" else c for c in text)
    return html.escape(visible)


def resource(name: str) -> str:
    """The text of a file that is installed beside this module."""
    return (files("nmt.report") / name).read_text(encoding="utf-8")


def score_table(scores: Sequence[Mapping[str, Any]]) -> str:
    """An HTML table with a row for each score."""
    if not scores:
        return '<p class="hint">This run has no scores yet.</p>'
    rows = "\n".join(
        f'<tr><th scope="row">{escaped(score["name"])}</th><td class="value">{score["value"]:.2f}</td>'
        f"<td><code>{escaped(score['signature'])}</code></td></tr>"
        for score in scores
    )
    head = '<tr><th scope="col">score</th><th scope="col" class="value">value</th><th scope="col">signature</th></tr>'
    return f'<table class="scores">\n<thead>{head}</thead>\n<tbody>\n{rows}\n</tbody>\n</table>'


def inline_svg(metrics: Sequence[Mapping[str, Any]]) -> str:
    """The learning curves as an <svg> element; the same metrics give the same text."""
    from matplotlib import rc_context

    text = io.StringIO()
    with rc_context({"svg.hashsalt": "curves"}):
        curves(metrics).savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :].replace("<svg", '<svg role="img" aria-label="learning curves"', 1)


def ink_variables(inks: Sequence[str]) -> str:
    """The style sheet's names for the steps of a colour scale."""
    return " ".join(f"--ink-{step}: {ink};" for step, ink in enumerate(inks))


def compact(probe: Mapping[str, Any]) -> dict[str, Any]:
    """A probe as the page's script reads it: weights are whole thousandths, and those that are no numbers are zero."""
    source, frames = list(probe["source"]), []
    for frame in probe["frames"]:
        target = list(frame["target"])
        weights = np.asarray(frame["weights"], dtype=float)
        if target and weights.shape != (len(target), len(source)):
            raise ValueError(
                f"step {frame['step']}: {len(target)} target and {len(source)} source words need as many rows and "
                f"columns of weights; got shape {weights.shape}."
            )
        thousandths = np.nan_to_num(weights * 1000, nan=0.0, posinf=0.0, neginf=0.0).round().astype(int)
        frames.append({"step": int(frame["step"]), "target": target, "weights": thousandths.tolist()})
    return {"source": source, "reference": probe.get("reference"), "frames": frames}


def embedded(value: object) -> str:
    """JSON that cannot end the <script> element it stands in, whatever its strings hold."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
