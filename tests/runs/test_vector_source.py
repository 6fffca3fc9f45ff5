"""A run whose source lines are sequences of vectors: trained, resumed, loaded, and asked through every door."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

import nmt
from nmt import build, config, model_folder
from nmt.cli import align, explain, score, translate
from nmt.config import ConfigDict
from nmt.errors import ConfigError, DataError, ModelError
from nmt.runs.outcome import RunResult
from nmt.runs.training_run import run
from nmt.storage import manifest
from tests import tiny_runs
from tests.commands import compose_command, read_lines, write_lines

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

SPLITS = {"train": 40, "validation": 4, "test": 3}
WORDS = ("zero", "one", "two")


def write_splits(folder: Path, *, npy: bool = False) -> list[str]:
    """Files of pairs, digits as points with noise and as words; overrides that name them."""
    draw, found = random.Random(1), ["data=files", "data.source_language=zxx", "data.target_language=en"]
    for split, size in SPLITS.items():
        digits = [[draw.randrange(3) for _ in range(draw.randint(1, 5))] for _ in range(size)]
        points = [[(digit + draw.gauss(0, 0.1), draw.gauss(0, 1)) for digit in line] for line in digits]
        lines = [" ".join(f"{x:.3f},{y:.3f}" for x, y in line) for line in points]
        if npy and split == "train":
            lines = [str(folder / f"{number}.npy") for number in range(size)]
            for name, line in zip(lines, points, strict=True):
                np.save(name, np.round(np.array(line), 3))
        write_lines(folder / f"{split}.source", *lines)
        write_lines(folder / f"{split}.target", *(" ".join(WORDS[digit] for digit in line) for line in digits))
        found += [f"data.{split}.{side}={folder / f'{split}.{side}'}" for side in ("source", "target")]
    return found


def build_settings(folder: Path, home: Path, *overrides: str) -> ConfigDict:
    tiny = [word for word in tiny_runs.BASE_OVERRIDES if not word.startswith("data.")]
    chosen = tiny_runs.compose_config(
        *tiny,
        *(f"data.{split}.{side}={home / f'{split}.{side}'}" for split in SPLITS for side in ("source", "target")),
        *("data=files", "data.source_language=zxx", "data.target_language=en", "tokenizer.vocab_size=auto"),
        *("model/source=vectors", "model.source.features=2", "filters.max_ratio=20", "training.accumulate=2"),
        *("model.dropout.source_words=0.1", "training.stop.steps=6", "training.validation.every_steps=3"),
        *("probes.sentences=2", "probes.shortest=1", "tokenizer.sampling=0.1"),
        *overrides,
    )
    return config.check({**chosen, "output": str(folder), "cache": str(home / "cache")}, build.TRAIN)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vectors")
    write_splits(folder)
    return folder


@pytest.fixture(scope="module")
def whole(home: Path) -> RunResult:
    return run(build_settings(home / "run", home), home / "run")


def test_a_run_names_positions_and_scores_words(whole: RunResult, home: Path) -> None:
    assert whole.status == 0
    best = whole.folder / "checkpoints" / "best"
    assert {path.name for path in best.iterdir()} >= {"config.json", "model.safetensors", "spm.target.model"}
    assert not (best / "spm.model").exists()
    (path, *_) = sorted(best.glob("alignments/*[0-9].json"))
    probe = json.loads(path.read_text())
    lines = read_lines(home / "validation.source")
    spelled = [f"{n}:{float(x):.3g},{float(y):.3g}" for line in lines for n, (x, y) in enumerate(split(line))]
    assert set(probe["source"][:-1]) <= set(spelled)
    assert probe["source"][-1] == "</s>"
    assert all(len(row) == len(probe["source"]) for row in probe["weights"])
    assert probe["source"][0] in (whole.folder / "report.html").read_text()


def split(line: str) -> list[list[str]]:
    return [position.split(",") for position in line.split()]


def test_a_resumed_run_ends_as_one_that_was_not_stopped(whole: RunResult, home: Path) -> None:
    chosen = build_settings(home / "stopped", home)
    stopped = tiny_runs.build_run(chosen, home / "stopped", tiny_runs.DelayedInterruption(2))
    assert stopped.execute().status
    tiny_runs.build_run(chosen, home / "stopped", seed=99).execute()
    for name in ("model.safetensors", "state.safetensors"):
        last = [folder / "checkpoints" / "last" / name for folder in (home / "stopped", whole.folder)]
        assert last[0].read_bytes() == last[1].read_bytes()


def test_files_of_numpy_train_the_same_model(whole: RunResult, tmp_path: Path) -> None:
    write_splits(tmp_path, npy=True)
    found = run(build_settings(tmp_path / "run", tmp_path), tmp_path / "run")
    models = [(each.folder / "checkpoints" / "last" / "model.safetensors").read_bytes() for each in (found, whole)]
    assert models[0] == models[1]


def test_all_commands_take_such_lines(whole: RunResult, home: Path, tmp_path: Path) -> None:
    source, target = home / "test.source", home / "test.target"
    out = tmp_path / "out"
    model = f"model={whole.folder}"
    given = ("device=cpu", f"output={out}")
    translate.run_task(compose_command("translate", model, f"input={source}", *given))
    loaded = nmt.load(whole.folder, device="cpu")
    translations = loaded.translate(read_lines(source))
    assert read_lines(out) == [each.text for each in translations] == read_lines(whole.folder / "test.hypotheses.txt")
    assert translations[0].alignment is not None
    assert translations[0].alignment.source == loaded.tokenizers.source.split_words(read_lines(source)[0])
    score.run_task(compose_command("score", model, f"source={source}", f"target={target}", *given))
    scores = loaded.score(read_lines(source), read_lines(target))
    assert [float(line.split()[0]) for line in read_lines(out)] == pytest.approx([s.log_prob for s in scores], abs=1e-5)
    pictures = (f"heatmaps.folder={tmp_path / 'maps'}", "heatmaps.maps=true", "heatmaps.limit=1")
    for method in ("attention", "gradient", "erase_input", "erase_memory"):
        words = (model, f"source={source}", f"target={target}", f"method={method}", *given)
        align.run_task(compose_command("align", *words, *(pictures if method == "attention" else ())))
        assert len(read_lines(out)) == SPLITS["test"]
    assert {path.name for path in (tmp_path / "maps").iterdir()} >= {"001.png", "001-source.png"}
    page = tmp_path / "page.html"
    words = (f"model.folder={whole.folder}", f"input={source}", "position=0", f"output={page}", "device=cpu")
    explain.run_task(words, compose_command("explain", *words))
    assert loaded.tokenizers.source.split_words(read_lines(source)[0])[0] in page.read_text()


def test_a_bad_line_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    for split_name, place in (("train", 40), ("validation", 2), ("test", 3)):
        home = tmp_path / split_name
        home.mkdir()
        write_splits(home)
        lines = read_lines(home / f"{split_name}.source")
        write_lines(home / f"{split_name}.source", *lines[: place - 1], "1,2 3,x", *lines[place:])
        with pytest.raises(DataError, match=rf"{split_name}\.source, line {place}: position 2 has 'x'"):
            run(build_settings(home / "run", home), home / "run")


def test_settings_that_do_not_fit_are_told(home: Path) -> None:
    with pytest.raises(ConfigError, match="model/head=copy copies pieces of the source"):
        build.dry_run(build_settings(home / "none", home, "model/head=copy"))
    with pytest.raises(ConfigError, match=r"features must be from 1"):
        build.dry_run(build_settings(home / "none", home, "model.source.features=0"))
    with pytest.raises(ConfigError, match=r"em aligns words of text"):
        build.dry_run(
            build_settings(home / "none", home, "data.train.links=em", "training.alignment_losses.guided=0.1")
        )


def test_a_model_folder_from_elsewhere_is_checked(whole: RunResult, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(whole.folder / "checkpoints" / "best", folder)
    (folder / manifest.NAME).unlink()
    settings = json.loads((folder / "config.json").read_text())
    for features, message in (
        (3, r"wanted \(8, 3\), found \(8, 2\)"),
        (0, "features must be from 1"),
        (10**12, "features must be from 1"),
    ):
        settings["model"]["source"]["features"] = features
        (folder / "config.json").write_text(json.dumps(settings))
        with pytest.raises(ModelError, match=message):
            model_folder.load(folder, device=build.build_device("cpu"))
