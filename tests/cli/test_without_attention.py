"""A model without attention, from training to its report: nothing is drawn or measured that is not there."""

import json
from pathlib import Path

import pytest

from nmt import build, config
from nmt.cli import align, translate
from nmt.errors import ModelError
from nmt.report.comparison import Comparison, Run, Variant
from nmt.report.html import page
from nmt.runs.report import of_comparison
from nmt.runs.training_run import Outcome, run
from nmt.training.metrics_logger import rows
from tests.commands import composed, lines, write
from tests.synthetic_light import lighten
from tests.trained import TINY, Trained

SHORT = (*TINY, "training.stop.epochs=1", "training.validation.every_epochs=1", "attention=none")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A finished run without attention, on text with gold links."""
    folder = tmp_path_factory.mktemp("outputs") / "plain"
    cache = tmp_path_factory.mktemp("cache")
    settings = config.check(composed("train", *SHORT, f"output={folder}", f"cache={cache}"), build.TRAIN)
    with pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        return run(settings, folder)


@pytest.fixture
def source(trained: Trained, tmp_path: Path) -> Path:
    return write(tmp_path / "in.txt", *trained.text.source[:3])


def test_a_run_has_scores_and_a_report_and_no_measures_of_attention(plain: Outcome) -> None:
    assert plain.status == 0
    assert plain.alignment == {}
    best = plain.folder / "checkpoints" / "best"
    assert not (best / "alignments").exists()
    assert json.loads((best / "validation.json").read_text())["values"].keys() == {"loss", "perplexity", "bleu", "chrf"}
    told = [row for row in rows(plain.folder / "metrics.jsonl") if row["kind"] == "validation"]
    assert told
    assert not any(name.startswith("attention") or name == "aer" for row in told for name in row)
    assert (plain.folder / "report.html").exists()


def test_the_report_of_a_comparison_takes_models_with_and_without(plain: Outcome, trained: Trained) -> None:
    variants = [
        Variant(name, [Run(1, str(each.folder), {"BLEU": 1.0}, {})])
        for name, each in (("none", plain), ("luong", trained.outcome))
    ]
    shown = page(of_comparison(Comparison("nmt-compare", "none", variants), "both"))
    assert "luong" in shown


def test_a_folder_translates_and_gives_no_weights(plain: Outcome, source: Path) -> None:
    out = source.parent / "out.txt"
    given = [f"model={plain.folder}", f"input={source}", f"output={out}", "device=cpu"]
    translate.task(composed("translate", *given, "format=json"))
    found = [json.loads(line) for line in lines(out)]
    assert len(found) == 3
    assert not any("weights" in hypothesis for each in found for hypothesis in each["hypotheses"])
    with pytest.raises(ModelError, match=r"weights=true.*attention=none"):
        translate.task(composed("translate", *given[:2], "format=json", "weights=true"))


@pytest.mark.parametrize("show", ["attention", "pieces", "page.html"])
def test_attention_that_is_not_there_cannot_be_shown(plain: Outcome, source: Path, show: str) -> None:
    shown = f"{source.parent}/{show}" if show.endswith(".html") else show
    words = [f"model={plain.folder}", f"input={source}", f"output={source.parent}/out.txt", f"show={shown}"]
    with pytest.raises(ModelError, match=r"attention=none.*show=nothing"):
        translate.task(composed("translate", *words))
    assert list(source.parent.iterdir()) == [source]


def test_it_cannot_align_in_either_direction(plain: Outcome, trained: Trained, source: Path) -> None:
    texts = [f"source={source}", f"target={source}", f"output={source.parent}/links.txt"]
    for models in ([f"model={plain.folder}"], [f"model={trained.folder}", f"reverse={plain.folder}"]):
        with pytest.raises(ModelError, match="without attention"):
            align.task(composed("align", *models, *texts))
    assert list(source.parent.iterdir()) == [source]
