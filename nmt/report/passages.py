"""Parts of a page that are text: what a run is, sentences to read, and links to other pages."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from nmt.report.escaping import escaped

LONGEST = 1000
"""Characters of a sentence that are shown."""


def about_section(groups: Sequence[tuple[str, Sequence[tuple[str, str]]]], title: str) -> str:
    """Names and values, group by group; nothing where there is none."""
    if not groups:
        return ""
    shown = "\n".join(
        f'<div class="group"><h3>{escaped(group)}</h3><dl class="pairs">'
        + "".join(f"<dt>{escaped(name)}</dt><dd><bdi>{escaped(value)}</bdi></dd>" for name, value in entries)
        + "</dl></div>"
        for group, entries in groups
    )
    return section("about", title, f'<div class="groups">{shown}</div>')


def passage_section(passages: Mapping[str, Any] | None) -> str:
    """Sentences with their source, reference and translations; nothing for None. Groups with a label are folded, except
    the first."""
    if passages is None or not any(group["examples"] for group in passages["groups"]):
        return ""
    parts = [f'<p class="hint">{escaped(passages["note"])}</p>']
    for place, group in enumerate(group for group in passages["groups"] if group["examples"]):
        inside = "\n".join(map(example, group["examples"]))
        if group["label"] is None:
            parts.append(inside)
        else:
            state = " open" if place == 0 else ""
            parts.append(f"<details{state}><summary><bdi>{escaped(group['label'])}</bdi></summary>\n{inside}</details>")
    return section("passages", passages["title"], "\n".join(parts))


def example(shown: Mapping[str, Any]) -> str:
    """One sentence: a title, and named lines."""
    lines = "".join(
        f'<dt><bdi>{escaped(name)}</bdi></dt><dd dir="auto">{escaped(cut(text))}</dd>' for name, text in shown["lines"]
    )
    return f'<article class="example"><h3>{escaped(shown["title"])}</h3><dl class="pairs">{lines}</dl></article>'


def cut(text: str) -> str:
    """A text that is not too long to show."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def link_section(runs: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """Links to the pages of runs, by variant: names and relative paths; nothing where there is none."""
    lines = [
        f"<li><bdi>{escaped(label)}</bdi>: "
        + ", ".join(f'<a href="{escaped(address(path))}">{escaped(name)}</a>' for name, path in links)
        + "</li>"
        for label, links in runs
        if links
    ]
    return section("runs", "The runs", f'<ul class="notes">{"".join(lines)}</ul>') if lines else ""


def address(path: str) -> str:
    """A relative path as the address of a link, which no name of a folder can turn into another kind of address."""
    return "./" + quote(path.encode("utf-8", "surrogateescape"))


def section(name: str, title: str, content: str) -> str:
    """A section of the page."""
    return (
        f'<section id="{name}" aria-labelledby="head-{name}">\n<h2 id="head-{name}">{escaped(title)}</h2>\n{content}\n'
        "</section>"
    )
