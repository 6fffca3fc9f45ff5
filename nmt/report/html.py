"""A run, or a comparison of runs, at a glance: one HTML file that needs nothing beside itself."""

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from nmt.report.escaping import escape_html
from nmt.report.explanation_html import render_report_section
from nmt.report.heatmap import INKS
from nmt.report.machine_section import render_machine_section
from nmt.report.packing import pack_explanations, pack_probes, thin
from nmt.report.panels import LEARNING_PANELS, MEASURE_PANELS, Panel, select_points
from nmt.report.passages import render_about_section, render_link_section, render_passage_section
from nmt.report.polygons import render_polygons

# On a dark page zero is the page itself and more weight is more light, in the same steps of lightness.
DARK_INKS = ("#14171d", "#1e2c4c", "#22457a", "#2461a3", "#2f80c3", "#4d9fd9", "#7abee7", "#b0daf0", "#ebf3f7")

SCRIPTS = ("charts.js", "sections.js", "pictures.js", "grid.js", "alignments.js", "explanations.js", "page.js")
"""In this order, as one script."""

HEATS = {sign * step: f"{name}-{step}" for sign, name in ((1, "better"), (-1, "worse")) for step in (1, 2, 3)}
"""Names in the style sheet, as the page allows no styles but those."""

MAX_NAMED_COLUMNS, MAX_HEAD_LENGTH = 8, 14
"""With more variants than this, or longer names, the columns of each against each have numbers for heads."""

MAX_PORTRAIT_COLUMNS = 6
"""With more columns than this a table gets a sheet of paper that is wider than high."""

MAX_POINTS = 300
"""Points of a curve, more than a screen shows."""


def render_page(report: Mapping[str, Any]) -> str:
    """The report of a run or a comparison. `report` is a plain dictionary; what is marked ? may be left out.

    title, created: str
    facts: [(name, value)], strings: what the reader should know first
    scores: {"columns": [{"head": str, "note"?: str}], "rows": [{"label": str, "cells": [cell]}], "notes": [str]}, the
        columns beside the label, and for each of them a cell {"text": str, "interval"?: str, "stars"?: str,
        "best"?: bool}; an interval such as "36.1 to 38.0" is shown below the text, stars after it
    pairs?: {"labels": [str], "rows": [[cell | None]], "note": str}, each label against each; such a cell has also
        "heat": int, from -3, the column is surely better, to 3, the row is
    faithfulness?: a table of the same form as scores; None for no section
    signatures: [(score, signature)]
    commands: [(what it does, command)], the first in sight, the others folded away
    variants: [{"label": str, "runs": [run]}], for a run one variant with one run; a run is
        {"seed": int, "metrics": rows of metrics.jsonl, "probes": as `packing.packed` takes them,
        "explanations"?: as `packing.pack_explanations` takes them,
        "values"?: {name: number}, "lengths"?: [{"from", "to": source words, "sentences": int, "bleu": float}]}
    costs?: [{"name": key of values, "head": str, "better": "less" | "more"}], each drawn against values["BLEU"]
    disagreement?: {"divergence": [[number | None]], "variation": the same, "words": int}, variants by variants
    failures?: [str]: runs without scores, and why
    about?: [(group, [(name, value)])], what the run, or all runs, are
    passages?: {"title": str, "note": str, "groups": [{"label": str | None, "examples": [{"title": str, "lines":
        [(name, text)]}]}]}, sentences to read
    links?: [(variant, [(name, relative path of its page)])]
    explanation?: an `Explanation` of one word, or None
    memories?: maps of a memory machine, as `render_machine_section` takes them
    polygons?: [(title, polygon as `nmt.report.polygons` takes it)]

    All text is escaped, and a content security policy keeps the page from loading anything and from running any script
    but its own; numbers are rounded. Raises ValueError as `packing.packed` does.
    """
    fields = {
        "title": escape_html(report["title"]),
        "created": escape_html(report["created"]),
        "facts": render_facts(report["facts"]),
        "failures": "".join(
            f'<p class="failure"><bdi>{escape_html(line)}</bdi></p>' for line in report.get("failures", ())
        ),
        "scores": render_score_table(report["scores"]),
        "pairs": render_pair_section(report.get("pairs")),
        "faithfulness": render_score_table(measured) if (measured := report.get("faithfulness")) else "",
        "faithfulness_hidden": "" if measured else "hidden",
        "about": render_about_section(report.get("about", ()), "What this is"),
        "machine": render_machine_section(report.get("memories", ())),
        "explanation": render_report_section(report.get("explanation")),
        "passages": render_passage_section(report.get("passages")),
        "polygons": render_polygons(report.get("polygons", ())),
        "links": render_link_section(report.get("links", ())),
        "signatures": render_definitions(report["signatures"]),
        "commands": render_definitions(report["commands"][:1]),
        "further": render_definitions(report["commands"][1:]),
    }
    return render_template("page.html", fields, SCRIPTS, collect_data(report))


