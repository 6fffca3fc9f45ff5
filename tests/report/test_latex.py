"""The table for a paper: LaTeX that holds the same cells, and no character that LaTeX would take for a command."""

import re

import pytest

from nmt.report.comparison import Comparison, VariantScores, build_cells
from nmt.report.latex import escape, format_cell, format_latex
from tests.report.test_comparison import BOTH, FIRST, SECOND, SIGNATURES, THREE, UNLEARNT, compared, over_seeds, run

HARMLESS = re.compile(
    r"\\(?:textbackslash|textasciicircum|textasciitilde|textbar|textless|textgreater|char34)\{\}|\\[{}$&#%_]|\$\\?[a-z+-]+\$"
)
"""What `escape` and `cell` may put in."""


def rows(text: str) -> list[list[str]]:
    """Head and rows of the first table."""
    inside = text.split(r"\toprule")[1].split(r"\bottomrule")[0].replace(r"\midrule", "")
    return [line.removesuffix(r" \\").split(" & ") for line in inside.splitlines() if line]


def test_it_has_the_cells_of_the_other_tables() -> None:
    found = rows(format_latex(BOTH))
    told = build_cells(BOTH)
    assert [len(row) for row in found] == [len(row) for row in told]
    assert found[0][:3] == told[0][:3]
    assert found[1][2] == told[1][2].replace("±", r"$\pm$")
    assert found[2][0] == SECOND.label.replace("_", r"\_")
    assert found[2][told[0].index("difference")] == "$+$8.20$^{*}$"  # the adjusted p is 0.0246
    assert found[1][told[0].index("difference")] == "--"


def test_the_caption_has_the_signatures_and_the_notes_are_comments() -> None:
    text = format_latex(BOTH)
    (caption,) = re.findall(r"\\caption\{(.*)\}$", text, re.MULTILINE)
    for signature in SIGNATURES.values():
        assert escape(signature) in caption
    comments = [line for line in text.splitlines() if line.startswith("%")]
    assert f"% {BOTH.command}" in comments
    assert "booktabs" in comments[0]


def test_each_against_each_is_a_second_table() -> None:
    text = format_latex(THREE)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    assert r"$-$1.50 0.012" in text
    assert r"$+$1.00 \textless{}0.001" in text


HOSTILE = 'a_b&c%d$e#f{g}h~i^j\\k|l<m>n"o\n% p\x07\ud800±'


def test_no_special_character_is_left() -> None:
    shown = escape(HOSTILE)
    assert not set(HARMLESS.sub("", shown)) & set('_&%$#{}~^\\|<>"\n\x07\ud800±')
    text = format_latex(compared(FIRST, VariantScores(HOSTILE, [run(1, 20.0)])))
    assert rows(text)[-1][0] == shown
    text.encode("utf-8")


def test_a_comment_is_one_line() -> None:
    text = format_latex(Comparison("nmt-compare\n\\input{x}", "a", [VariantScores("a", [run(1, 1.0)])]))
    assert r"% nmt-compare \input{x}" in text.splitlines()


@pytest.mark.parametrize(
    ("text", "expected"), [("-", "--"), ("-1.5", "$-$1.5"), ("1-2", "1-2"), ("<0.001", r"\textless{}0.001")]
)
def test_a_sign_is_a_minus(text: str, expected: str) -> None:
    assert format_cell(text) == expected


def test_the_caption_says_what_was_not_tested_and_what_is_doubtful() -> None:
    assert "Stars:" not in format_latex(UNLEARNT).split(r"\begin{tabular}")[0].split(r"\caption")[1]
    assert "a model has not learnt to translate (BLEU below 1 or chrF below 15)" in format_latex(UNLEARNT)
    assert r"0.002$\dag$" in format_latex(over_seeds(0.3))
    assert r"$\dag$: over sentences" in format_latex(over_seeds(0.3))
