"""Words that are markup, formulas, other scripts or no text at all: drawn or escaped, and never the end of a run."""

import io
import json
import logging
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from nmt.report import figures
from nmt.report.comparison import Comparison, RunScores, VariantScores, format_markdown
from nmt.report.formats import Format, encode
from nmt.report.heatmap import Frame, draw_checkpoint_grid, draw_heatmap
from nmt.report.html import render_page
from nmt.runs import heatmaps, report
from nmt.runs.training_run import run
from tests import tiny_runs
from tests.report.test_html import Reader, data

WORDS = [
    *("$x_{", "$$", "\\frac{1}{", "_^", "%s {} {{title}}", "`backticks`", "'", '"', "&amp;", "|", "\\", "#"),
    *("<script>alert(1)</script>", "</script>", "<!--", "-->", "]]>", "<img src=x onerror=alert(1)>", "<svg/onload=a>"),
    *("w" * 200, "漢字仮名交じり文", "שלום", "مرحبا", "\u202eabc\u2066", "हिन्दी", "👩‍👩‍👧", "🇩🇪", "e" + "\u0301" * 50),
    *("", " ", "\0", "\x1b[2J", "\x07\x7f\x85", "\u2028", "\ufeff", "\ufffe", "\U0010ffff", "\ud800", "\udcff"),
]


def weights(target: int, source: int) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(source), target)


def is_png(figure: Figure) -> bool:
    """Whether the figure can be drawn, as a file that begins as a PNG does."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=40)
    return content.getvalue().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("first", range(0, len(WORDS), 6))
def test_every_word_is_drawn(first: int) -> None:
    words = WORDS[first : first + 6]
    figure = draw_heatmap(weights(len(words), len(words)), words, words, title=" ".join(words), gold=None)
    assert len(figure.axes[0].get_yticklabels()) == len(words)
    assert is_png(figure)


def test_a_film_is_drawn() -> None:
    words = WORDS[12:20]
    frames = [Frame(word, weights(len(words), len(words)), words) for word in WORDS[:2]]
    assert is_png(draw_checkpoint_grid(frames, words, title=WORDS[0]))


def hostile(word: str) -> dict[str, Any]:
    frames = [{"step": 1, "target": WORDS, "weights": weights(len(WORDS), len(WORDS)).tolist()}]
    row = {"label": word, "cells": [{"text": word}]}
    probes = [{"source": WORDS, "reference": word, "frames": frames}]
    return {
        "title": word,
        "created": word,
        "facts": [(word, word)],
        "scores": {"columns": [{"head": word}], "rows": [row], "notes": [word]},
        "signatures": [(word, word)],
        "commands": [(word, word), (word, word)],
        "variants": [{"label": word, "runs": [{"seed": 1, "metrics": [], "probes": probes}]}],
    }


@pytest.mark.parametrize(
    "word", ["".join(WORDS), *(pytest.param(word, marks=pytest.mark.slow) for word in WORDS)], ids=ascii
)
def test_the_page_stays_one_page_with_one_script(word: str) -> None:
    text = render_page(hostile(word))
    text.encode("utf-8")
    reader, tame = Reader(text), Reader(render_page(hostile("a word")))
    assert {tag: len(found) for tag, found in reader.texts.items()} == {tag: len(f) for tag, f in tame.texts.items()}
    assert [name for _, name, _ in reader.attributes if name.startswith("on")] == []
    (probe,) = data(text)["probes"]
    assert probe["source"] == [shown.encode("utf-8", "replace").decode() for shown in WORDS]


def policy(text: str) -> dict[str, str]:
    """The page's content security policy: what is allowed for each kind of thing."""
    (found,) = [value for tag, name, value in Reader(text).attributes if tag == "meta" and "default-src" in value]
    return {name: " ".join(allowed) for name, *allowed in (rule.split() for rule in found.split(";"))}


