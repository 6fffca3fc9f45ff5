"""A run that learns to point: its metrics, its pictures, and that it goes on where it stopped."""

import json
import re
from pathlib import Path

import pytest

import nmt
from nmt import build, config
from nmt.cli import align
from nmt.config import ConfigDict
from nmt.data.points import Tour, parse_positions
from nmt.runs.training_run import run
from tests import tiny_runs
from tests.commands import compose_command, read_lines
from tests.synthetic_light import lighten

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def build_settings(folder: Path) -> ConfigDict:
    tiny = [word for word in tiny_runs.BASE_OVERRIDES if not word.startswith("tokenizer")]
    chosen = tiny_runs.compose_config(
        *tiny,
        *("data=tour", "model/source=vectors", "model.source.features=2", "model/head=pointer", "tokenizer=numbers"),
        *("model.decoder.input_feeding=false", "search=beam", "probes.sentences=2", "probes.shortest=5"),
        *("training.stop.steps=6", "training.validation.every_steps=3", "training.validation.metric=ratio"),
        *("training.accumulate=2", "measures.faithfulness=true"),
    )
    return config.check({**chosen, "output": str(folder), "cache": str(folder.parent / "cache")}, build.TRAIN)


def test_a_run_points_draws_and_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lighten(monkeypatch)
    outcome = run(build_settings(tmp_path / "run"), tmp_path / "run")
    scores = {score["name"]: score["value"] for score in outcome.scores}
    assert scores["test valid"] == 100
    assert 1 <= scores["test ratio"] < 3
    best = outcome.folder / "checkpoints" / "best"
    values = json.loads((best / "validation.json").read_text())["values"]
    assert {"exact", "valid", "ratio"} <= values.keys()
    for number in (1, 2):
        assert (best / "alignments" / f"{number:03d}-polygon.png").read_bytes().startswith(b"\x89PNG")
    page = (outcome.folder / "report.html").read_text()
    assert len(re.findall("<polyline", page)) == 4

    chosen = build_settings(tmp_path / "stopped")
    stopped = tiny_runs.build_run(chosen, tmp_path / "stopped", tiny_runs.DelayedInterruption(2))
    assert stopped.train() == "interrupted"
    tiny_runs.build_run(chosen, tmp_path / "stopped", seed=99).train()
    for name in ("model.safetensors", "state.safetensors"):
        last = [folder / "checkpoints" / "last" / name for folder in (tmp_path / "stopped", outcome.folder)]
        assert last[0].read_bytes() == last[1].read_bytes()

    model = nmt.load(outcome.folder, device="cpu")
    source = Tour(train=60, validation=4, test=3).load("test").source
    translations = model.translate(source, search={"size": 3, "nbest": 3})
    for line, translation in zip(source, translations, strict=True):
        assert len({hypothesis.text for hypothesis in translation.hypotheses}) == 3
        for hypothesis in translation.hypotheses:
            assert sorted(parse_positions(hypothesis.text) or ()) == list(range(len(line.split())))
    assert [each.text for each in model.translate(source)] == read_lines(outcome.folder / "test.hypotheses.txt")
    files = [tmp_path / "source.txt", tmp_path / "target.txt", tmp_path / "links.txt"]
    for path, lines in zip(files, (source, [each.text for each in translations]), strict=False):
        path.write_text("".join(f"{line}\n" for line in lines))
    words = (f"model={outcome.folder}", f"source={files[0]}", f"target={files[1]}", f"output={files[2]}", "device=cpu")
    align.run_task(compose_command("align", *words))
    assert len(read_lines(files[2])) == 3
