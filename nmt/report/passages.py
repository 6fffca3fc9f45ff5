"""Parts of a page that are text: what a run is, sentences to read, and links to other pages."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from nmt.report.escaping import escape_html

MAX_CHARACTERS = 1000
"""Characters of a sentence that are shown."""


def render_about_section(groups: Sequence[tuple[str, Sequence[tuple[str, str]]]], title: str) -> str:
    """Names and values, group by group; nothing where there is none."""
    if not groups:
        return ""
    shown = "\n".join(
        f'<div class="group"><h3>{escape_html(group)}</h3><dl class="pairs">'
        + "".join(f"<dt>{escape_html(name)}</dt><dd><bdi>{escape_html(value)}</bdi></dd>" for name, value in entries)
        + "</dl></div>"
        for group, entries in groups
    )
    return render_section("about", title, f'<div class="groups">{shown}</div>')


def render_passage_section(passages: Mapping[str, Any] | None) -> str:
    """Sentences with their source, reference and translations; nothing for None. Groups with a label are folded, except
    the first."""
    if passages is None or not any(group["examples"] for group in passages["groups"]):
        return ""
    parts = [f'<p class="hint">{escape_html(passages["note"])}</p>']
    for place, group in enumerate(group for group in passages["groups"] if group["examples"]):
        inside = "\n".join(map(render_example, group["examples"]))
        if group["label"] is None:
            parts.append(inside)
        else:
            state = " open" if place == 0 else ""
            parts.append(
                f"<details{state}><summary><bdi>{escape_html(group['label'])}</bdi></summary>\n{inside}</details>"
            )
    return render_section("passages", passages["title"], "\n".join(parts))


def render_example(shown: Mapping[str, Any]) -> str:
    """One sentence: a title, and named lines."""
    lines = "".join(
        f'<dt><bdi>{escape_html(name)}</bdi></dt><dd dir="auto">{escape_html(cut(text))}</dd>'
        for name, text in shown["lines"]
    )
    return f'<article class="example"><h3>{escape_html(shown["title"])}</h3><dl class="pairs">{lines}</dl></article>'


def cut(text: str) -> str:
    """A text that is not too long to show."""
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"


def render_link_section(runs: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """Links to the pages of runs, by variant: names and relative paths; nothing where there is none."""
    lines = [
        f"<li><bdi>{escape_html(label)}</bdi>: "
        + ", ".join(f'<a href="{escape_html(format_address(path))}">{escape_html(name)}</a>' for name, path in links)
        + "</li>"
        for label, links in runs
        if links
    ]
    return render_section("runs", "The runs", f'<ul class="notes">{"".join(lines)}</ul>') if lines else ""


def format_address(path: str) -> str:
    """A relative path as the address of a link, which no name of a folder can turn into another kind of address."""
    return "./" + quote(path.encode("utf-8", "surrogateescape"))


def render_section(name: str, title: str, content: str) -> str:
    """A section of the page."""
    return (
        f'<section id="{name}" aria-labelledby="head-{name}">\n'
        f'<h2 id="head-{name}">{escape_html(title)}</h2>\n{content}\n</section>'
    )
