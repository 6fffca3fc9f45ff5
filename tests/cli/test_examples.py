"""Every example in help, README and docs works: what users copy first must not be what fails first."""

import importlib
import io
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import initialize_config_dir

from nmt import build, config
from nmt.cli import compare
from nmt.comparison import catalog, plan, variants
from nmt.comparison.compare import COMPARE_SETTINGS
from nmt.composition.overrides import expand_alias
from nmt.composition.paths import find_config_folder
from nmt.runs import training_run
from nmt.tuning import settings as tune
from nmt.tuning.ranges import parse_space
from nmt.tuning.trials import plan_trials
from tests import tiny_runs
from tests.commands import compose_command, run_process, write_lines
from tests.examples import Example, find_examples, prepare
from tests.synthetic_light import lighten

ALL = find_examples()
RIGHT = [example for example in ALL if not example.answer and not example.words[-1].startswith("-")]
WRONG = [example for example in ALL if example.answer]

QUICK = [
    pytest.param(
        example, marks=() if example.document in ("train.yaml", "compare.yaml", "tune.yaml") else pytest.mark.slow
    )
    for example in RIGHT
]
"""Composing takes half a second an example, so that only those that a newcomer sees first are held to it always."""

PAIRS = 40

SHORT = ("training.stop.steps=1", "training.validation.sentences=2", "search.max_ratio=0.2", "device=cpu")
"""What makes a run of an example short, and changes nothing of what it shows."""


def test_there_are_examples_of_every_command_and_in_every_place() -> None:
    commands = {path.stem for path in Path(find_config_folder()).glob("*.yaml")} - {"quiet"}
    assert {example.command for example in ALL} == commands
    assert {f"{command}.yaml" for command in commands} | {"README.md", "results.md"} <= {e.document for e in ALL}


def check(settings: dict[str, Any]) -> None:
    """What nmt-train checks before it reads data."""
    checked = config.check(settings, build.TRAIN)
    build.dry_run(checked)
    if checked["data"]["name"] == "files":
        build.build_corpus(checked).check()


@pytest.mark.parametrize("example", QUICK, ids=str)
def test_every_example_can_be_read(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = prepare(example, tmp_path / "model", pairs=3)
    if example.command == "train":
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "config.yaml").write_text(
            yaml.safe_dump(tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES))
        )
        with initialize_config_dir(find_config_folder(), version_base="1.3"):
            settings = plan.compose_settings([expand_alias(word, {}) for word in words])
        check({**settings, "init": None})
    elif example.command == "compare":
        own, overrides = compare.split_arguments(words)
        given = compose_command("compare", *[expand_alias(word, compare.COMPARISON_ALIAS) for word in own])
        config.build(compare.CompareSettings, config.check(given, compare.CompareSettings))
        name = given["comparison"]["name"]
        with initialize_config_dir(find_config_folder(), version_base="1.3"):
            found = variants.expand_variants(
                overrides, None if name is None else catalog.read_comparison(name, COMPARE_SETTINGS)
            )
        check(compose_command("train", *found[-1].overrides))
    elif example.command == "tune":
        own, overrides = tune.split_arguments(words)
        config.build(tune.TuneSettings, config.check(compose_command("tune", *own), tune.TuneSettings))
        space = parse_space(overrides)
        check(compose_command("train", *space.words, *(axis.format_word(axis.probes[-1]) for axis in space.axes)))
    else:
        compose_command(example.command, *words)


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_shapes", "handlers")
@pytest.mark.parametrize("example", RIGHT, ids=str)
def test_every_example_runs(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Comparisons are only planned: each of their runs is checked as nmt-train would check it."""
    monkeypatch.chdir(tmp_path)
    lighten(monkeypatch)
    words = prepare(example, model, pairs=PAIRS)
    if example.command == "tune":
        own, overrides = tune.split_arguments(words)
        budget = config.build(tune.TuneSettings, config.check(compose_command("tune", *own), tune.TuneSettings)).tune
        assert plan_trials(parse_space(overrides), budget, tmp_path / "out", 1, 1).rungs
        return
    if example.command == "compare":
        own, overrides = compare.split_arguments(words)
        given = compose_command("compare", *[expand_alias(word, compare.COMPARISON_ALIAS) for word in own])
        name = given["comparison"]["name"]
        found = None if name is None else catalog.read_comparison(name, COMPARE_SETTINGS)
        assert plan.plan_jobs(overrides, seeds=[1], output=tmp_path / "out", at_once=1, named=found, cpus=1)
        return
    if example.command == "train":
        keys = {word.partition("=")[0] for word in words}
        if any(key.startswith("data.train.source") for key in keys):
            words.append("tokenizer.vocab_size=auto")  # the text that is made here is smaller than that of a recipe
        elif any(key.startswith("data.corpora.") for key in keys):
            words.append("filters.drop=[]")  # all sets of the text that is made here are the same
        elif "data=synthetic" in words or not any(
            word.startswith(("data=", "experiment=m", "from=")) for word in words
        ):
            words += ["data.train=3000", "data.validation=4", "data.test=4"]
        words += [word for word in SHORT if word.partition("=")[0] not in keys]
    status, said = run(example.command, words, monkeypatch, capsys)
    assert status == 0, said


@pytest.mark.slow
@pytest.mark.parametrize("example", WRONG, ids=str)
def test_every_mistake_is_answered_as_shown(
    example: Example, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = run(example.command, example.words, monkeypatch, capsys)
    assert status == 2
    assert said.startswith(example.answer.removesuffix("..."))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, unchecked_shapes: None) -> Path:
    """A run of a tiny model, and beside it one of the other direction."""
    home = tmp_path_factory.mktemp("examples")
    small = [word for word in tiny_runs.BASE_OVERRIDES if not word.startswith("search")]
    turned = ("data.source_language=de", "data.target_language=en")
    with pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        for name, words in (("run", ()), ("run-reverse", turned)):
            chosen = tiny_runs.compose_config(*small, *words, "search.size=5", "search.max_ratio=0.5")
            settings = {**chosen, "output": str(home / name), "cache": str(home / "cache")}
            training_run.run(config.check(settings, build.TRAIN), home / name)
    text = write_lines(home / "text", *["the dog sees a cat"] * PAIRS)
    made = run_process("shortlist", f"model={home / 'run'}", f"source={text}", f"target={text}")
    assert made.returncode == 0, made.stderr
    return home / "run"


def run(
    command: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[Any, str]:
    """Exit status and stderr of a command in this process, with PAIRS lines on stdin."""
    monkeypatch.setattr(sys, "argv", [f"nmt-{command}", *words])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"the dog sleeps .\n" * PAIRS)))
    status: Any = 0
    try:
        importlib.import_module(f"nmt.cli.{command}").main()
    except SystemExit as exit:
        status = exit.code
    return status or 0, capsys.readouterr().err
