"""A search for settings as one HTML file that needs nothing beside itself."""

from nmt.report.escaping import escape_html
from nmt.report.heatmap import INKS
from nmt.report.html import render_definitions, render_facts, render_score_table, render_template
from nmt.report.passages import render_section
from nmt.report.tuning import TrialRow, Tuning, format_score, format_value, is_illegal, list_notes, shorten_keys

SCRIPTS = ("charts.js", "page.js")
WIDTH, HEIGHT, MARGIN = 640, 180, 56
"""Of the drawing, in its own units."""


def render_page(tuning: Tuning) -> str:
    """The page of a search: its best settings, all trials, and how the scores came about.

    All text is escaped; it loads nothing and runs no script but its own, as the pages of `nmt.report.html`.
    """
    best = tuning.best
    last, score = list(best.scores.items())[-1]
    table = {
        "columns": [
            *({"head": f"{tuning.metric} at step {rung}"} for rung in tuning.rungs),
            *(
                {"head": head, "note": key}
                for key, head in zip(tuning.axes, shorten_keys(list(tuning.axes)), strict=True)
            ),
        ],
        "rows": [build_table_row(trial, tuning) for trial in tuning.trials if not is_illegal(trial)],
        "notes": [note for note in list_notes(tuning) if not note.startswith("FAILED")],
    }
    commands = [
        ("This search", tuning.command),
        ("Train with the best settings", f"nmt-train experiment={tuning.folder}/best.yaml output=outputs/best"),
    ]
    found = [(key, format_value(value)) for key, value in best.values.items()]
    if tuning.importances:
        shares = [(key, f"{share:.0%}") for key, share in tuning.importances.items()]
        mattered = render_section("importances", "What mattered", f'<dl class="facts">{render_facts(shares)}</dl>')
    else:
        mattered = ""
    sections = [
        render_section("best", "The best settings", f'<dl class="facts">{render_facts(found)}</dl>'),
        render_section("history", "Trials", draw_history(tuning)),
        mattered,
        render_section("trials", "All trials", render_score_table(table)),
        render_section("commands", "Commands", f"<dl>{render_definitions(commands)}</dl>"),
    ]
    facts = [
        ("trials", str(len(tuning.trials))),
        ("rungs", ", ".join(map(str, tuning.rungs))),
        (f"best {tuning.metric}", f"{format_score(score)} at step {last}"),
    ]
    failures = (note for note in list_notes(tuning) if note.startswith("FAILED"))
    fields = {
        "title": escape_html(tuning.folder.rstrip("/").rpartition("/")[2] or "search"),
        "created": escape_html(tuning.created),
        "facts": render_facts(facts),
        "failures": "".join(f'<p class="failure"><bdi>{escape_html(line)}</bdi></p>' for line in failures),
        "sections": "\n".join(sections),
    }
    return render_template("explanation.html", fields, SCRIPTS, {"inks": len(INKS)})


def build_table_row(trial: TrialRow, tuning: Tuning) -> dict[str, object]:
    """A trial as `render_score_table` takes it."""
    scores = [{"text": format_score(trial.scores[rung])} if rung in trial.scores else None for rung in tuning.rungs]
    values = [{"text": format_value(trial.values[key])} for key in tuning.axes]
    return {"label": f"trial {trial.number}", "cells": [*scores, *values]}


def draw_history(tuning: Tuning) -> str:
    """Every trial's scores over its number, as SVG: a circle for each rung that it reached, larger for later ones."""
    points = [(trial.number, rung, score) for trial in tuning.trials for rung, score in trial.scores.items()]
    scores = [score for *_, score in points]
    low, high = min(scores), max(scores)
    last = max(1, max(number for number, *_ in points))

    def place(number: int, score: float) -> tuple[float, float]:
        across = MARGIN + number / last * (WIDTH - 2 * MARGIN)
        return across, HEIGHT - MARGIN - (score - low) / ((high - low) or 1.0) * (HEIGHT - 2 * MARGIN)

    marks = []
    for number, rung, score in points:
        x, y = place(number, score)
        size = 2.5 + 1.5 * tuning.rungs.index(rung) if rung in tuning.rungs else 2.5
        told = escape_html(f"trial {number}, step {rung}: {tuning.metric} {format_score(score)}")
        marks.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" fill="currentColor" fill-opacity="0.55">'
            f"<title>{told}</title></circle>"
        )
    texts = [
        f'<text x="2" y="{place(0, value)[1]:.1f}" font-size="10" fill="currentColor">{format_score(value)}</text>'
        for value in dict.fromkeys((low, high))
    ]
    base = HEIGHT - 8
    texts += [f'<text x="{MARGIN}" y="{base}" font-size="10" fill="currentColor">trial 0 to {last}</text>']
    label = escape_html(f"{tuning.metric} of all trials; larger circles are later rungs")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join([*texts, *marks])}</svg>'
        f'<p class="hint">{label}. Figures for papers are in the folder figures.</p>'
    )