def render_template(template: str, fields: Mapping[str, str], scripts: Sequence[str], data: object) -> str:
    """A page whose {{fields}} are HTML, with the style, the scripts and the data that they read; it loads nothing.

    template: the file of what is between the header and the end, which all pages have in common.
    """
    script = "\n".join(['"use strict";', *map(read_resource, scripts)])
    style = read_resource("page.css").replace("/* inks */", render_inks())
    every = {
        "failures": "",
        **fields,
        "generator": f"nmt.report/{template}",
        "data": embed_json(data),
        "style": style,
        "script": script,
        "style_hash": hash_for_csp(style),
        "script_hash": hash_for_csp(script),
    }
    whole = read_resource("frame.html").replace("{{main}}", read_resource(template).rstrip("\n"))
    # One pass: braces in a title or a word are never taken for a field.
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: every[match[1]], whole)
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair, as in odd names of files, is no text


def render_facts(entries: Iterable[tuple[str, str]]) -> str:
    """What a reader should know first: names and values."""
    return "".join(f"<div><dt>{escape_html(n)}</dt><dd>{escape_html(v)}</dd></div>" for n, v in entries)


def read_resource(name: str) -> str:
    """The text of a file that is installed beside this module."""
    return (files("nmt.report") / name).read_text(encoding="utf-8")


def hash_for_csp(text: str) -> str:
    """What lets the browser run this script, or use this style, and no other (Content Security Policy)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def render_inks() -> str:
    """The style sheet's names for the steps of the colour scale, on light screens and on paper, and on dark ones."""
    light, dark = (" ".join(f"--ink-{n}: {ink};" for n, ink in enumerate(each)) for each in (INKS, DARK_INKS))
    return f":root {{ {light} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"


# Static parts -------------------------------------------------------------------------------------------------------


def render_score_table(scores: Mapping[str, Any]) -> str:
    """An HTML table with a row for each variant or score."""
    if not scores["rows"]:
        return '<p class="hint">There are no scores yet.</p>'
    heads = "".join(
        f'<th scope="col" title="{escape_html(column.get("note", ""))}">{escape_html(column["head"])}</th>'
        for column in scores["columns"]
    )
    rows = "\n".join(
        f'<tr><th scope="row"><bdi>{escape_html(row["label"])}</bdi></th>{"".join(map(render_cell, row["cells"]))}</tr>'
        for row in scores["rows"]
    )
    notes = "".join(f"<li>{escape_html(note)}</li>" for note in [*scores["notes"], *list_column_notes(scores)])
    kind = "scores wide" if len(scores["columns"]) > MAX_PORTRAIT_COLUMNS else "scores"
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="scores"><table class="{kind}">\n'
        f"<thead><tr><td></td>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>\n"
        f'<ul class="hint notes">{notes}</ul>'
    )


def list_column_notes(scores: Mapping[str, Any]) -> list[str]:
    """What the heads of columns mean, where no note says so: paper and touch screens have no pointer that could ask."""
    return [
        f"{column['head']}: {column['note']}."
        for column in scores["columns"]
        if column.get("note") and not any(note.startswith(f"{column['head']}:") for note in scores["notes"])
    ]


