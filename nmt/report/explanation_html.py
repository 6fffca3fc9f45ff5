"""Explanations as HTML: matrices, stages, the graph and the grid, and a section of a report."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from nmt.report.arcs import draw_arcs
from nmt.report.escaping import escape_html
from nmt.report.explanation import Axis, Explanation, Stage, find_hidden, group_looks, is_look, is_scalar
from nmt.report.heatmap import INKS
from nmt.report.passages import cut, render_section
from nmt.report.shares import format_number, format_stage

MAX_NUMBERS = 12
"""With more source positions than this, the cells of the grid have colours and no numbers."""

HEAT_STAGES = frozenset({"weights", "normalized", "selected"})
"""Stages whose cells are coloured by their number."""

Group = Sequence[Stage]


def render_report_section(explanation: Explanation | None, digits: int = 2) -> str:
    """One word explained as a section of a report, with most stages folded; nothing for None."""
    if explanation is None:
        return ""
    arcs = draw_arcs(explanation.weights, explanation.source, explanation.target, query=explanation.query)
    groups = group_looks(explanation.stages)
    table = next((group for group in groups if len(group) > 1), groups[-1])
    others = [render_card(group, None, explanation.query, digits) for group in groups if group is not table]
    word, said = explanation.target[explanation.query], explanation.translation or ""
    note = (
        f"How the model comes to look where it looks to write {word}, in its translation of the first probe sentence:"
    )
    return render_section(
        "explanation",
        "One word, number by number",
        f'<p class="hint">{escape_html(note)} <bdi>{escape_html(cut(said))}</bdi></p>'
        f'<div class="looks"><div class="scroll">{arcs}</div>'
        f'<div class="stage">{render_group(table, None, explanation.query, digits)}</div></div>'
        f"<details><summary>What is chosen, and the other steps</summary>{render_axes(explanation.axes)}"
        f'<div class="stages">{"".join(others)}</div></details>',
    )


def render_axes(axes: Sequence[Axis], others: Sequence[Axis] = ()) -> str:
    """What is chosen on each axis, and its equation; marked where `others` have something else."""
    rows = []
    for place, axis in enumerate(axes):
        is_changed = bool(others) and others[place].name != axis.name
        kind = ' class="changed"' if is_changed else ""
        rows.append(
            f"<dt>{escape_html(axis.axis)}</dt><dd{kind}><b>{escape_html(axis.name)}</b> "
            f'<span class="equation">{escape_html(axis.equation)}</span></dd>'
        )
    return f'<dl class="pairs axes">{"".join(rows)}</dl>'


def render_key() -> str:
    """What marks mean."""
    return (
        '<p class="key"><span><span class="sample mark"></span> the word that is looked at closely</span>'
        '<span><span class="sample masked"></span> masked: attention may not look there</span></p>'
    )


def render_look(explanation: Explanation, digits: int) -> str:
    """The graph and the grid of one head's weights."""
    arcs = draw_arcs(explanation.weights, explanation.source, explanation.target, query=explanation.query)
    return (
        f'<div class="looks"><div class="scroll" tabindex="0" role="region" aria-label="graph">{arcs}</div>'
        f"{render_grid(explanation, digits)}</div>"
    )


def render_grid(explanation: Explanation, digits: int) -> str:
    """Weights as a table, with numbers unless there are many."""
    stage = Stage(
        *("weights", "Weights", "", explanation.weights, explanation.target, explanation.source, explanation.hidden),
        is_share=True,
        by_query=True,
    )
    is_small = len(explanation.source) > MAX_NUMBERS
    return render_matrix(stage, explanation.query, digits, kind="small" if is_small else "")


def render_stages(explanation: Explanation, digits: int) -> str:
    """Every stage, one card each."""
    cards = [
        render_card(group, number, explanation.query, digits)
        for number, group in enumerate(group_looks(explanation.stages), start=1)
    ]
    return f'<div class="stages">{"".join(cards)}</div>'


def render_card(group: Group, number: int | None, query: int, digits: int, other: Group = ()) -> str:
    """A stage with its title, or several that have a number for each source position."""
    wide = " wide" if len(group) > 1 else ""
    return f'<article class="stage{wide}">{render_group(group, number, query, digits, other)}</article>'