def test_the_policy_lets_nothing_run_but_the_script_of_the_page() -> None:
    text = render_page(hostile("</script>"))
    rules = policy(text)
    script = Reader(text).texts["script"][1]
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["script-src"] == f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
    assert text.index("Content-Security-Policy") < text.index("<title")  # it holds from where it stands


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no browser here")
def test_a_browser_runs_the_script_and_nothing_else(tmp_path: Path) -> None:
    alien = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
    text = render_page(hostile("a word"))
    broken = text.replace('<section id="alignments"', f'{alien}<section id="alignments"', 1)
    report = {"whole": text, "broken": broken, "lawless": broken.replace("Content-Security-Policy", "generator")}
    titles = {"whole": "a word", "broken": "a word", "lawless": "owned"}
    for name, content in report.items():
        (tmp_path / f"{name}.html").write_text(content, encoding="utf-8")
        browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
        shown = subprocess.run(
            [*browser, "--virtual-time-budget=5000", "--dump-dom", f"file://{tmp_path / name}.html"],
            capture_output=True,
            check=True,
            timeout=300,
        ).stdout.decode()
        assert f"<title>{titles[name]}</title>" in shown
        assert shown.count("<td") > len(WORDS) ** 2  # the script has drawn the grid


def picture(word: str) -> dict[str, Any]:
    words = [word, "</s>"]
    return {"source": words, "target": words, "weights": [[0.5, 0.5]] * 2, "reference": word, "gold": None}


def test_a_checkpoint_has_its_pictures_whatever_the_words(tmp_path: Path) -> None:
    heatmaps.save_heatmaps(tmp_path, [picture("$x_{"), picture("\ud800")], step=3, on_heatmap=list)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["001.json", "001.png", "002.json", "002.png"]
    assert json.loads((tmp_path / "002.json").read_text(encoding="utf-8"))["source"] == ["\ud800", "</s>"]


def test_a_picture_that_fails_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*given: Any, **settings: Any) -> None:
        if given[1][0] == "bad":
            raise RuntimeError("no such glyph")
        return draw_heatmap(*given, **settings)  # type: ignore[return-value]

    monkeypatch.setattr(heatmaps, "draw_heatmap", broken)
    with caplog.at_level(logging.WARNING):
        heatmaps.save_heatmaps(tmp_path, [picture("bad"), picture("good")], step=3, on_heatmap=list)
    assert "probe 1 of step 3 could not be drawn" in caplog.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["001.json", "002.json", "002.png"]


@pytest.mark.usefixtures("unchecked_shapes")
def test_a_run_of_which_nothing_can_be_drawn_ends_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*given: Any, **settings: Any) -> None:
        raise RuntimeError("no such glyph")

    monkeypatch.setattr(heatmaps, "draw_heatmap", broken)
    monkeypatch.setattr(figures, "build_figures", broken)
    monkeypatch.setattr(report, "render_page", broken)
    shown = ("probes.sentences=1", "probes.shortest=1", "probes.longest=99", "training.stop.steps=4")
    assert run(tiny_runs.build_settings(tmp_path / "run", *shown), tmp_path / "run").reason == "steps (4)"
    assert (tmp_path / "run" / "scores.json").exists()
    assert not list((tmp_path / "run").rglob("*.png"))
    told = (tmp_path / "run" / "train.log").read_text()
    assert "probe 1 of step 4 could not be drawn" in told
    assert "report.html could not be drawn" in told


@pytest.mark.parametrize("ending", ["pdf", "svg"])
def test_vector_figures_are_the_same_every_time_and_have_no_type_3_fonts(ending: Format) -> None:
    words = ["$x_{", "漢字", "\x07", "plain"]
    first, other = (encode(draw_heatmap(weights(4, 4), words, words), ending) for _ in range(2))
    assert first == other
    assert b"/Type3" not in first
    assert (b"/TrueType" in first or b"CIDFontType2" in first) == (ending == "pdf")


def test_a_full_disk_is_no_failed_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        heatmaps.save_heatmaps(tmp_path, [picture("good")], step=3, on_heatmap=list)


def test_a_table_stays_a_table() -> None:
    told = format_markdown(
        Comparison("nmt-compare", "a|b", [VariantScores("a|b", [RunScores(1, "x", {"bleu": 1.0, "BLEU": 1.0})])])
    )
    rows = [line for line in told.split("\n") if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1
