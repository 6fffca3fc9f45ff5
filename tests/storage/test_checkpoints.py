"""Checkpoints are whole or absent, are found again, and leave the film of pictures when their time is over."""

import errno
import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import CheckpointError, ConfigError
from nmt.storage import files, manifest
from nmt.storage.checkpoints import Checkpoints

LASTING = {"validation.json", "hypotheses.txt", "alignments"}


def fill(folder: Path, weight: float = 0.5) -> None:
    files.save_tensors(folder / "model.safetensors", {"weight": torch.full((3, 2), weight)})
    files.save_tensors(folder / "state.safetensors", {"moment": torch.arange(5.0)})
    for name in ("state.json", "config.json", "validation.json"):
        files.write_json(folder / name, {"name": name})
    for name in ("spm.model", "spm.target.model", "hypotheses.txt"):
        (folder / name).write_text(name)
    (folder / "alignments").mkdir()
    (folder / "alignments" / "000.png").write_bytes(b"picture")


def written(checkpoints: Checkpoints, *steps: int, value: float | None = None) -> Path:
    for step in steps:
        with checkpoints.write(step, value) as folder:
            fill(folder)
    return checkpoints.folder / f"step-{steps[-1]:06d}"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", keep_last=2, keep_best=1)


def test_a_checkpoint_is_sealed_complete_and_pointed_to(checkpoints: Checkpoints) -> None:
    folder = written(checkpoints, 400, value=31.25)
    assert folder == checkpoints.folder / "step-000400"
    assert manifest.find_problems(folder) == []
    assert manifest.read_value(folder) == 31.25
    assert {"model.safetensors", "alignments/000.png"} <= set(files.read_json(folder / manifest.NAME)["files"])
    assert checkpoints.find_newest() == folder
    assert os.readlink(checkpoints.folder / "last") == os.readlink(checkpoints.folder / "best") == "step-000400"
    assert names(checkpoints.folder) == {"step-000400", "last", "best"}


def test_nothing_is_seen_of_a_checkpoint_before_it_is_whole(checkpoints: Checkpoints) -> None:
    with checkpoints.write(3) as folder:
        fill(folder)
        assert folder.name.startswith(".writing-")
        assert checkpoints.find_newest() is None
        assert checkpoints.list_complete() == []
    assert not folder.exists()
    assert [entry.step for entry in checkpoints.list_complete()] == [3]


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_write_leaves_the_earlier_ones_and_nothing_else(
    checkpoints: Checkpoints, interruption: type[BaseException]
) -> None:
    earlier = written(checkpoints, 1)
    with pytest.raises(interruption), checkpoints.write(2) as folder:
        fill(folder)
        raise interruption
    assert names(checkpoints.folder) == {"step-000001", "last"}
    assert checkpoints.find_newest() == earlier


def test_a_full_disk_is_named_with_path_and_space(checkpoints: Checkpoints) -> None:
    earlier = written(checkpoints, 1)
    with pytest.raises(CheckpointError, match=r"step-000002.*No space left.*MiB are free"), checkpoints.write(2):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert checkpoints.find_newest() == earlier


