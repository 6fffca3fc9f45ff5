"""From settings to parts: what does not fit is told before anything is read."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt import build, config
from nmt.build import size
from nmt.errors import ConfigError
from nmt.runs.run_folder import flatten
from nmt.runs.training_run import run as train
from tests import tiny_runs

MISFITS: dict[str, tuple[tuple[str, ...], str]] = {
    "dot with unequal sizes": (("attention/score=dot", "model.decoder.hidden_size=14"), "attention/score=general"),
    "tied=all without joint": (("model.tied=all", "tokenizer.joint=false"), "tokenizer.joint=true"),
    "heads that do not divide": (("attention.heads=5",), "5 heads"),
    "no heads": (("attention.heads=0",), "attention.heads"),
    "copy between other sizes": (("model/bridge=copy", "model.decoder.hidden_size=14"), "copy"),
    "copy between other layers": (("model/bridge=copy", "model.decoder.layers=2"), "copy"),
    "copy between other cells": (("model/bridge=copy", "model/decoder=bahdanau"), "copy"),
    "a seed below 0": (("seed=-1",), "seed"),
    "no threads": (("threads=0",), "threads"),
    "no embedding": (("model.embedding_size=0",), "model.embedding_size"),
    "no checkpoint": (("training.keep.last=0",), "training.keep"),
    "a schedule without steps": (("schedule=cosine", "schedule.steps=0"), "steps"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_what_does_not_fit_is_told_before_any_data_are_read(case: str, tmp_path: Path) -> None:
    overrides, way_out = MISFITS[case]
    files = [
        f"data.{split}.{side}={tmp_path}/none" for split in ("train", "validation") for side in ("source", "target")
    ]
    small = [word for word in tiny_runs.BASE_OVERRIDES if not word.startswith("data.")]
    languages = ("data=files", "data.source_language=en", "data.target_language=de")
    settings = config.check(tiny_runs.compose_config(*small, *languages, *files, *overrides), build.TRAIN)
    with pytest.raises(ConfigError, match=way_out):
        train(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def changed(settings: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    key, _, rest = path.partition(".")
    return {**settings, key: changed(settings[key], rest, value) if rest else value}


def told(settings: dict[str, Any]) -> str:
    """What is wrong with a config, as its rehearsal says; anything but a ConfigError goes through."""
    try:
        build.dry_run(config.check(settings, build.TRAIN))
    except ConfigError as problem:
        return str(problem)
    return ""


NUMBERS = [
    path
    for path, value in flatten(
        tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES, "schedule=plateau", "attention=luong_local_p")
    ).items()
    if isinstance(value, int | float) and not isinstance(value, bool)
]


@pytest.mark.parametrize("path", NUMBERS)
def test_a_number_out_of_range_is_a_mistake_in_the_config_and_nothing_worse(path: str) -> None:
    base = tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES, "schedule=plateau", "attention=luong_local_p")
    refused = 0
    for value in (-1, 0, -0.5, math.nan, math.inf):
        problem = told(changed(base, path, value))
        if problem:
            refused += 1
            assert path.split(".")[-1] in problem or path.split(".")[0] in problem
    assert refused or path == "data.seed"


def test_rehearsing_takes_no_memory_and_no_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size, "get_physical_memory", lambda: 2**60)
    settings = config.check(
        tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES, "model.encoder.hidden_size=200000"), build.TRAIN
    )
    state = torch.get_rng_state()
    build.dry_run(settings)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_that_cannot_be_trained_in_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config.check(tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES), build.TRAIN)
    joint = build.build_on_meta(settings, source_vocab=8, target_vocab=8, joint=True)
    needed = 16 * build.count_parameters(joint)
    monkeypatch.setattr(size, "get_physical_memory", lambda: needed)
    build.dry_run(settings)
    monkeypatch.setattr(size, "get_physical_memory", lambda: needed - 1)
    with pytest.raises(ConfigError, match="Choose smaller sizes"):
        build.dry_run(settings)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["probes.sentences=-1"], "probes.sentences must be 0 or more; got -1."),
        (["probes.shortest=0"], "probes.shortest must be at least 1 word; got 0."),
        (["probes.longest=2"], "probes.longest must be at least probes.shortest, which is 6; got 2."),
        (["training.keep.last=0"], "training.keep.last must be 1 or more; got 0."),
        (["training.keep.best=-1"], "training.keep.best must be 0 or more; got -1."),
        (["optimizer.beta2=1"], "optimizer.beta2 must be at least 0 and below 1; got 1.0."),
        (["optimizer.eps=0"], "optimizer.eps must be above 0; got 0.0."),
        (["optimizer=adadelta", "optimizer.rho=-1"], "optimizer.rho must be at least 0 and below 1; got -1.0."),
        (["optimizer=sgd", "optimizer.weight_decay=-1"], "optimizer.weight_decay must be 0 or more; got -1.0."),
        (
            ["model/encoder=cascade", "model.encoder.block_dropout=2"],
            "model.encoder.block_dropout must be at least 0 and below 1; got 2.0.",
        ),
        (
            ["attention/history=coverage_gru", "attention.history.size=1000000000"],
            "No tensor can have the sizes of this model. The largest of its numbers is "
            "attention.history.size=1000000000.",
        ),
        (["model.embedding_size=100000000000"], "the largest of its numbers is model.embedding_size=100000000000."),
    ],
)
def test_one_setting_is_named_and_what_it_must_be(words: list[str], problem: str) -> None:
    settings = config.check(
        tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES, "probes.shortest=6", *words), build.TRAIN
    )
    with pytest.raises(ConfigError) as found:
        build.dry_run(settings)
    assert str(found.value).endswith(problem)


def test_a_gpu_that_is_not_there_cannot_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert build.build_device("auto") == build.build_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="device=auto"):
        build.build_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert build.build_device("auto") == build.build_device("cuda") == torch.device("cuda")
    assert build.build_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("tied", ["none", "target", "all"])
def test_shared_parameters_count_once(tied: str) -> None:
    settings = config.check(tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES, f"model.tied={tied}"), build.TRAIN)
    model = build.build_model(settings, source_vocab=11, target_vocab=11, joint=True)
    distinct = {parameter.data_ptr(): parameter.numel() for parameter in model.parameters()}
    assert build.count_parameters(model) == sum(distinct.values())
    tables = [model.source.embedding.table.weight, model.target.table.weight, model.head.output.weight]
    assert len({table.data_ptr() for table in tables}) == {"none": 3, "target": 2, "all": 1}[tied]
