"""A model folder is the model, and one that is damaged or hostile is refused in a sentence."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt import build, model_folder
from nmt.data.batching import collate
from nmt.data.tokenizer import Tokenizer
from nmt.errors import ModelError
from nmt.runs.training_run import TrainingRun
from nmt.storage.files import load_tensors, save_tensors
from tests import tiny_runs
from tests.builders import compute_logits

FOLDERS = {
    "joint": ("model/decoder=luong", "model.tied=all"),
    "separate": ("model/decoder=bahdanau", "model.tied=target", "tokenizer.joint=false", "attention.heads=2"),
    "conditional": ("model/decoder=conditional", "model.tied=none", "attention=luong_local_p", "search=beam"),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[TrainingRun, Path]]:
    """A run and the model folder that it wrote, for each of FOLDERS."""
    home = tmp_path_factory.mktemp("folders")
    made: dict[str, tuple[TrainingRun, Path]] = {}

    def of(case: str) -> tuple[TrainingRun, Path]:
        if case not in made:
            run = tiny_runs.build_run(tiny_runs.build_settings(home / case, *FOLDERS[case]), home / case)
            run.make_checkpoint_writer()(None)
            made[case] = run, home / case / "checkpoints" / "last"
        return made[case]

    return of


@pytest.mark.parametrize("case", FOLDERS)
def test_a_model_folder_is_the_model(
    case: str, saved: Callable[[str], tuple[TrainingRun, Path]], tmp_path: Path
) -> None:
    run, folder = saved(case)
    shutil.copytree(folder, tmp_path / "moved")
    loaded = model_folder.load(tmp_path / "moved", device=torch.device("cpu"))
    assert not loaded.model.training
    run.model.eval()
    batch = collate(run.data.train, torch.arange(4).numpy())
    with torch.inference_mode():
        logits = [
            compute_logits(model, batch.source, batch.source_lengths, batch.target_input)
            for model in (run.model, loaded.model)
        ]
    torch.testing.assert_close(logits[1], logits[0], atol=0, rtol=0)
    lines = run.data.validation_text.source
    for ours, theirs in zip(run.data.tokenizers, loaded.tokenizers, strict=True):
        assert ours.encode(lines) == theirs.encode(lines)
    assert (loaded.tokenizers.source is loaded.tokenizers.target) == (case != "separate")
    assert loaded.settings["model"] == run.settings["model"]
    assert build.build_search(loaded.settings) == run.translator.search


def test_a_run_folder_stands_for_its_best_model(saved: Callable[[str], tuple[TrainingRun, Path]]) -> None:
    run, folder = saved("joint")
    loaded = model_folder.load(run.folder, device=torch.device("cpu"))
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


def overflow(folder: Path) -> None:
    tensors = load_tensors(folder / "model.safetensors")
    huge = {name: torch.full_like(tensor, 3e38) for name, tensor in tensors.items()}
    save_tensors(folder / "model.safetensors", huge)


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
    "finite weights that overflow": (overflow, "gives numbers that are not finite; its weights overflow"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_or_hostile_folder_is_refused_in_a_sentence(
    case: str, saved: Callable[[str], tuple[TrainingRun, Path]], tmp_path: Path
) -> None:
    damage, told = DAMAGES[case]
    folder = tmp_path / "model"
    shutil.copytree(saved("joint")[1], folder)
    (folder / "MANIFEST.json").unlink()  # a hostile one would agree with the rest
    damage(folder)
    with pytest.raises(ModelError, match=told) as caught:
        model_folder.load(folder, device=torch.device("cpu"))
    assert str(folder) in str(caught.value)


def test_the_untouched_folder_loads(saved: Callable[[str], tuple[TrainingRun, Path]], tmp_path: Path) -> None:
    shutil.copytree(saved("joint")[1], tmp_path / "model")
    (tmp_path / "model" / "MANIFEST.json").unlink()
    rewrite(lambda settings: None)(tmp_path / "model")
    assert isinstance(model_folder.load(tmp_path / "model", device=torch.device("cpu")).tokenizers.source, Tokenizer)