@contextmanager
def small_files() -> Iterator[None]:
    """No file may grow beyond 4 KiB: as near to a full disk as a test can safely come.

    Inside a test only: what pytest itself prints may be going to a file, and a long one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_does_not_fit_is_a_checkpoint_error(checkpoints: Checkpoints) -> None:
    refused = pytest.raises(CheckpointError, match=r"model\.safetensors.*too large")
    with small_files(), refused, checkpoints.write(1) as folder:
        files.save_tensors(folder / "model.safetensors", {"a": torch.zeros(10_000)})
    refused = pytest.raises(CheckpointError, match=r"state\.json.*too large")
    with small_files(), refused, checkpoints.write(1) as folder:
        files.write_json(folder / "state.json", list(range(10_000)))
    assert names(checkpoints.folder) == set()


@pytest.mark.parametrize("kill", ["rename", "replace"])
def test_a_kill_between_any_two_moves_loses_nothing_earlier(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, kill: str
) -> None:
    """A kill runs no cleaning up, so cleaning up is switched off as well."""
    earlier = written(checkpoints, 1)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(*((Path, "rename", killed) if kill == "rename" else (os, "replace", killed)))
        dying.setattr("shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt), checkpoints.write(2) as folder:
            fill(folder)
    newest = checkpoints.find_newest()
    assert newest == (earlier if kill == "rename" else checkpoints.folder / "step-000002")
    checkpoints.recover()
    assert not list(checkpoints.folder.glob(".writing-*"))
    assert checkpoints.find_newest() == newest
    assert written(checkpoints, 2) == checkpoints.find_newest()


def test_pointers_that_a_kill_left_behind_are_brought_up_to_date(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(checkpoints, 1, value=1.0)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(Checkpoints, "_write_pointers", killed)
        with pytest.raises(KeyboardInterrupt), checkpoints.write(2, 5.0) as folder:
            fill(folder)
    assert os.readlink(checkpoints.folder / "last") == "step-000001"
    newest = checkpoints.find_newest()
    assert newest is not None
    checkpoints.repair_pointers(newest)
    assert {os.readlink(checkpoints.folder / name) for name in ("last", "best")} == {"step-000002"}


def test_a_kill_while_one_replaces_another_brings_the_old_one_back(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(checkpoints, 1)
    rename = Path.rename

    def second_kills(path: Path, target: Path) -> Path:
        if path.name.startswith(".writing-step"):
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as dying:
        dying.setattr(Path, "rename", second_kills)
        dying.setattr("shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt), checkpoints.write(1) as again:
            fill(again, weight=7.0)
    assert checkpoints.find_newest() is None
    checkpoints.recover()
    assert checkpoints.find_newest() == folder
    assert files.load_tensors(folder / "model.safetensors")["weight"].eq(0.5).all()
    assert names(checkpoints.folder) == {"step-000001", "last"}


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors: is missing"),
        (lambda folder: (folder / "state.json").write_text(""), "state.json: has 0 bytes"),
        (lambda folder: (folder / "hypotheses.txt").write_text("hypotheses.TXT"), "hypotheses.txt: has other contents"),
        (
            lambda folder: (folder / "alignments/000.png").write_bytes(b"PICTURE"),
            "alignments/000.png: has other contents",
        ),
        (lambda folder: (folder / manifest.NAME).write_text("[1"), "as JSON"),
        (lambda folder: (folder / manifest.NAME).write_text('{"files": [3]}'), "is no manifest"),
        (lambda folder: (folder / manifest.NAME).write_text('{"files": {"a": {"size": 1}}}'), "is no manifest"),
        (lambda folder: (folder / manifest.NAME).write_text('{"files": {}, "value": "high"}'), "is no manifest"),
    ],
)
def test_damage_is_found_said_and_skipped(checkpoints: Checkpoints, caplog, damage, complaint: str) -> None:
    earlier, folder = written(checkpoints, 1), written(checkpoints, 2)
    damage(folder)
    assert len(manifest.find_problems(folder)) == 1
    with caplog.at_level(logging.WARNING):
        assert checkpoints.find_newest() == earlier
    assert complaint in caplog.text
    assert "step-000002" in caplog.text


def test_what_is_damaged_is_written_again_at_the_same_step(checkpoints: Checkpoints) -> None:
    folder = written(checkpoints, 1, 2)
    (folder / "model.safetensors").write_bytes(b"")
    with checkpoints.write(2) as again:
        fill(again, weight=7.0)
    assert checkpoints.find_newest() == folder
    assert files.load_tensors(folder / "model.safetensors")["weight"].eq(7.0).all()
    assert names(checkpoints.folder) == {"step-000001", "step-000002", "last"}


def test_a_light_checkpoint_keeps_its_scores_and_pictures_and_is_no_checkpoint(checkpoints: Checkpoints) -> None:
    written(checkpoints, 1, 2, 3)
    assert names(checkpoints.folder / "step-000001") == LASTING
    assert (checkpoints.folder / "step-000001/alignments/000.png").read_bytes() == b"picture"
    assert manifest.find_problems(checkpoints.folder / "step-000001") != []
    assert [entry.step for entry in checkpoints.list_complete()] == [2, 3]


def test_an_interrupted_pruning_is_finished_by_the_next(checkpoints: Checkpoints) -> None:
    folder = written(checkpoints, 1)
    (folder / manifest.NAME).unlink()
    written(checkpoints, 2)
    assert names(folder) == LASTING


@pytest.mark.parametrize("lost", [(), ("model.safetensors",), ("state.safetensors",), ("last",)])
def test_without_any_manifest_all_is_left_and_refused(checkpoints: Checkpoints, lost: tuple[str, ...]) -> None:
    folder = written(checkpoints, 1, 2, 3)
    for step in (2, 3):
        (checkpoints.folder / f"step-{step:06d}" / manifest.NAME).unlink()
    for name in lost:
        ((checkpoints.folder if name == "last" else folder) / name).unlink()
    (checkpoints.folder / ".writing-step-000004").mkdir()
    before = sorted(checkpoints.folder.rglob("*"))
    checkpoints.recover()
    assert sorted(checkpoints.folder.rglob("*")) == before
    with pytest.raises(CheckpointError, match=r"Every checkpoint(?s:.)*step-000003: .*MANIFEST") as refused:
        checkpoints.find_newest()
    assert "step-000001" not in str(refused.value)  # it is light, and so it should be


def test_what_last_points_to_is_damaged_without_a_manifest_even_if_it_is_empty_of_weights(
    checkpoints: Checkpoints,
) -> None:
    folder = written(checkpoints, 1)
    for name in (manifest.NAME, "model.safetensors", "state.safetensors"):
        (folder / name).unlink()
    checkpoints.recover()
    assert (folder / "state.json").exists()
    with pytest.raises(CheckpointError, match="Every checkpoint"):
        checkpoints.find_newest()


def test_a_newer_checkpoint_without_manifest_is_skipped_with_a_warning_as_other_damage(
    checkpoints: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    earlier, folder = written(checkpoints, 1), written(checkpoints, 2)
    (folder / manifest.NAME).unlink()
    checkpoints.recover()
    assert (folder / "model.safetensors").exists()
    assert checkpoints.find_newest() == earlier
    assert f"{folder} is damaged and is skipped" in caplog.text


def test_what_a_killed_pruning_left_is_finished_by_tidy(checkpoints: Checkpoints) -> None:
    folder = written(checkpoints, 1)
    newest = written(checkpoints, 2)
    (folder / manifest.NAME).unlink()
    checkpoints.recover()
    assert names(folder) == LASTING
    assert checkpoints.find_newest() == newest


def test_the_one_just_written_stays_even_if_damaged_newer_ones_fill_the_places(checkpoints: Checkpoints) -> None:
    newer = written(checkpoints, 100, 200)
    for step in (100, 200):
        (checkpoints.folder / f"step-{step:06d}/hypotheses.txt").write_text("hypotheses.TXT")
    folder = written(checkpoints, 50)
    assert newer.exists()
    assert checkpoints.find_newest() == folder


VALUES = st.lists(
    st.none() | st.sampled_from([-1.5, 0.0, 2.0, 3.0, float("nan"), float("inf")]), min_size=1, max_size=7
)


@given(values=VALUES, keep_last=st.integers(1, 3), keep_best=st.integers(0, 3))
def test_the_newest_and_the_best_stay(tmp_path_factory, values, keep_last: int, keep_best: int) -> None:
    checkpoints = Checkpoints(tmp_path_factory.mktemp("run"), keep_last=keep_last, keep_best=keep_best)
    for step, value in enumerate(values):
        with checkpoints.write(step, value) as folder:
            (folder / "model.safetensors").write_text(str(step))
    numbers = {step: value for step, value in enumerate(values) if value in (-1.5, 0.0, 2.0, 3.0)}
    ranking = sorted(numbers, key=lambda step: (-numbers[step], step))
    most = 1 if len(numbers) >= keep_last else keep_last  # of those that nothing measured
    expected = {*range(len(values))[-most:], *sorted(numbers)[-keep_last:], *ranking[: max(1, keep_best)]}
    assert {entry.step for entry in checkpoints.list_complete()} == expected
    assert [entry.step for entry in checkpoints.list_complete() if entry.value is not None] == sorted(
        expected & numbers.keys()
    )
    assert os.readlink(checkpoints.folder / "last") == f"step-{len(values) - 1:06d}"
    assert (checkpoints.folder / "best").is_symlink() == bool(ranking)
    if ranking:
        assert os.readlink(checkpoints.folder / "best") == f"step-{ranking[0]:06d}"


def test_steps_are_ordered_as_numbers(checkpoints: Checkpoints) -> None:
    folder = written(checkpoints, 999_999, 1_000_000)
    assert folder.name == "step-1000000"
    assert checkpoints.find_newest() == folder
    (checkpoints.folder / "step-notes").mkdir()
    assert [entry.step for entry in checkpoints.list_complete()] == [999_999, 1_000_000]


def test_tidy_leaves_checkpoints_alone_and_may_come_before_the_first(checkpoints: Checkpoints) -> None:
    checkpoints.recover()
    folder = written(checkpoints, 1)
    (checkpoints.folder / ".writing-step-000002" / "alignments").mkdir(parents=True)
    (checkpoints.folder / ".writing-last").symlink_to("nowhere")
    checkpoints.recover()
    assert names(checkpoints.folder) == {"step-000001", "last"}
    assert checkpoints.find_newest() == folder


def test_others_may_read_a_checkpoint_as_far_as_the_umask_lets_them(checkpoints: Checkpoints) -> None:
    folder = written(checkpoints, 1)
    modes = {path.stat().st_mode for path in folder.iterdir() if path.is_file()}
    assert len(modes) == 1


def test_keeping_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="keep_last"):
        Checkpoints(Path("run"), keep_last=0, keep_best=1)
    with pytest.raises(ConfigError, match="keep_best"):
        Checkpoints(Path("run"), keep_last=1, keep_best=-1)
