"""From settings to parts: what does not fit is told before anything is read, and a model folder is the model."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt import build, config
from nmt.cli.training_run import Run
from nmt.cli.training_run import run as train
from nmt.data.batching import collate
from nmt.data.tokenizer import Tokenizer
from nmt.errors import ConfigError, ModelError
from nmt.training.files import load_tensors, save_tensors
from nmt.training.run_folder import flat
from tests import tiny

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
    small = [word for word in tiny.SMALL if not word.startswith("data.")]
    languages = ("data=files", "data.source_language=en", "data.target_language=de")
    settings = config.check(tiny.composed(*small, *languages, *files, *overrides), build.TRAIN)
    with pytest.raises(ConfigError, match=way_out):
        train(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def changed(settings: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    key, _, rest = path.partition(".")
    return {**settings, key: changed(settings[key], rest, value) if rest else value}


def told(settings: dict[str, Any]) -> str:
    """What is wrong with a config, as its rehearsal says; anything but a ConfigError goes through."""
    try:
        build.rehearse(config.check(settings, build.TRAIN))
    except ConfigError as problem:
        return str(problem)
    return ""


NUMBERS = [
    path
    for path, value in flat(tiny.composed(*tiny.SMALL, "schedule=plateau", "attention=luong_local_p")).items()
    if isinstance(value, int | float) and not isinstance(value, bool)
]


@pytest.mark.parametrize("path", NUMBERS)
def test_a_number_out_of_range_is_a_mistake_in_the_config_and_nothing_worse(path: str) -> None:
    base = tiny.composed(*tiny.SMALL, "schedule=plateau", "attention=luong_local_p")
    refused = 0
    for value in (-1, 0, -0.5, math.nan, math.inf):
        problem = told(changed(base, path, value))
        if problem:
            refused += 1
            assert path.split(".")[-1] in problem or path.split(".")[0] in problem
    assert refused or path == "data.seed"


def test_rehearsing_takes_no_memory_and_no_random_numbers() -> None:
    settings = config.check(tiny.composed(*tiny.SMALL, "model.encoder.hidden_size=200000"), build.TRAIN)
    state = torch.get_rng_state()
    build.rehearse(settings)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_gpu_that_is_not_there_cannot_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert build.device("auto") == build.device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="device=auto"):
        build.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert build.device("auto") == build.device("cuda") == torch.device("cuda")
    assert build.device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("tied", ["none", "target", "all"])
def test_shared_parameters_count_once(tied: str) -> None:
    settings = config.check(tiny.composed(*tiny.SMALL, f"model.tied={tied}"), build.TRAIN)
    model = build.model(settings, source_vocab=11, target_vocab=11, joint=True)
    distinct = {parameter.data_ptr(): parameter.numel() for parameter in model.parameters()}
    assert build.parameter_count(model) == sum(distinct.values())
    tables = [model.source.table.weight, model.target.table.weight, model.output.weight]
    assert len({table.data_ptr() for table in tables}) == {"none": 3, "target": 2, "all": 1}[tied]


FOLDERS = {
    "joint": ("model/decoder=luong", "model.tied=all"),
    "separate": ("model/decoder=bahdanau", "model.tied=target", "tokenizer.joint=false", "attention.heads=2"),
    "conditional": ("model/decoder=conditional", "model.tied=none", "attention=luong_local_p", "search=beam"),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Run, Path]]:
    """A run and the model folder that it wrote, for each of FOLDERS."""
    home = tmp_path_factory.mktemp("folders")
    made: dict[str, tuple[Run, Path]] = {}

    def of(case: str) -> tuple[Run, Path]:
        if case not in made:
            run = tiny.made(tiny.settings(home / case, *FOLDERS[case]), home / case)
            run.saver()(None)
            made[case] = run, home / case / "checkpoints" / "last"
        return made[case]

    return of


@pytest.mark.parametrize("case", FOLDERS)
def test_a_model_folder_is_the_model(case: str, saved: Callable[[str], tuple[Run, Path]], tmp_path: Path) -> None:
    run, folder = saved(case)
    shutil.copytree(folder, tmp_path / "moved")
    loaded = build.load(tmp_path / "moved", device=torch.device("cpu"))
    assert not loaded.model.training
    run.model.eval()
    batch = collate(run.data.train, torch.arange(4).numpy())
    with torch.inference_mode():
        logits = [
            model.output(model(batch.source, batch.source_lengths, batch.read)) for model in (run.model, loaded.model)
        ]
    torch.testing.assert_close(logits[1], logits[0], atol=0, rtol=0)
    lines = run.data.validation_text.source
    for ours, theirs in zip(run.data.tokenizers, loaded.tokenizers, strict=True):
        assert ours.encode(lines) == theirs.encode(lines)
    assert (loaded.tokenizers.source is loaded.tokenizers.target) == (case != "separate")
    assert loaded.settings["model"] == run.settings["model"]
    assert build.search(loaded.settings) == run.translator.search


def test_a_run_folder_stands_for_its_best_model(saved: Callable[[str], tuple[Run, Path]]) -> None:
    run, folder = saved("joint")
    loaded = build.load(run.folder, device=torch.device("cpu"))
    assert loaded.folder.resolve() == folder.resolve()


def rewrite(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        settings = json.loads((folder / "config.json").read_text())
        change(settings)
        (folder / "config.json").write_text(json.dumps(settings))

    return damage


def put(path: str, value: Any) -> Callable[[Path], None]:
    def change(settings: dict[str, Any]) -> None:
        *above, last = path.split(".")
        for key in above:
            settings = settings[key]
        settings[last] = value

    return rewrite(change)


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def reshape(folder: Path) -> None:
    tensors = load_tensors(folder / "model.safetensors")
    save_tensors(folder / "model.safetensors", {**tensors, "output.bias": torch.zeros(3)})


def another_vocabulary(folder: Path) -> None:
    lines = ["one two three four five six seven"] * 5
    from nmt.data.tokenizer import Bpe

    (folder / "spm.model").write_bytes(Bpe(vocab_size=30).train(lines, lines).source.serialized)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "an unknown key": (put("model.encoder.hidden_sizes", 3), "hidden_size"),
    "something to run": (put("model.encoder._target_", "os.system"), "_target_"),
    "something to run in place of a variant": (put("attention.score", {"_target_": "os.system"}), "attention.score"),
    "an unknown variant": (put("attention.score.name", "dott"), "Did you mean dot"),
    "a missing key": (rewrite(lambda s: s.pop("attention")), "attention is missing"),
    "a wrong type": (put("model.embedding_size", "8"), "model.embedding_size"),
    "true for a number": (put("model.encoder.hidden_size", True), "hidden_size"),
    "no number": (put("model.dropout.readout", math.nan), "model.dropout.readout"),
    "infinity": (put("model.encoder.hidden_size", math.inf), "hidden_size"),
    "a number too large for a float": (put("model.encoder.hidden_size", 10**400), "hidden_size"),
    "a probability above 1": (put("model.dropout.embedding", 7.5), "model.dropout.embedding"),
    "a size that the weights do not have": (put("model.encoder.hidden_size", 7), "wanted"),
    "a size that no memory holds": (put("model.encoder.hidden_size", 300_000), "wanted"),
    "a size that overflows": (put("model.encoder.hidden_size", 2**40), "No tensor can have"),
    "a size that no integer holds": (put("model.encoder.hidden_size", 2**70), "a whole number"),
    "a size below 0": (put("model.embedding_size", -8), "embedding_size"),
    "sizes that do not fit": (put("attention.score", {"name": "dot"}), "wanted"),
    "another format": (put("format", 99), "format 99"),
    "a list": (write("config.json", b"[1, 2]"), "group"),
    "half a config": (write("config.json", b'{"format": 1, "mod'), r"config\.json is damaged: .*Copy the whole folder"),
    "no text": (write("config.json", b"\xff\xfe\x00\x81"), r"config\.json is damaged"),
    "endless brackets": (write("config.json", b"[" * 60_000), r"config\.json is damaged"),
    "no tokenizer": (without("spm.model"), r"it has no spm\.model.*Copy the whole folder"),
    "a broken tokenizer": (
        write("spm.model", b"not a model"),
        r"/spm\.model is not a SentencePiece model.*Copy the whole folder",
    ),
    "another tokenizer": (another_vocabulary, "wanted"),
    "separate tokenizers that are not there": (put("tokenizer.joint", False), "joint|spm.source.model"),
    "no weights": (without("model.safetensors"), "model.safetensors"),
    "no config": (without("config.json"), "config.json"),
    "half the weights": (write("model.safetensors", b"\x10\x00\x00\x00\x00\x00\x00\x00{"), "model.safetensors"),
    "a header that promises too much": (write("model.safetensors", b"\xff" * 64), "model.safetensors"),
    "weights of other shapes": (reshape, "output.bias"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_or_hostile_folder_is_refused_in_a_sentence(
    case: str, saved: Callable[[str], tuple[Run, Path]], tmp_path: Path
) -> None:
    damage, told = DAMAGES[case]
    folder = tmp_path / "model"
    shutil.copytree(saved("joint")[1], folder)
    (folder / "MANIFEST.json").unlink()  # a hostile one would agree with the rest
    damage(folder)
    with pytest.raises(ModelError, match=told) as caught:
        build.load(folder, device=torch.device("cpu"))
    assert str(folder) in str(caught.value)


def test_the_untouched_folder_loads(saved: Callable[[str], tuple[Run, Path]], tmp_path: Path) -> None:
    shutil.copytree(saved("joint")[1], tmp_path / "model")
    (tmp_path / "model" / "MANIFEST.json").unlink()
    rewrite(lambda settings: None)(tmp_path / "model")
    assert isinstance(build.load(tmp_path / "model", device=torch.device("cpu")).tokenizers.source, Tokenizer)
