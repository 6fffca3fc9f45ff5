"""A model without attention, from training to its report: nothing is drawn or measured that is not there."""

import json
from pathlib import Path

import pytest

from nmt import build, config
from nmt.cli import align, translate
from nmt.errors import ConfigError, ModelError
from nmt.report.comparison import Comparison, RunScores, VariantScores
from nmt.report.html import render_page
from nmt.runs import results, training_run
from nmt.runs.comparison_report import build_comparison_report
from nmt.runs.training_run import RunResult, run
from nmt.training.metrics_logger import read_rows
from tests.commands import compose_command, read_lines, write_lines
from tests.synthetic_light import lighten
from tests.trained import TINY_OVERRIDES, TrainedRun

SHORT = (*TINY_OVERRIDES, "training.stop.epochs=1", "training.validation.every_epochs=1", "attention=none")
MESSAGES: list[str] = []
"""What the run said, in its order."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A finished run without attention, on text with gold links."""
    folder = tmp_path_factory.mktemp("outputs") / "plain"
    cache = tmp_path_factory.mktemp("cache")
    settings = config.check(
        compose_command("train", *SHORT, "measures.faithfulness=true", f"output={folder}", f"cache={cache}"),
        build.TRAIN,
    )
    with pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        for level in ("info", "warning"):
            for logger in (training_run.logger, results.logger):
                patch.setattr(logger, level, lambda message, *given: MESSAGES.append(message % given))
        return run(settings, folder)


@pytest.fixture
def source(trained: TrainedRun, tmp_path: Path) -> Path:
    return write_lines(tmp_path / "in.txt", *trained.text.source[:3])


def test_a_run_has_scores_and_a_report_and_no_measures_of_attention(plain: RunResult) -> None:
    assert plain.status == 0
    assert plain.alignment == {}
    best = plain.folder / "checkpoints" / "best"
    assert not (best / "alignments").exists()
    assert json.loads((best / "validation.json").read_text())["values"].keys() == {
        "loss",
        "perplexity",
        "bleu",
        "chrf",
        "exact",
    }
    told = [row for row in read_rows(plain.folder / "metrics.jsonl") if row["kind"] == "validation"]
    assert told
    assert not any(name.startswith("attention") or name == "aer" for row in told for name in row)
    assert (plain.folder / "report.html").exists()


def test_measures_of_attention_that_is_not_there_are_told_before_the_first_step(plain: RunResult) -> None:
    assert plain.faithfulness == {}
    told = next(
        place for place, text in enumerate(MESSAGES) if text.startswith("measures.faithfulness: this model has")
    )
    assert told < next(place for place, text in enumerate(MESSAGES) if " parameters, on " in text)
    assert not any("measuring" in text for text in MESSAGES)


def test_the_report_of_a_comparison_takes_models_with_and_without(plain: RunResult, trained: TrainedRun) -> None:
    variants = [
        VariantScores(name, [RunScores(1, str(each.folder), {"BLEU": 1.0}, {})])
        for name, each in (("none", plain), ("luong", trained.outcome))
    ]
    shown = render_page(build_comparison_report(Comparison("nmt-compare", "none", variants), "both"))
    assert "luong" in shown


def test_a_folder_translates_and_gives_no_weights(plain: RunResult, source: Path) -> None:
    out = source.parent / "out.txt"
    given = [f"model={plain.folder}", f"input={source}", f"output={out}", "device=cpu"]
    translate.run_task(compose_command("translate", *given, "format=json"))
    found = [json.loads(line) for line in read_lines(out)]
    assert len(found) == 3
    assert not any("weights" in hypothesis for each in found for hypothesis in each["hypotheses"])
    with pytest.raises(ModelError, match=r"weights=true.*attention=none"):
        translate.run_task(compose_command("translate", *given[:2], "format=json", "weights=true"))


@pytest.mark.parametrize("show", ["attention", "pieces", "page.html"])
def test_attention_that_is_not_there_cannot_be_shown(plain: RunResult, source: Path, show: str) -> None:
    shown = f"{source.parent}/{show}" if show.endswith(".html") else show
    words = [f"model={plain.folder}", f"input={source}", f"output={source.parent}/out.txt", f"show={shown}"]
    with pytest.raises(ModelError, match=r"attention=none.*show=nothing"):
        translate.run_task(compose_command("translate", *words))
    assert list(source.parent.iterdir()) == [source]


def test_it_cannot_align_in_either_direction(plain: RunResult, trained: TrainedRun, source: Path) -> None:
    texts = [f"source={source}", f"target={source}", f"output={source.parent}/links.txt"]
    for models in ([f"model={plain.folder}"], [f"model={trained.folder}", f"reverse={plain.folder}"]):
        with pytest.raises(ModelError, match="without attention"):
            align.run_task(compose_command("align", *models, *texts))
    assert list(source.parent.iterdir()) == [source]


def test_it_aligns_by_what_needs_no_attention(plain: RunResult, source: Path) -> None:
    texts = [f"model={plain.folder}", f"source={source}", f"target={source}", f"output={source.parent}/links.txt"]
    for method in ("gradient", "erase_input"):
        align.run_task(compose_command("align", *texts, f"method={method}"))
        assert len(read_lines(source.parent / "links.txt")) == 3
    pictures = f"heatmaps.folder={source.parent}/pictures"
    with pytest.raises(ConfigError, match=r"heatmaps\.maps draws attention, and this model has none"):
        align.run_task(compose_command("align", *texts, "method=gradient", pictures, "heatmaps.maps=true"))
    with pytest.raises(ModelError, match="method=gradient or method=erase_input"):
        align.run_task(compose_command("align", *texts, "method=erase_memory"))
