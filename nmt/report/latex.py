"""A comparison as tables for a paper: LaTeX with the rules of booktabs. Pure functions from numbers to text."""

import re
import unicodedata
from collections.abc import Sequence

from nmt.evaluation import floor
from nmt.report.comparison import (
    Comparison,
    VariantScores,
    build_faithfulness_cells,
    build_tables,
    list_notes,
    list_signatures,
)
from nmt.report.significance_table import ALPHA, DECIDING_TEST, DOUBT_MARK, EMPTY_CELL, SEEDS_TEST, STARS

SPECIAL_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    '"': r"\char34{}",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "−": "$-$",
    "†": r"$\dag$",
}
"""What LaTeX would take for a command, or would print as another character in its oldest font encoding."""

DIFFERENCE = "difference"
"""The column whose numbers carry stars."""


def format_latex(comparison: Comparison) -> str:
    """The tables of a comparison: the scores, and each variant against each where there are more than two.

    The captions have the signatures of the scores. All other notes, and the command, are comments above.
    """
    scores, *others = build_tables(comparison)
    measured = build_faithfulness_cells(comparison)
    signed = " ".join(f"{head}: {signature}." for head, signature in list_signatures(comparison))
    stars = ", ".join(f"{stars} p < {level:g}" for level, stars in reversed(STARS))
    caption = f"Scores of the variants; ± is the sample standard deviation over seeds. {signed}"
    found = [variant.significance for variant in comparison.variants if variant.significance is not None]
    if any(not each.untested for each in found):
        caption += f" Stars: {stars}, adjusted, by {DECIDING_TEST}, against {comparison.baseline}."
    if any(each.doubt for each in found):
        caption += f" {DOUBT_MARK}: over sentences, but not over seeds (p {SEEDS_TEST} at least {ALPHA:g})."
    if any(each.untested for each in found):
        caption += f" Nothing is tested where a model has not learnt to translate ({floor.RULE})."
    parts = [
        "\n".join(f"% {replace_controls(line)}" for line in ["Needs \\usepackage{booktabs}.", *list_notes(comparison)]),
        format_table(scores, list_stars(scores[0], comparison.variants), caption=caption, label="tab:comparison"),
    ]
    if measured:
        caption = "How faithful attention is to the translations; ± is the sample standard deviation over seeds."
        parts.append(format_table(measured, [""] * (len(measured) - 1), caption=caption, label="tab:faithfulness"))
    for matrix in others[bool(measured) :]:
        caption = f"BLEU of the row less BLEU of the column, and p by {DECIDING_TEST}, adjusted for all pairs. {signed}"
        parts.append(format_table(matrix, [""] * (len(matrix) - 1), caption=caption, label="tab:pairs"))
    return "\n\n".join(parts) + "\n"


def list_stars(head: Sequence[str], variants: Sequence[VariantScores]) -> list[str]:
    """The stars of each row's difference; empty where the table has no such column, or the variant no test."""
    if DIFFERENCE not in head:
        return [""] * len(variants)
    return ["" if variant.significance is None else variant.significance.stars for variant in variants]


def format_table(rows: Sequence[Sequence[str]], stars: Sequence[str], *, caption: str, label: str) -> str:
    """One table: the first row is its head, the first column is flush left, `stars` has those of each further row."""
    head, *body = rows
    place = head.index(DIFFERENCE) if DIFFERENCE in head else None
    lines = [
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{{label}}}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"\toprule",
        " & ".join(map(escape, head)) + r" \\",
        r"\midrule",
    ]
    for row, own in zip(body, stars, strict=True):
        first, *numbers = row
        cells = [escape(first), *map(format_cell, numbers)]
        if place is not None and own:
            cells[place] += f"$^{{{own}}}$"
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table*}"])


def format_cell(text: str) -> str:
    """A number, with a sign that is a minus and no hyphen; a dash where there is none."""
    if text in (EMPTY_CELL, "–"):
        return "--"
    shown = escape(text)
    return re.sub(r"(?<!\S)[+-](?=\d)", lambda sign: f"${sign[0]}$", shown)


def escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(SPECIAL_CHARACTERS.get(character, character) for character in replace_controls(text))


def replace_controls(text: str) -> str:
    """Text in one line, with a question mark for control characters and halves of surrogate pairs."""
    odd = ("Cc", "Cs", "Zl", "Zp")
    return "".join("?" if unicodedata.category(c) in odd else c for c in text.replace("\n", " "))
