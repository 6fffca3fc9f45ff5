"""Reports from run folders: what they tell of a run, and of a comparison of several."""

import itertools
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.spatial.distance import jensenshannon

from nmt.errors import CheckpointError
from nmt.evaluation.bleu import bleu
from nmt.evaluation.bleu_by_length import Bucket
from nmt.report.about import DIFFERENT_VALUES, merge_descriptions
from nmt.report.comparison import Comparison, RunScores, VariantScores
from nmt.report.heatmap import GOLD_INK
from nmt.report.html import HEATS, render_page, render_pair_section
from nmt.report.passages import format_address
from nmt.report.significance_table import Significance, VariantPair
from nmt.runs import report
from nmt.runs.comparison_report import build_comparison_report
from nmt.runs.heatmaps import render_for_papers
from nmt.runs.run_report import build_run_report
from nmt.storage.files import TEMPORARY_PREFIX
from tests.report import samples

SETTINGS = {
    "data": {"name": "files", "source_language": "en", "target_language": "de"},
    "model": {"encoder": {"name": "recurrent", "cell": "lstm", "bidirectional": True}},
    "attention": {"heads": 2, "score": {"name": "additive", "hidden_size": 256}, "scope": {"name": "global"}},
    "search": {"name": "beam", "size": 5},
    "seed": 5,
}

TEXT = "v w x y z\nz y x w v\n"
SCORES = [
    {"name": "test BLEU", "value": 35.578, "signature": "nrefs:1"},
    {"name": "test TER", "value": 50, "signature": "t"},
]


def write_folder(folder: Path, seed: int) -> Path:
    """A finished run, as far as its report reads it."""
    folder.mkdir(parents=True)
    about = {
        "command": f"nmt-train seed={seed}",
        "commit": None,
        "parameters": 1234,
        "device": "cpu",
        "threads": 1,
        "seed": seed,
    }
    (folder / "run.json").write_text(json.dumps(about))
    rows = samples.metrics(steps=2, seed=seed)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for kind, text in (("source", "a\nb c\n"), ("hypotheses", TEXT), ("references", TEXT)):
        (folder / f"test.{kind}.txt").write_text(text)
    for number, probe in enumerate(samples.probes(steps=2, seed=seed)):
        for frame in probe["frames"]:
            path = folder / "checkpoints" / f"step-{frame['step']:06d}" / "alignments" / f"{number:03d}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            told = {key: probe[key] for key in ("source", "reference", "gold")}
            path.write_text(json.dumps({**told, **frame}))
    return folder


def run(folder: Path, seed: int, bleu: float, failure: str | None = None) -> RunScores:
    if failure:
        return RunScores(seed, str(folder), {}, {}, failure=failure)
    values = {"BLEU": bleu, "chrF2": 50.0, "parameters": 1234.0}
    return RunScores(
        seed, str(write_folder(folder, seed)), values, {"BLEU": "nrefs:1"}, lengths=[Bucket(1, 2, 2, bleu)]
    )


def sure(difference: float, p_value: float) -> Significance:
    p_values = {"bootstrap": p_value / 2, "randomization": p_value}
    return Significance(difference, p_values, p_values, {1: p_values})


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    first = [run(tmp_path / "a" / f"seed-{seed}", seed, 20.0 + seed) for seed in (1, 2)]
    second = [run(tmp_path / "b" / "seed-1", 1, 30.0), run(tmp_path / "b" / "seed-2", 2, 0.0, "no <memory>")]
    third = [run(tmp_path / "c" / "seed-1", 1, 0.0, "no disk")]
    variants = [
        VariantScores("x=a", first),
        VariantScores("x=b", second, sure(9.0, 0.004)),
        VariantScores("x=c", third),
    ]
    return Comparison("nmt-compare x=a,b,c seeds=2", "x=a", variants, [VariantPair("x=a", "x=b", sure(9.0, 0.004))])


