"""An extension of griffe for the API reference: doctests in docstrings become blocks of code.

Markdown would read their `>>>` as a quotation, and their brackets as links. mkdocs.yml names this file.
"""

from typing import Any

import griffe


class FenceDoctests(griffe.Extension):
    """Puts every doctest of a docstring between fences."""

    def on_object(self, *, obj: griffe.Object, **others: Any) -> None:
        if obj.docstring is not None and ">>>" in obj.docstring.value:
            obj.docstring.value = fence_doctests(obj.docstring.value)


def fence_doctests(text: str) -> str:
    """The text with a fence before each doctest and one after its expected output, which ends at an empty line."""
    lines: list[str] = []
    is_inside = False
    for line in text.splitlines():
        if not is_inside and line.startswith(">>>"):
            lines.append("```python")
            is_inside = True
        elif is_inside and not line.strip():
            lines.append("```")
            is_inside = False
        lines.append(line.replace("  # doctest: +SKIP", ""))
    return "\n".join([*lines, "```"] if is_inside else lines)
