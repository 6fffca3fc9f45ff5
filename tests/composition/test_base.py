"""`from=`, `init=` and `experiment=path`: what a run begins with, and what goes first."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from nmt import build, config, model_folder
from nmt.cli import train
from nmt.comparison.plan import plan_jobs
from nmt.composition.base import choose_groups, merge_base, read_base
from nmt.composition.recipes import prepare_recipe
from nmt.errors import ConfigError, ModelError, NmtError
from nmt.runs.run_folder import flatten
from nmt.runs.training_run import run
from nmt.training.state import get_weights
from tests import tiny_runs
from tests.cli.test_train import run_train
from tests.synthetic_light import lighten
from tests.trained import TrainedRun

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

OTHER = ("model/encoder=gru", "model.encoder.cell=gru", "attention/score=additive", "search=greedy", "tokenizer=bpe")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A run of other settings than the defaults, as far as from= needs one."""
    settings = config.check(
        tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES, "attention/score=additive", "data.seed=7"), build.TRAIN
    )
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path / "base"


def compose_with_base(base: Path, *words: str) -> dict[str, Any]:
    settings = read_base(base)
    return merge_base(tiny_runs.compose_config(*choose_groups(words, settings)), settings, words)


def test_a_base_takes_the_place_of_the_defaults(base: Path) -> None:
    held = yaml.safe_load((base / "config.yaml").read_text())
    found = compose_with_base(base, f"from={base}", "output=new")
    assert found == {**held, "from": str(base), "output": "new"}


def test_words_go_before_the_base(base: Path) -> None:
    found = compose_with_base(
        base, f"from={base}", "attention/score=dot", "data.train=99", "search=beam", "search.size=3"
    )
    assert found["attention"]["score"] == {"name": "dot"}
    assert found["search"] == {**tiny_runs.compose_config("search=beam")["search"], "size": 3}
    changed = {key for key in flatten(found) if flatten(found)[key] != flatten(read_base(base)).get(key, "absent")}
    assert {key for key in changed if not key.startswith(("attention.score", "search"))} == {
        *("data.train", "from", "init", "resume", "output")
    }
    preset = compose_with_base(base, f"from={base}", "attention=luong_local_p")
    assert preset["attention"] == tiny_runs.compose_config("attention=luong_local_p")["attention"]
    recipe = compose_with_base(base, f"from={base}", "debug=overfit")
    assert recipe["filters"]["overfit"] == 8
    assert recipe["optimizer"]["learning_rate"] == 0.005
    assert recipe["model"]["embedding_size"] == 8


def test_what_is_no_run_is_no_base(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "gone"):
        with pytest.raises(ConfigError, match="must be the folder of a run"):
            read_base(place)


def test_a_comparison_takes_a_base_and_a_recipe(base: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("defaults:\n  - override /search: beam\nsearch: {size: 7}\n")
    words = [f"from={base}", f"experiment={recipe}", "optimizer.learning_rate=0.1,0.2"]
    jobs = plan_jobs(words, seeds=[4], output=tmp_path / "out", at_once=1, cpus=1)
    assert [job.settings["optimizer"]["learning_rate"] for job in jobs] == [0.1, 0.2]
    for job in jobs:
        assert job.settings["search"]["size"] == 7
        assert job.settings["data"]["seed"] == 7
        assert (job.settings["seed"], job.settings["output"]) == (4, str(job.folder))


def test_a_recipe_of_ones_own_is_read_and_its_mistakes_bear_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with prepare_recipe(["experiment=multi30k", "seed=2"]) as words:
        assert words == ["experiment=multi30k", "seed=2"]
    for text, told in (
        ("optimizer: {learning_rat: 1}", "mine.yaml: optimizer.learning_rat is not a setting of adam"),
        ("defaults:\n  - override /search: bean", "Did you mean beam?"),
        ("- 1", "mine.yaml holds no settings"),
        ("seed: 1\nseed: 2", "mine.yaml: seed is there twice"),
        ("seed: [", "mine.yaml cannot be read"),
    ):
        Path("mine.yaml").write_text(text)
        status, _, err = run_train(monkeypatch, capsys, "experiment=./mine.yaml", "output=out")
        assert status == 2
        assert told in err
    status, _, err = run_train(monkeypatch, capsys, "experiment=mina.yaml")
    assert status == 2
    assert "Did you mean mine.yaml?" in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


def test_a_run_begins_with_the_weights_and_the_vocabulary_of_another(
    trained: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lighten(monkeypatch)
    settings = {**yaml.safe_load((trained.folder / "config.yaml").read_text()), "output": str(tmp_path / "new")}
    settings |= {"init": str(trained.folder), "data": {**settings["data"], "seed": 5}}
    settings["training"] = {**settings["training"], "stop": {**settings["training"]["stop"], "epochs": 1}}
    settings["optimizer"] = {**settings["optimizer"], "learning_rate": 1e-9}
    settings = config.check(settings, build.TRAIN)
    run(settings, tmp_path / "new")
    device = torch.device("cpu")
    before, after = model_folder.load(trained.folder, device=device), model_folder.load(tmp_path / "new", device=device)
    assert after.tokenizers.source.serialized == before.tokenizers.source.serialized
    for name, tensor in get_weights(before.model).items():
        torch.testing.assert_close(get_weights(after.model)[name], tensor, atol=1e-6, rtol=0)
    # once begun, it needs the other run no more
    longer = {**settings, "training": {**settings["training"], "stop": {**settings["training"]["stop"], "epochs": 2}}}
    monkeypatch.setattr("nmt.runs.initial.find_model_folder", lambda path: pytest.fail("the checkpoint is to be read"))
    assert run(longer, tmp_path / "new").reason == "epochs (2)"


def test_another_model_is_refused_by_name(trained: TrainedRun, tmp_path: Path) -> None:
    settings = config.check(yaml.safe_load((trained.folder / "config.yaml").read_text()), build.TRAIN)
    larger = {**settings, "init": str(trained.folder), "model": {**settings["model"], "embedding_size": 25}}
    refused: list[tuple[dict[str, Any], type[NmtError], str]] = [
        (larger, ConfigError, "model.embedding_size: 24 there, 25 here"),
        ({**settings, "init": str(tmp_path / "gone")}, ModelError, "init="),
    ]
    for wrong, kind, told in refused:
        with pytest.raises(kind, match=told):
            run(wrong, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert train.get_output_folder(settings)
