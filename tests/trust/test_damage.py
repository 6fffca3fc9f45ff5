"""A checkpoint that is no longer what was written is never used, and the run says so."""

import logging
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt import build, model_folder
from nmt.errors import CheckpointError, ModelError
from nmt.runs.fingerprint import DATA, check_same_text_as_run
from nmt.runs.initial import load_newest
from nmt.runs.training_run import run
from nmt.storage import manifest
from nmt.storage.checkpoints import CheckpointInfo, Checkpoints
from tests import tiny_runs
from tests.trust.conftest import RecordFigures

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

OVERRIDES = ("probes.sentences=2", "probes.shortest=1", "probes.longest=99", "training.keep.last=2")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two checkpoints. To be copied only."""
    folder = tmp_path_factory.mktemp("outputs") / "run"
    run(tiny_runs.build_settings(folder, *OVERRIDES), folder)
    return folder


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "run", symlinks=True)
    shutil.copytree(sound.parent / "cache", tmp_path / "cache")
    return tmp_path / "run"


def checkpoint(folder: Path, step: int = 8) -> Path:
    return folder / "checkpoints" / f"step-{step:06d}"


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def damages(folder: Path, draw: random.Random, count: int) -> list[tuple[Path, int]]:
    """Files and bits: half of them anywhere in the checkpoint's bytes, half of them in a file as likely as in any."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = [path.stat().st_size for path in files]
    assert all(sizes)
    chosen = draw.choices(files, sizes, k=count // 2) + draw.choices(files, k=count - count // 2)
    return [(path, draw.randrange(8 * path.stat().st_size)) for path in chosen]


def seen(folder: Path, flips: int, cuts: int, **how: Any) -> tuple[int, int]:
    """How many flips of a bit and how many truncations show; each is mended again."""
    draw = random.Random(flips)
    flipped = cut = 0
    assert manifest.find_problems(folder) == []
    for path, bit in damages(folder, draw, flips):
        content = path.read_bytes()
        flip(path, bit)
        flipped += bool(manifest.find_problems(folder, **how))
        path.write_bytes(content)
    for path, bit in damages(folder, draw, cuts):
        content = path.read_bytes()
        path.write_bytes(content[: bit // 8])
        cut += bool(manifest.find_problems(folder, **how))
        path.write_bytes(content)
    assert manifest.find_problems(folder) == []
    return flipped, cut


def test_every_flipped_bit_and_every_truncation_shows(copy: Path) -> None:
    assert seen(checkpoint(copy), 200, 40) == (200, 40)


def test_sizes_alone_would_not_show_it(copy: Path) -> None:
    assert seen(checkpoint(copy), 50, 10, hashes=False)[0] < 50


@pytest.mark.slow
def test_a_thousand_flips_and_a_hundred_truncations(copy: Path, measured: RecordFigures) -> None:
    found = seen(checkpoint(copy), 1000, 100)
    assert found == (1000, 100)
    measured("4 damage", {"flipped bits seen": found[0], "truncations seen": found[1]})


def test_every_bit_of_the_manifest_is_guarded(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    manifest.seal(tmp_path, 31.25)
    size = (tmp_path / manifest.NAME).stat().st_size
    for bit in range(8 * size):
        flip(tmp_path / manifest.NAME, bit)
        assert manifest.find_problems(tmp_path), f"bit {bit}"
        flip(tmp_path / manifest.NAME, bit)
    assert manifest.find_problems(tmp_path) == []


def test_a_run_falls_back_to_the_newest_sound_checkpoint_and_says_so(
    copy: Path, caplog: pytest.LogCaptureFixture, sound: Path
) -> None:
    flip(checkpoint(copy) / "state.safetensors", 4321)
    (checkpoint(copy) / DATA).write_text("{{{{")  # which is read before data are prepared
    with caplog.at_level(logging.INFO, "nmt"):
        logging.getLogger("nmt").propagate = True
        checkpoints = Checkpoints(copy / "checkpoints", keep_last=2, keep_best=1)
        assert checkpoints.find_newest() == checkpoint(copy, 4)
    assert f"Checkpoint {checkpoint(copy)} is damaged and is skipped: data.json: has 4 bytes" in caplog.text
    assert run(tiny_runs.build_settings(copy, *OVERRIDES), copy).reason == "steps (8)"
    for name in ("model.safetensors", "state.safetensors"):
        assert (checkpoint(copy) / name).read_bytes() == (checkpoint(sound) / name).read_bytes()


@pytest.mark.parametrize("name", [DATA, "config.json", "model.safetensors", manifest.NAME])
@pytest.mark.parametrize("replace", [Path.mkdir, os.mkfifo, lambda path: path.write_bytes(b"{}\n"), None])
def test_what_is_read_before_the_state_is_that_of_the_newest_checkpoint_where_it_is_sound(
    name: str, replace: Callable[[Path], object] | None, copy: Path
) -> None:
    (checkpoint(copy) / name).unlink()
    if replace is not None:
        replace(checkpoint(copy) / name)
    corpus = build.build_corpus(tiny_runs.build_settings(copy, *OVERRIDES))
    check_same_text_as_run(copy / "checkpoints", corpus)
    other = build.build_corpus(tiny_runs.build_settings(copy, *OVERRIDES, "data.train=61"))
    with pytest.raises(CheckpointError, match=r"made from other text"):
        check_same_text_as_run(copy / "checkpoints", other)
    loaded = load_newest(copy / "checkpoints")
    assert loaded is not None
    assert loaded.folder == checkpoint(copy, 8 if name == DATA else 4)


def test_with_nothing_but_damage_a_run_does_not_begin_again_by_itself(copy: Path) -> None:
    for step in (4, 8):
        flip(checkpoint(copy, step) / "model.safetensors", 9999)
    before = tiny_runs.snapshot(copy / "checkpoints")
    with pytest.raises(CheckpointError) as told:
        run(tiny_runs.build_settings(copy, *OVERRIDES), copy)
    for part in ("Every checkpoint", "step-000004", "step-000008", "model.safetensors", "remove", "from the beginning"):
        assert part in str(told.value)
    assert tiny_runs.snapshot(copy / "checkpoints") == before


def test_a_run_whose_only_checkpoint_lost_its_manifest_does_not_begin_again(copy: Path) -> None:
    shutil.rmtree(checkpoint(copy))
    (copy / "checkpoints/last").unlink()
    (checkpoint(copy, 4) / manifest.NAME).unlink()
    before = tiny_runs.snapshot(copy / "checkpoints")
    with pytest.raises(CheckpointError, match=r"Every checkpoint.*\n.*step-000004: .*MANIFEST"):
        run(tiny_runs.build_settings(copy, *OVERRIDES), copy)
    assert tiny_runs.snapshot(copy / "checkpoints") == before


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "spm.model"])
def test_a_damaged_model_is_not_translated_with(name: str, copy: Path) -> None:
    folder = checkpoint(copy)
    model_folder.load(folder, device=torch.device("cpu"))
    content = (folder / name).read_bytes()
    # In a place where only the manifest can tell: a weight, a space between two words of JSON, a score of a piece.
    place = {"config.json": content.index(b" ")}.get(name, len(content) - 3)
    (folder / name).write_bytes(content[:place] + (b"\t" if name == "config.json" else b"~") + content[place + 1 :])
    with pytest.raises(ModelError, match=rf"is not as it was written: {name} has other contents"):
        model_folder.load(folder, device=torch.device("cpu"))
    (folder / manifest.NAME).unlink()  # a copy without a manifest makes no claim
    if name == "config.json":
        model_folder.load(folder, device=torch.device("cpu"))


def test_what_the_manifest_does_not_name_is_not_vouched_for(tmp_path: Path) -> None:
    manifest.seal(tmp_path)
    (tmp_path / "new").write_bytes(b"1")
    with pytest.raises(CheckpointError, match="new is not in it"):
        manifest.verify(tmp_path, ["new"])


def lives(seed: int, folder: Path) -> None:
    """A dozen starts of a run, with other policies each, and damage between them; an error if that costs its life."""
    draw = random.Random(seed)
    step = 0
    for _ in range(12):
        checkpoints = Checkpoints(folder, keep_last=draw.randint(1, 3), keep_best=draw.randint(0, 2))
        checkpoints.recover()
        newest = checkpoints.find_newest()
        step = 0 if newest is None else int(newest.name.removeprefix("step-"))
        for _ in range(draw.randint(1, 3)):
            step += 1
            with checkpoints.write(step, draw.choice([None, draw.random()])) as writing:
                (writing / "model.safetensors").write_bytes(draw.randbytes(20))
            assert Checkpoints(folder, keep_last=1, keep_best=0).find_newest() == folder / f"step-{step:06d}"
        sound = [kept.folder for kept in checkpoints.list_complete() if not manifest.find_problems(kept.folder)]
        for victim in draw.sample(sound, draw.randint(0, len(sound) - 1)):
            flip(victim / "model.safetensors", draw.randrange(160))


@pytest.mark.parametrize("seed", range(5))
def test_no_policy_deletes_the_newest_sound_checkpoint(seed: int, tmp_path: Path) -> None:
    lives(seed, tmp_path / "checkpoints")


def test_a_policy_that_counts_damaged_checkpoints_would_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def complete(checkpoints: Checkpoints) -> list[CheckpointInfo]:
        """Sound or not."""
        return [
            CheckpointInfo(step, manifest.read_value(folder), folder) for step, folder in checkpoints._list_folders()
        ]

    monkeypatch.setattr(Checkpoints, "list_complete", complete)
    monkeypatch.setattr(Checkpoints, "_is_pointer", lambda checkpoints, name: False)
    with pytest.raises((AssertionError, CheckpointError)):
        for seed in range(5):
            lives(seed, tmp_path / str(seed))