def test_a_run_tells_its_scores_its_curves_and_its_commands(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", 5)
    found = build_run_report(folder, SCORES, {"AER": 0.25, "precision": 0.875})
    assert found["title"] == "mine"
    assert [(row["label"], row["cells"][0]["text"]) for row in found["scores"]["rows"]] == [
        ("test BLEU", "35.58"),
        ("test TER", "50.00"),
        ("AER", "0.250"),
        ("precision", "0.875"),
    ]
    assert dict(found["facts"])["test AER"] == "0.250"
    assert "test precision" not in dict(found["facts"])
    low, high = map(float, found["scores"]["rows"][0]["cells"][0]["interval"].split(" to "))
    assert 0 <= low <= 100.0 == high  # every hypothesis is its reference
    assert dict(found["facts"])["parameters"] == "1,234"
    assert dict(found["commands"])["This run"] == "nmt-train seed=5"
    (shown,) = found["variants"][0]["runs"]
    assert len(shown["probes"]) == 3
    assert [[frame["step"] for frame in probe["frames"]] for probe in shown["probes"]] == [[100, 200]] * 3
    assert shown["probes"][0]["gold"] == samples.GOLD[0]
    assert [bucket["to"] for bucket in shown["lengths"]] == [1, 2]


def test_page_and_figures_lie_beside_the_run(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", 5)
    report.write_run(folder, SCORES, {})
    assert "mine" in (folder / "report.html").read_text(encoding="utf-8")
    names = {f"{name}.{ending}" for name in ("curves", "measures", "lengths") for ending in ("png", "pdf")}
    panels = ("loss", "bleu", "chrf", "learning-rate", "tokens-per-second", "aer", "entropy", "largest", "monotonicity")
    names |= {f"{name}.pdf" for name in (*panels, "end")}
    assert {path.name for path in (folder / "figures").iterdir()} == names
    for path in (folder / "figures").glob("*.pdf"):
        assert b"/Type3" not in path.read_bytes()


def test_the_best_checkpoints_heatmaps_lie_beside_the_run(tmp_path: Path) -> None:
    step = write_folder(tmp_path / "mine", 5) / "checkpoints" / "step-000200"
    for path in (step / "alignments").glob("00[12].json"):
        path.unlink()
    found = dict(render_for_papers(step))
    kinds = [f"alignment-000-{kind}.{ending}" for kind in ("translation", "reference") for ending in ("pdf", "svg")]
    assert list(found) == kinds
    outlines = {
        name: found[f"alignment-000-{name}.svg"].count(GOLD_INK.encode()) for name in ("translation", "reference")
    }
    assert outlines["translation"] == 0 < outlines["reference"]  # the translation is not the reference
    assert b"/Type3" not in found["alignment-000-reference.pdf"]
    assert list(render_for_papers(tmp_path)) == []


def test_a_run_says_what_it_is(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", 5)
    about = json.loads((folder / "run.json").read_text())
    about |= {"data": {"pairs": {"kept": 1234, "blank": 3}}, "versions": {"torch": "2.1", "nmt": None}}
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "config.yaml").write_text(yaml.safe_dump(SETTINGS, sort_keys=False))
    found = build_run_report(folder, SCORES, {}, "steps (9)")
    told = {f"{group}/{name}": value for group, entries in found["about"] for name, value in entries}
    assert told["Data/languages"] == "en to de"
    assert told["Data/training pairs"] == "kept=1,234, blank=3"  # whatever was counted
    assert told["Attention/score"] == "additive (hidden_size=256)"
    assert told["Attention/heads"] == "2"
    assert told["Model/encoder"] == "recurrent (cell=lstm, bidirectional=true)"
    assert told["Search/search"] == "beam (size=5)"
    assert told["Training/ended by"] == "steps (9)"
    assert told["Made with/torch"] == "2.1"
    assert "Made with/nmt" not in told
    assert "recurrent (cell=lstm" in render_page(found)


def test_a_run_shows_its_worst_translations_first(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", 5)
    lines = ["a good line", "\x07<b>bad</b>", "half a line", ""]
    for kind, text in (("source", lines), ("references", ["a good line", "w", "half of lines", ""])):
        (folder / f"test.{kind}.txt").write_text("".join(f"{line}\n" for line in text))
    (folder / "test.hypotheses.txt").write_text("a good line\n<img>\nhalf a line\n\n")
    (group,) = build_run_report(folder, SCORES, {})["passages"]["groups"]
    assert [shown["title"].split(",")[0] for shown in group["examples"]] == ["Line 2", "Line 3", "Line 1"]
    assert group["examples"][0]["lines"] == [("source", lines[1]), ("reference", "w"), ("translation", "<img>")]
    text = render_page(build_run_report(folder, SCORES, {}))
    assert "<img>" not in text
    assert "\ufffd&lt;b&gt;bad" in text


def test_bleu_says_what_it_is_made_of(tmp_path: Path) -> None:
    score = {"name": "test BLEU", **bleu(["a b c d e", "x y"], ["a b c d f", "x y z"]).as_dict(), "value": 1.0}
    parts = score["details"]
    expected = parts["brevity_penalty"] * np.exp(np.mean(np.log(parts["precisions"])))
    assert expected == pytest.approx(bleu(["a b c d e", "x y"], ["a b c d f", "x y z"]).value)
    assert (parts["hypothesis_length"], parts["reference_length"]) == (7, 8)
    (note, _) = build_run_report(write_folder(tmp_path / "mine", 5), [score], {})["scores"]["notes"]
    assert "brevity penalty 0.867, length ratio 0.875" in note


def test_a_comparison_tells_what_its_table_tells(comparison: Comparison) -> None:
    found = build_comparison_report(comparison, "mine")
    rows = {row["label"]: [cell["text"] for cell in row["cells"]] for row in found["scores"]["rows"]}
    heads = [column["head"] for column in found["scores"]["columns"]]
    tests = ["p bootstrap", "p randomization", "p<0.05"]
    assert heads == ["seeds", "BLEU", "difference", *tests, "chrF2", "parameters"]
    assert rows["x=a"] == ["2", "21.50", "–", "–", "–", "–", "50.00", "1,234"]
    assert rows["x=b"] == ["1/2", "30.00", "+9.00", "0.002", "0.004", "1/1", "50.00", "1,234"]
    assert rows["x=c"][:2] == ["0/1", "-"]
    cells = {row["label"]: row["cells"] for row in found["scores"]["rows"]}
    assert cells["x=a"][1]["interval"] == "± 0.71"
    assert cells["x=b"][2]["stars"] == "**"
    assert [label for label in cells if cells[label][1]["best"]] == ["x=b"]
    assert [variant["label"] for variant in found["variants"]] == ["x=a", "x=b"]
    assert [len(variant["runs"]) for variant in found["variants"]] == [2, 1]
    assert [run["lengths"][0]["bleu"] for run in found["variants"][0]["runs"]] == [21.0, 22.0]
    assert found["pairs"] is None  # of two, the scores say all
    assert len(found["failures"]) == 2
    assert not [note for note in found["scores"]["notes"] if "FAILED" in note or "nrefs" in note]
    assert found["links"] == []
    assert found["commands"][0] == ("This comparison", comparison.command)
    assert ("x=b seed 1", "nmt-train seed=1") in found["commands"]


def test_a_comparison_shows_where_variants_differ_most(comparison: Comparison, tmp_path: Path) -> None:
    (tmp_path / "b" / "seed-1" / "test.hypotheses.txt").write_text("v w x y z\nz y <x> a a\n")
    (group,) = build_comparison_report(comparison, "mine")["passages"]["groups"]
    (shown,) = group["examples"]  # on the other line they say the same
    assert group["label"] == "x=b, seed 1"
    assert shown["title"].startswith("Line 2, -")
    names = [name.split(" (")[0] for name, _ in shown["lines"]]
    assert names == ["source", "reference", "x=a", "x=b"]
    assert [text for _, text in shown["lines"]] == ["b c", "z y x w v", "z y x w v", "z y <x> a a"]


def test_a_comparison_links_the_pages_of_its_runs(comparison: Comparison, tmp_path: Path) -> None:
    (tmp_path / "a" / "seed-1" / "report.html").write_text("")
    found = build_comparison_report(comparison, "mine", tmp_path)
    assert dict(found["links"])["x=a"] == [("seed 1", "a/seed-1/report.html")]
    assert 'href="./a/seed-1/report.html"' in render_page(found)
    assert "href" not in render_page({**found, "links": []})


@pytest.mark.parametrize(
    "path", ["javascript:alert(1)", 'a b"><script>', "//evil.example/x", "data:text/html,x", "\udcff"]
)
def test_a_link_stays_a_relative_path(path: str) -> None:
    assert re.fullmatch(r"\./[A-Za-z0-9_.~/%-]+", format_address(path))


def test_what_runs_share_is_said_once_and_what_differs_is_said() -> None:
    runs = [
        [("Data", [("languages", "en to de"), ("long", letter * 200)]), ("Model", [("cell", letter)])]
        for letter in "ab"
    ]
    assert merge_descriptions(runs) == [
        ("Data", [("languages", "en to de"), ("long", DIFFERENT_VALUES)]),
        ("Model", [("cell", "a | b")]),
    ]


def test_each_is_held_against_each_and_coloured_by_how_sure_it_is(tmp_path: Path) -> None:
    labels = [f"x={name}" for name in ("a", "<b>", "c")]
    variants = [VariantScores(label, [run(tmp_path / str(n), 1, 20.0 + n)]) for n, label in enumerate(labels)]
    differences = [sure(1.0, 0.03), sure(-2.0, 0.0004), sure(-3.0, 0.2)]
    pairs = [
        VariantPair(*two, found) for two, found in zip(itertools.combinations(labels, 2), differences, strict=True)
    ]
    found = build_comparison_report(Comparison("nmt-compare", labels[0], variants, pairs), "mine")
    assert [[cell and cell["heat"] for cell in row] for row in found["pairs"]["rows"]] == [
        [None, -1, 3],
        [1, None, 0],
        [-3, 0, None],
    ]
    assert found["pairs"]["rows"][1][0] == {"text": "+1.00", "interval": "p 0.030", "stars": "*", "heat": 1}
    text = render_page(found)
    section = text[text.index('<section id="pairs"') :].split("</section>")[0]
    assert section.count("<tr>") == 4
    assert re.findall(r'<td class="([^"]*)">([^<]*)', section) == [
        ("worse-1", "-1.00"),
        ("better-3", "+2.00"),
        ("better-1", "+1.00"),
        ("worse-3", "-2.00"),
    ]
    assert "&lt;b&gt;" in section
    for name in set(HEATS.values()):
        assert f".{name} {{" in text  # the style sheet knows it
    assert '<section id="pairs"' not in render_page({**found, "pairs": None})


@pytest.mark.parametrize("labels", [[f"v{n}" for n in range(9)], ["a", "b", "a-name-of-many-letters"]])
def test_columns_are_numbered_where_their_names_have_no_room(labels: list[str]) -> None:
    cells = [[None for _ in labels] for _ in labels]
    section = render_pair_section({"labels": labels, "rows": cells, "note": ""})
    heads = re.findall(r'<th scope="col" title="([^"]*)"><bdi>([^<]*)', section)
    assert heads == [(label, str(number)) for number, label in enumerate(labels, 1)]
    rows = re.findall(r'<th scope="row">(\d+) <bdi>([^<]*)', section)
    assert rows == [(str(number), label) for number, label in enumerate(labels, 1)]


def test_variants_and_seeds_are_held_against_each_other(comparison: Comparison, tmp_path: Path) -> None:
    found = build_comparison_report(comparison, "mine")["disagreement"]

    def looks(folder: str) -> list[np.ndarray]:
        paths = sorted((tmp_path / folder / "checkpoints" / "step-000200" / "alignments").iterdir())
        return [np.array(json.loads(path.read_text())["forced"]["weights"]) for path in paths]

    def apart(one: str, other: str) -> Any:
        rows = [(p, q) for a, b in zip(looks(one), looks(other), strict=True) for p, q in zip(a, b, strict=True)]
        return np.mean([jensenshannon(p, q, base=2) ** 2 for p, q in rows])

    assert found["divergence"][0][0] == pytest.approx(apart("a/seed-1", "a/seed-2"))
    expected = (apart("a/seed-1", "b/seed-1") + apart("a/seed-2", "b/seed-1")) / 2
    assert found["divergence"][0][1] == found["divergence"][1][0] == pytest.approx(expected)
    assert found["divergence"][1][1] is None  # one seed has no other
    assert found["words"] == sum(len(reference.split()) + 1 for reference in samples.REFERENCES)


def test_where_no_run_is_finished_there_is_still_a_page(tmp_path: Path) -> None:
    failed = Comparison("nmt-compare x=a", "x=a", [VariantScores("x=a", [run(tmp_path / "a", 1, 0.0, "no <memory>")])])
    report.write_comparison(failed, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no &lt;memory&gt;" in text
    assert list((tmp_path / "figures").iterdir()) == []


def test_what_cannot_be_drawn_is_missing_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*given: Any) -> None:
        raise RuntimeError("no such glyph")

    folder = write_folder(tmp_path / "mine", 5)
    monkeypatch.setattr("nmt.report.figures.build_figures", broken)
    report.write_run(folder, SCORES, {})
    assert (folder / "report.html").exists()
    assert not (folder / "figures").exists()
    assert "figures could not be drawn" in caplog.text
    (folder / "report.html").unlink()
    (folder / "run.json").unlink()
    report.write_run(folder, SCORES, {})
    assert not (folder / "report.html").exists()
    assert "report.html could not be drawn" in caplog.text


@pytest.mark.parametrize("name", ["report.html", "curves.pdf"])
def test_a_full_disk_is_no_failed_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    real = os.replace

    def full(source: Path, target: Path) -> None:
        if target.name == name:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    folder = write_folder(tmp_path / "mine", 5)
    with pytest.raises(CheckpointError, match=rf"{name}: .*No space"):
        report.write_run(folder, SCORES, {})
    assert not [path for path in folder.rglob("*") if path.name.startswith(TEMPORARY_PREFIX) or path.name == name]


def test_a_run_with_a_skipped_step_has_its_report(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", 5)
    before = dict(build_run_report(folder, SCORES, {})["facts"])["training"]
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"kind": "skipped", "step": 150, "epoch": 1, "lines": [1, 2]}) + "\n")
    assert dict(build_run_report(folder, SCORES, {})["facts"])["training"] == before