def render_pair_section(pairs: Mapping[str, Any] | None) -> str:
    """The section with everything against everything else, coloured by how sure the difference is; nothing for None."""
    if pairs is None:
        return ""
    names = shorten_labels(pairs["labels"])
    numbered = len(names) > MAX_NAMED_COLUMNS or max(map(len, names)) > MAX_HEAD_LENGTH
    columns = [str(number) for number in range(1, len(names) + 1)] if numbered else names
    heads = "".join(
        f'<th scope="col" title="{escape_html(name)}"><bdi>{escape_html(column)}</bdi></th>'
        for column, name in zip(columns, names, strict=True)
    )
    rows = "\n".join(
        f'<tr><th scope="row">{escape_html(column) + " " if numbered else ""}<bdi>{escape_html(name)}</bdi></th>'
        f"{''.join(map(render_cell, row))}</tr>"
        for column, name, row in zip(columns, names, pairs["rows"], strict=True)
    )
    return (
        f'<section id="pairs" aria-labelledby="head-pairs">\n<h2 id="head-pairs">Each against each</h2>\n'
        f'<p class="hint">{escape_html(pairs["note"])}</p>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="each against each"><table class="scores heat">\n'
        f"<thead><tr><td></td>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>\n</section>"
    )


def render_cell(value: Mapping[str, Any] | None) -> str:
    """A number with its stars, and its interval below; a dash for None."""
    if value is None:
        return "<td>–</td>"
    stars = (
        f'<sup class="stars">{escape_html(value["stars"])}</sup>' if value.get("stars") else '<sup class="stars"></sup>'
    )
    interval = f'<span class="interval">{escape_html(value["interval"])}</span>' if value.get("interval") else ""
    kind = "best" if value.get("best") else HEATS.get(value.get("heat", 0), "")
    opening = f'<td class="{kind}">' if kind else "<td>"
    return f"{opening}{escape_html(value['text'])}{stars}{interval}</td>"


def render_definitions(entries: Iterable[tuple[str, str]]) -> str:
    """Names with code below."""
    return "\n".join(
        f"<dt><bdi>{escape_html(n)}</bdi></dt><dd><code>{escape_html(code)}</code></dd>" for n, code in entries
    )


# What the script draws ------------------------------------------------------------------------------------------------


def collect_data(report: Mapping[str, Any]) -> dict[str, Any]:
    """All that the page's script reads, as JSON."""
    labels = shorten_labels([variant["label"] for variant in report["variants"]])
    runs = [run for variant in report["variants"] for run in variant["runs"]]
    probes, every = pack_probes([run["probes"] for run in runs])
    return {
        "inks": len(INKS),
        "variants": [
            {
                "label": variant["label"],
                "short": label,
                "runs": [
                    {
                        "seed": run["seed"],
                        "values": run.get("values", {}),
                        "lengths": run.get("lengths", []),
                        "explanations": pack_explanations(run.get("explanations", ())),
                    }
                    for run in variant["runs"]
                ],
            }
            for variant, label in zip(report["variants"], labels, strict=True)
        ],
        "learning": collect_panels(LEARNING_PANELS, report["variants"]),
        "measures": collect_panels(MEASURE_PANELS, report["variants"]),
        "costs": report.get("costs", []),
        "disagreement": report.get("disagreement"),
        "probes": probes,
        "every": every,
    }


def collect_panels(wanted: Sequence[Panel], variants: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The panels that have a number, each line with the curves of all variants' runs: [[steps, numbers]]."""
    found = []
    for panel in wanted:
        lines = []
        for line in panel.lines:
            curves = [
                [thin_curve(select_points(run["metrics"], line)) for run in variant["runs"]] for variant in variants
            ]
            if any(steps for each in curves for steps, _ in each):
                lines.append({"label": line.label, "curves": curves})
        if lines:
            found.append({**panel._asdict(), "lines": lines})
    return found


def thin_curve(numbers: tuple[list[int], list[float]]) -> tuple[list[int], list[float]]:
    """No more points than can be seen, with five digits each."""
    every = math.ceil(max(len(numbers[0]), 1) / MAX_POINTS)
    return thin(numbers[0], every), [float(f"{value:.5g}") for value in thin(numbers[1], every)]


def shorten_labels(labels: Sequence[str]) -> list[str]:
    """Labels without what they all begin with, up to a mark: attention=dot, attention=cosine are dot, cosine."""
    if len(labels) < 2:
        return list(labels)
    common = 0
    while all(len(label) > common for label in labels) and len({label[common] for label in labels}) == 1:
        common += 1
    marked = max(labels[0].rfind(mark, 0, common) for mark in "=,") + 1
    return [label[marked:] or label for label in labels]


def embed_json(value: object) -> str:
    """JSON that cannot end the <script> element it stands in, whatever its strings hold."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
