"""Faithfulness from the settings of a run to its report, and to a comparison."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from nmt import build, config
from nmt.comparison.results import read_run
from nmt.config import ConfigDict
from nmt.evaluation.explanation import choose_lines
from nmt.evaluation.faithfulness import Measures
from nmt.runs import results, training_run
from nmt.runs.outcome import read_run_result
from nmt.runs.run_folder import read_explanations
from nmt.runs.summary import format_outcome
from nmt.runs.training_run import RunResult, run
from tests.commands import compose_command
from tests.synthetic_light import lighten
from tests.trained import TINY_OVERRIDES, TrainedRun

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

MEASURES = ("measures.faithfulness=true", "measures.sentences=5", "measures.permutations=4")


MESSAGES: list[str] = []
"""What the run said."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ConfigDict:
    folder = tmp_path_factory.mktemp("explained")
    words = (*TINY_OVERRIDES, *MEASURES, f"output={folder / 'run'}", f"cache={folder / 'cache'}")
    return config.check(compose_command("train", *words), build.TRAIN)


@pytest.fixture(scope="module")
def explained(trained: TrainedRun, settings: ConfigDict) -> RunResult:
    """The finished run, which is given again with measures."""
    folder = Path(settings["output"])
    shutil.copytree(trained.folder, folder, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        for logger in (training_run.logger, results.logger):
            patch.setattr(logger, "info", lambda message, *given: MESSAGES.append(message % given))
        return run(settings, folder)


def test_the_sentences_that_are_measured_are_counted(explained: RunResult) -> None:
    assert explained.faithfulness
    assert "measuring whether attention explains the translations of 5 sentences" in MESSAGES
    assert choose_lines(["a", "", "b"], Measures(sentences=200)) == ["a", "b"]
    assert choose_lines(["a", "", "b"], Measures(sentences=2)) == ["a"]


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_a_finished_run_is_measured_without_further_training(explained: RunResult, trained: TrainedRun) -> None:
    before, after = (read(folder / "scores.json") for folder in (trained.folder, explained.folder))
    measured = after.pop("faithfulness")
    assert after == before
    assert measured == explained.faithfulness
    assert {"flips", "flips_random", "comprehensiveness", "sufficiency_gradient", "permuted"} <= measured.keys()
    weights = "checkpoints/best/model.safetensors"
    assert (trained.folder / weights).read_bytes() == (explained.folder / weights).read_bytes()


def test_a_finished_run_and_a_comparison_know_its_measures(explained: RunResult, settings: ConfigDict) -> None:
    again = read_run_result(explained.folder, settings)
    assert again is not None
    assert again.faithfulness == explained.faithfulness
    assert f"{explained.faithfulness['flips']:.3f}" in format_outcome(again)
    values = read_run(explained.folder).values
    assert values["faithfulness.permuted"] == explained.faithfulness["permuted"]


def test_the_report_has_the_maps_of_the_probe_sentences(explained: RunResult) -> None:
    (record,) = read_explanations(explained.folder)
    sizes = len(record["target"]), len(record["source"])
    assert record["source"][-1] == record["target"][-1] == "</s>"
    assert record["maps"].keys() == {"attention", "gradient", "erase_input", "erase_memory"}
    for matrix in record["maps"].values():
        assert (len(matrix), len(matrix[0])) == sizes
        assert all(0 <= value <= 1 + 1e-6 for row in matrix for value in row)
    assert "Does attention explain the translations?" in (explained.folder / "report.html").read_text()


def test_the_report_has_every_measure_of_the_run(explained: RunResult) -> None:
    page = (explained.folder / "report.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="faithfulness"') :].partition("</section>")[0]
    rows = dict(re.findall(r'<tr><th scope="row"><bdi>(.*?)</bdi></th><td[^>]*>([-.\d]+)', section))
    assert sorted(rows.values()) == sorted(f"{value:.3f}" for value in explained.faithfulness.values())
    bins = {f"permuted, up to {name.partition('_')[2]}" for name in explained.faithfulness if "permuted_" in name}
    assert bins
    assert bins | {"flips, memory", "flips, other, memory"} <= rows.keys()
    for name in rows:
        assert f"<li>{name}: " in section.replace("&#x27;", "'")


def test_without_measures_nothing_is_written(trained: TrainedRun) -> None:
    assert "faithfulness" not in read(trained.folder / "scores.json")
    assert read_explanations(trained.folder) == []
    assert (
        'id="faithfulness" aria-labelledby="head-faithfulness" hidden' in (trained.folder / "report.html").read_text()
    )
