"""Tables as text with straight columns."""

from collections.abc import Sequence


def align_columns(rows: Sequence[Sequence[str]], between: str, edge: str) -> list[str]:
    """Rows as lines with straight columns: the first to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *rest = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        line = between.join([first.lstrip().ljust(widths[0]), *rest])
        lines.append(f"{edge} {line} {edge}" if edge else line.rstrip())
    return lines