def render_group(group: Group, number: int | None, query: int, digits: int, other: Group = ()) -> str:
    """Title, equations and numbers."""
    place = "" if number is None else f"{number}. "
    if len(group) == 1:
        stage = group[0]
        note = f'<p class="hint">{escape_html(stage.note)}</p>' if stage.note else ""
        matrix = render_matrix(stage, query, digits, other=other[0] if len(other) == 1 else None)
        return f"<h3>{place}{escape_html(stage.title)}</h3>{render_equation(stage.equation)}{note}{matrix}"
    equations = "".join(
        f'<dt>{escape_html(stage.title)}</dt><dd class="equation">{escape_html(stage.equation)}'
        f"{' = ' + format_stage(stage, digits)[0][0] if is_scalar(stage) else ''}</dd>"
        for stage in group
    )
    title = f"From score to weight, for {group[0].rows[0]}"
    table = render_columns(list(filter(is_look, group)), digits)
    return f'<h3>{place}{escape_html(title)}</h3><dl class="pairs">{equations}</dl>{table}'


def render_equation(equation: str) -> str:
    """How a stage is made."""
    return f'<p class="equation">{escape_html(equation)}</p>'


def render_matrix(stage: Stage, query: int, digits: int, *, kind: str = "", other: Stage | None = None) -> str:
    """A stage's numbers; the row of the query and masked cells are marked, and cells that `other` has otherwise."""
    if stage.values is None:
        return ""
    texts, hidden = format_stage(stage, digits), find_hidden(stage)
    changed = find_changed(stage, other, digits)
    heads = "".join(f'<th scope="col"><bdi>{escape_html(name)}</bdi></th>' for name in stage.columns)
    rows = []
    for t, name in enumerate(stage.rows):
        cells = "".join(
            render_number(
                texts[t][s],
                float(stage.values[t, s]),
                is_masked=bool(hidden[t, s]),
                has_heat=stage.name in HEAT_STAGES,
                is_changed=bool(changed[t, s]),
            )
            for s in range(len(stage.columns))
        )
        mark = ' class="mark"' if stage.by_query and t == query and len(stage.rows) > 1 else ""
        rows.append(f'<tr{mark}><th scope="row"><bdi>{escape_html(name)}</bdi></th>{cells}</tr>')
    about = f'<p class="hint">and {stage.omitted:,} more columns</p>' if stage.omitted else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape_html(stage.title)}">'
        f'<table class="matrix {kind}"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{about}"
    )


def find_changed(stage: Stage, other: Stage | None, digits: int) -> Bool[np.ndarray, "row column"]:
    """Which numbers `other` prints otherwise; none where it is another kind of stage, or where colours show it."""
    assert stage.values is not None
    if (
        other is None
        or other.values is None
        or (other.name, other.values.shape) != (stage.name, stage.values.shape)
        or stage.name in HEAT_STAGES
    ):
        return np.zeros(stage.values.shape, dtype=bool)
    return np.array(
        [
            [format_number(a, digits) != format_number(b, digits) for a, b in zip(row, beside, strict=True)]
            for row, beside in zip(stage.values, other.values, strict=True)
        ]
    )


def render_columns(group: Group, digits: int) -> str:
    """Stages of one query as the columns of a table, with a row for each source position."""
    heads = "".join(f'<th scope="col">{escape_html(stage.title)}</th>' for stage in group)
    columns = [(stage, format_stage(stage, digits)[0], find_hidden(stage)[0]) for stage in group]
    rows = []
    for s, name in enumerate(group[0].columns):
        cells = "".join(
            render_number(texts[s], find_value(stage, s), is_masked=bool(hidden[s]), has_heat=stage.name in HEAT_STAGES)
            for stage, texts, hidden in columns
        )
        rows.append(f'<tr><th scope="row"><bdi>{escape_html(name)}</bdi></th>{cells}</tr>')
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="from score to weight"><table class="matrix tall">'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def find_value(stage: Stage, column: int) -> float:
    """A number of a stage of one row."""
    assert stage.values is not None
    return float(stage.values[0, column])


def render_number(text: str, value: float, *, is_masked: bool, has_heat: bool, is_changed: bool = False) -> str:
    """One cell."""
    kinds = [
        *(["masked"] if is_masked else []),
        *([f"heat-{find_step(value)}"] if has_heat and not is_masked else []),
        *(["changed"] if is_changed else []),
    ]
    kind = f' class="{" ".join(kinds)}"' if kinds else ""
    return f"<td{kind}>{escape_html(text)}</td>"


def find_step(weight: float) -> int:
    """The step of the colour scale."""
    return round(min(max(weight, 0.0), 1.0) * (len(INKS) - 1))
