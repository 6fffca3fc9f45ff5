"""An explanation as text: matrix after matrix, for a terminal or a file."""

from collections.abc import Iterator, Sequence

from nmt.printable import escape_controls
from nmt.report.explanation import (
    Axis,
    Explanation,
    Stage,
    group_looks,
    is_look,
    is_same,
    is_scalar,
    list_changed_axes,
    pair_groups,
)
from nmt.report.shares import format_comparison, format_stage
from nmt.report.terminal import isolate, make_legible, measure_width

LEGEND = "> the query that is looked at closely    (1.23) a cell that is masked"
LONGEST = 18
"""Columns of a word."""


def render_text(explanation: Explanation, *, digits: int = 2) -> list[str]:
    """Lines with the whole computation; every number is printed to so many digits."""
    lines = [explanation.title, ""]
    lines += render_pairs(explanation.facts)
    if explanation.translation is not None:
        lines += ["", "Positions"]
        lines += [f"  {place:>3}  {make_legible(word)}" for place, word in enumerate(explanation.target)]
    lines += ["", *render_axes(explanation.axes), "", LEGEND]
    for number, group in enumerate(group_looks(explanation.stages), start=1):
        lines += ["", *render_group(group, number, explanation, digits)]
    return lines


def render_pairs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Names and values with straight columns."""
    widest = max((len(name) for name, _ in pairs), default=0)
    return [f"{name.ljust(widest)}  {escape_controls(value)}" for name, value in pairs]


def render_axes(axes: Sequence[Axis]) -> list[str]:
    """What is chosen on each axis, with its equation."""
    return render_pairs([(axis.axis, f"{axis.name}: {axis.equation}") for axis in axes])


def render_group(group: Sequence[Stage], number: int, explanation: Explanation, digits: int) -> Iterator[str]:
    """One stage, or several with a number for each source position, side by side."""
    if len(group) == 1:
        yield from render_stage(group[0], number, explanation.query, digits)
        return
    yield f"{number}. From score to weight, for {make_legible(group[0].rows[0])}"
    for stage in group:
        value = f" = {format_stage(stage, digits)[0][0]}" if is_scalar(stage) else ""
        yield f"   {stage.title}: {stage.equation}{value}"
    looks = [stage for stage in group if is_look(stage)]
    columns = [mark_hidden(stage, format_stage(stage, digits))[0] for stage in looks]
    cells = [list(row) for row in zip(*columns, strict=True)]
    yield from render_matrix(looks[0].columns, [stage.title for stage in looks], cells)


def render_stage(stage: Stage, number: int, query: int, digits: int) -> Iterator[str]:
    """A title, the equation, and the matrix."""
    yield f"{number}. {escape_controls(stage.title)}"
    yield f"   {stage.equation}"
    if stage.note:
        yield f"   {stage.note}"
    if stage.values is None:
        return
    marked = query if stage.by_query and len(stage.rows) > 1 else None
    cells = mark_hidden(stage, format_stage(stage, digits))
    yield from render_matrix(stage.rows, stage.columns, cells, marked=marked)
    if stage.omitted:
        yield f"   and {stage.omitted} more columns"


def mark_hidden(stage: Stage, cells: list[list[str]]) -> list[list[str]]:
    """The cells, with those in brackets where attention may not look."""
    if stage.hidden is None:
        return cells
    return [
        [f"({cell})" if is_hidden else cell for cell, is_hidden in zip(row, hidden, strict=True)]
        for row, hidden in zip(cells, stage.hidden, strict=True)
    ]


def render_matrix(
    rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[str]], *, marked: int | None = None
) -> Iterator[str]:
    """Rows with names before them and columns with names above them, numbers to the right."""
    names = [make_legible(name, longest=LONGEST) for name in rows]
    heads = [make_legible(name, longest=LONGEST) for name in columns]
    widest = max(map(measure_width, names), default=0)
    widths = [max(measure_width(head), *(measure_width(row[at]) for row in cells)) for at, head in enumerate(heads)]
    yield "     " + " " * widest + "".join("  " + pad(head, size) for head, size in zip(heads, widths, strict=True))
    for place, (name, row) in enumerate(zip(names, cells, strict=True)):
        numbers = "".join("  " + pad(cell, size) for cell, size in zip(row, widths, strict=True))
        yield f"   {'>' if place == marked else ' '} {isolate(name)}{' ' * (widest - measure_width(name))}{numbers}"


def pad(text: str, size: int) -> str:
    """The text at the right of so many columns of a terminal."""
    return " " * (size - measure_width(text)) + isolate(text)


def render_change(first: Explanation, other: Explanation, name: str, *, digits: int = 2) -> list[str]:
    """What a second explanation has otherwise: axes, stages, and the weights of the query side by side."""
    lines = ["", f"What changed with {escape_controls(name)}", ""]
    lines += render_pairs([(a.axis, f"{a.name} -> {b.name}: {b.equation}") for a, b in list_changed_axes(first, other)])
    pairs = pair_groups(group_looks(first.stages), group_looks(other.stages))
    for number, (left, right) in enumerate(pairs, start=1):
        is_kept = left is not None and right is not None and len(left) == len(right) and all(map(is_same, left, right))
        if right is not None and not is_kept:
            lines += ["", *render_group(right, number, other, digits)]
    cells = format_comparison(first, other, digits)
    if cells is not None:
        lines += ["", f"Weights of {make_legible(first.target[first.query])}"]
        lines += render_matrix(first.source, ["first", "second", "change"], cells)
    return lines
