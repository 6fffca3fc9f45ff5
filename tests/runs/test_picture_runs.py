"""Runs whose sources are pictures come through every door: training, resume, model folder, search, heatmaps, report."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import nmt
from nmt import build
from nmt.cli import align
from nmt.data.pictures.records import read_picture_record
from nmt.errors import DataError
from nmt.runs.heatmaps import plot_translation
from nmt.runs.training_run import RunResult, run
from nmt.training.metrics_logger import read_rows
from tests import tiny_runs
from tests.commands import compose_command, write_lines
from tests.synthetic_light import lighten

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

COMMON = ("probes.sentences=2", "probes.shortest=1", "probes.longest=99", "model.tied=target", "filters.max_ratio=99")
PIXELS = (
    *("data=scenes", "model/source=pixels", "model.source.size=16", "model.source.channels=8", *COMMON),
    *("model.source.block.name=sagan", "model/decoder=bahdanau", "model.decoder.context_gate=true"),
)
RENDERED = ("model/source=rendered", "model.source.channels=1", "model/encoder=gru", *COMMON)


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    lighten(monkeypatch)


def train(folder: Path, *overrides: str) -> RunResult:
    with pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        return run(tiny_runs.build_settings(folder, *overrides), folder)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunResult]:
    """A run over scenes. To be read only."""
    folder = tmp_path_factory.mktemp("scenes")
    return train(folder / "run", *PIXELS, f"data.folder={folder / 'pictures'}")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A run over drawn sentences. To be read only."""
    return train(tmp_path_factory.mktemp("drawn") / "run", *RENDERED)


def read_probe(outcome: RunResult) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        (outcome.folder / "checkpoints" / "step-000008" / "alignments" / "001.json").read_text()
    )
    return found


def test_pointing_is_measured_at_every_validation(scenes: RunResult) -> None:
    rows = [row for row in read_rows(scenes.folder / "metrics.jsonl") if row["kind"] == "validation"]
    assert len(rows) == 2
    for row in rows:
        assert 0 < row["attention.forced.pointing"] < 1
        assert 0 < row["attention.forced.pointing_uniform"] < 0.5
    summary = json.loads((scenes.folder / "scores.json").read_text())
    assert "pointing" in json.dumps(summary)


def test_probes_keep_the_picture_and_are_drawn_over_it(scenes: RunResult) -> None:
    probe = read_probe(scenes)
    picture = read_picture_record(probe["picture"])  # type: ignore[arg-type]
    assert picture.pixels.shape == (16, 16, 3)
    assert len(picture.regions) == 16
    assert np.array(probe["weights"]).shape[1] == 17
    assert len(plot_translation(probe, step=8).axes) == len(probe["target"])  # type: ignore[arg-type]
    checkpoint = scenes.folder / "checkpoints" / "step-000008" / "alignments"
    assert (checkpoint / "001.png").read_bytes().startswith(b"\x89PNG")
    assert '"regions"' in (scenes.folder / "report.html").read_text()


def test_a_strip_stands_over_a_drawn_sentence(drawn: RunResult) -> None:
    probe = read_probe(drawn)
    picture = read_picture_record(probe["picture"])  # type: ignore[arg-type]
    assert picture.is_strip
    words: list[str] = probe["source"]  # type: ignore[assignment]
    assert len(words) == len(picture.regions) + 1
    assert len(plot_translation(probe, step=8).axes[0].images) == len(picture.regions)


@pytest.mark.parametrize("kind", ["scenes", "drawn"])
def test_a_model_folder_translates_and_aligns(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    outcome: RunResult = request.getfixturevalue(kind)
    lines = (outcome.folder / "test.source.txt").read_text().splitlines()
    found = [each.text for each in nmt.load(outcome.folder).translate(lines)]
    assert found == (outcome.folder / "test.hypotheses.txt").read_text().splitlines()
    source, target = write_lines(tmp_path / "s.txt", lines[0]), write_lines(tmp_path / "t.txt", "a red circle")
    given = (f"model={outcome.folder}", f"source={source}", f"target={target}", f"output={tmp_path / 'links.txt'}")
    align.run_task(compose_command("align", *given, f"heatmaps.folder={tmp_path / 'maps'}"))
    assert (tmp_path / "maps" / "001.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "links.txt").read_text().strip()


@pytest.mark.parametrize("overrides", [PIXELS, RENDERED], ids=["pixels", "rendered"])
def test_a_run_that_is_interrupted_resumes_exactly(overrides: tuple[str, ...], tmp_path: Path) -> None:
    place = () if overrides == RENDERED else (f"data.folder={tmp_path / 'pictures'}",)
    folders = [tmp_path / name for name in ("whole", "parted")]
    chosen = [tiny_runs.build_settings(folder, *overrides, *place) for folder in folders]
    tiny_runs.build_run(chosen[0], folders[0]).train()
    tiny_runs.build_run(chosen[1], folders[1], tiny_runs.DelayedInterruption(5)).train()
    tiny_runs.build_run(chosen[1], folders[1], seed=99).train()
    one, other = (folder / "checkpoints" / "step-000008" / "model.safetensors" for folder in folders)
    assert one.read_bytes() == other.read_bytes()


def test_what_is_no_picture_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    table = tmp_path / "captions.tsv"
    table.write_text("a.png\tred\n")
    settings = tiny_runs.build_settings(
        tmp_path / "run",
        *("data=images", "model/source=pixels", "model.tied=target", "data.target_language=en"),
        *(f"data.train={table}", "data.validation=1", "data.test=null"),
    )
    with pytest.raises(DataError, match=r"captions\.tsv, line 1: .*a\.png is no picture that can be read"):
        tiny_runs.prepare_data(settings)
    assert build.build_corpus(settings).target_language == "en"
