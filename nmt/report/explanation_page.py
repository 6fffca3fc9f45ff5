"""An explanation, or two side by side, as one HTML file that needs nothing beside itself."""

from collections.abc import Sequence

from nmt.report.escaping import escape_html
from nmt.report.explanation import Explanation, group_looks, is_same, list_changed_axes, pair_groups
from nmt.report.explanation_html import (
    render_axes,
    render_card,
    render_key,
    render_look,
    render_number,
    render_stages,
)
from nmt.report.heatmap import INKS
from nmt.report.html import render_facts, render_template
from nmt.report.passages import render_section
from nmt.report.shares import format_comparison

SCRIPTS = ("charts.js", "page.js")


def render_page(
    explanations: Sequence[Explanation], *, created: str, labels: Sequence[str] = (), digits: int = 2
) -> str:
    """The page of one explanation, or of two with `labels` for what each is.

    All text is escaped; it loads nothing and runs no script but its own, as the pages of `nmt.report.html`.
    """
    first = explanations[0]
    if len(explanations) == 1:
        sections = [
            render_section("choices", "What is chosen", render_axes(first.axes)),
            render_section("look", "Where it looks", render_key() + render_look(first, digits)),
            render_section("stages", "Step by step", render_stages(first, digits)),
        ]
    else:
        sections = render_both(first, explanations[1], labels, digits)
    fields = {
        "title": escape_html(first.title),
        "created": escape_html(created),
        "facts": render_facts(list_facts(first)),
        "sections": "\n".join(sections),
    }
    return render_template("explanation.html", fields, SCRIPTS, {"inks": len(INKS)})


def list_facts(explanation: Explanation) -> list[tuple[str, str]]:
    """What a reader should know first."""
    said = [] if explanation.translation is None else [("translation", explanation.translation)]
    return [*said, *explanation.facts]


# Two explanations -----------------------------------------------------------------------------------------------------


def render_both(first: Explanation, other: Explanation, labels: Sequence[str], digits: int) -> list[str]:
    """The sections of a page that shows what changed."""
    names = list(labels) or ["first", "second"]
    sides = zip(names, (first, other), (other, first), strict=True)
    choices = "".join(
        f'<div class="side"><h3>{escape_html(name)}</h3>{render_axes(each.axes, against.axes)}</div>'
        for name, each, against in sides
    )
    looks = "".join(
        f'<div class="side"><h3>{escape_html(name)}</h3>{render_look(each, digits)}</div>'
        for name, each in zip(names, (first, other), strict=True)
    )
    same, changed = render_pairs(first, other, names, digits)
    folded = f'<details><summary>The same in both</summary><div class="stages">{"".join(same)}</div></details>'
    return [
        render_section("choices", "What is chosen", f'<div class="sides">{choices}</div>'),
        render_section("change", "What changed", render_change(first, other, digits)),
        render_section("look", "Where it looks", f'{render_key()}<div class="sides">{looks}</div>'),
        render_section("stages", "Step by step", (folded if same else "") + "".join(changed)),
    ]


def render_change(first: Explanation, other: Explanation, digits: int) -> str:
    """The axes that differ, and the weights of the query in both."""
    axes = "; ".join(f"{a.axis}: {a.name} → {b.name}" for a, b in list_changed_axes(first, other))
    said = f'<p class="hint">{escape_html(axes or "Nothing on any axis: what is looked at differs.")}</p>'
    texts = format_comparison(first, other, digits)
    if texts is None:
        return said + '<p class="hint">The two read different words, so that their weights stand in no one table.</p>'
    heads = "".join(f'<th scope="col"><bdi>{escape_html(name)}</bdi></th>' for name in ("first", "second", "change"))
    rows = []
    for s, (word, (before, after, change)) in enumerate(zip(first.source, texts, strict=True)):
        cells = "".join(
            render_number(text, float(each.weights[each.query, s]), is_masked=False, has_heat=True)
            for text, each in ((before, first), (after, other))
        )
        rows.append(
            f'<tr><th scope="row"><bdi>{escape_html(word)}</bdi></th>{cells}<td>{escape_html(change)}</td></tr>'
        )
    return (
        f"{said}<h3>Weights of <bdi>{escape_html(first.target[first.query])}</bdi></h3>"
        '<div class="scroll" tabindex="0" role="region" aria-label="weights">'
        f'<table class="matrix tall"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def render_pairs(
    first: Explanation, other: Explanation, names: Sequence[str], digits: int
) -> tuple[list[str], list[str]]:
    """The cards of what is the same, and the pairs of what is not."""
    same, changed = [], []
    pairs = pair_groups(group_looks(first.stages), group_looks(other.stages))
    for number, (left, right) in enumerate(pairs, start=1):
        if left is not None and right is not None and len(left) == len(right) and all(map(is_same, left, right)):
            same.append(render_card(left, number, first.query, digits))
            continue
        cards = [
            '<div class="side absent"><p class="hint">not in this one</p></div>'
            if group is None
            else f'<div class="side"><p class="hint"><bdi>{escape_html(name)}</bdi></p>'
            f"{render_card(group, number, query, digits, beside or ())}</div>"
            for group, beside, name, query in (
                (left, None, names[0], first.query),
                (right, left, names[1], other.query),
            )
        ]
        changed.append(f'<div class="sides">{"".join(cards)}</div>')
    return same, changed
