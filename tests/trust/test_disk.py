"""A disk that fails at any one call: what was saved before stays, and the error says where, and what to do."""

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.errors import CheckpointError
from nmt.evaluation.validation import ValidationResult
from nmt.runs import run_folder
from nmt.runs.training_run import run
from nmt.storage.checkpoints import Checkpoints
from nmt.storage.files import format_json, load_tensors, write_atomically
from nmt.training.average import EmaWeights
from nmt.training.metrics_logger import MetricsLogger
from nmt.training.schedule import Constant
from nmt.training.state import TrainingProgress, TrainingState
from tests import tiny_runs
from tests.run_files import find_differences, read_run_files
from tests.trust.conftest import RecordFigures
from tests.trust.disk import ERRORS, Disk, Strike, fail_at

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

SETTINGS: dict[str, Any] = {"resume": "auto", "seed": 1}
REPORT = ValidationResult({"loss": 2.0, "bleu": 1.0}, {}, ["ein Satz"], [])


@pytest.fixture(autouse=True)
def _no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "find_commit", lambda: None)  # a process of its own for each of hundreds of runs


def a_state() -> TrainingState:
    torch.manual_seed(3)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return TrainingState(model, optimizer, Constant(), EmaWeights(model, decay=0.5), TrainingProgress())


def begun(folder: Path) -> Checkpoints:
    run_folder.initialize(folder, SETTINGS, "nmt-train")
    return Checkpoints(folder / "checkpoints", keep_last=1, keep_best=0)


def saved(folder: Path, checkpoints: Checkpoints, *steps: int) -> None:
    """What a run writes between its start and its end, as far as training goes."""
    state = a_state()
    save = run_folder.make_checkpoint_writer(
        checkpoints, state, {"config.json": b"{}"}, lambda report: state.progress.step, bool
    )
    journal = MetricsLogger(folder, step=state.progress.step, validated=0)
    for step in steps:
        state.progress.step = step
        journal.record({"kind": "train", "step": step, "loss": 1.0})
        save(REPORT)
    journal.close()
    write_atomically(folder / "scores.json", format_json({"test": []}))


def on_a_failing_disk(home: Path, at: int, number: int) -> tuple[Path, list[str], str]:
    """One checkpoint, then all that a second start writes, with one call failing; what was done and what was said."""
    folder = home / f"{errno.errorcode[number]}-{at}"
    saved(folder, begun(folder), 1)
    disk = Disk(folder, fail_at(at, number))
    told = ""
    with pytest.MonkeyPatch.context() as patch:
        disk.install(patch)
        try:
            saved(folder, begun(folder), 1, 2)  # the first again, which replaces one, and then one that pushes it out
        except CheckpointError as problem:
            told = str(problem)
    return folder, disk.calls, told


def judge(folder: Path, told: str, number: int) -> None:
    checkpoints = Checkpoints(folder / "checkpoints", keep_last=1, keep_best=0)
    checkpoints.recover()
    newest = checkpoints.find_newest()
    assert newest is not None
    a_state().load(newest)
    assert load_tensors(newest / "model.safetensors").keys() == {"weight", "bias"}
    if told:
        assert str(folder) in told
        assert "MiB are free there" in told
        assert "No space left" in told or "Input/output" in told
        assert "earlier checkpoints are as they were" in told
    else:
        assert newest.name == "step-000002"


def test_whatever_call_fails_the_earlier_checkpoint_stays_and_the_path_is_named(tmp_path: Path) -> None:
    _, calls, told = on_a_failing_disk(tmp_path, 10**9, errno.EIO)
    assert told == ""
    deeds = {call.split()[0] for call in calls}
    assert {"write", "fsync", "rename", "replace", "mkdir", "symlink", "unlink", "open"} <= deeds
    failed = 0
    for at in range(len(calls)):
        number = ERRORS[at % 2]
        folder, _, told = on_a_failing_disk(tmp_path, at, number)
        judge(folder, told, number)
        failed += bool(told)
        shutil.rmtree(folder)
    assert failed > 0.8 * len(calls)


def test_a_run_that_made_room_first_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Checkpoints.write

    def careless(checkpoints: Checkpoints, step: int, value: float | None = None) -> Any:
        for _, folder in checkpoints._list_folders():
            shutil.rmtree(folder)
        return write(checkpoints, step, value)

    monkeypatch.setattr(Checkpoints, "write", careless)
    _, calls, _ = on_a_failing_disk(tmp_path, 10**9, errno.EIO)
    at = next(number for number, call in enumerate(calls) if call.endswith(".writing-step-000001/MANIFEST.json"))
    folder, _, told = on_a_failing_disk(tmp_path, at, errno.EIO)
    with pytest.raises(AssertionError):
        judge(folder, told, errno.EIO)


PICTURES = ("probes.sentences=1", "probes.shortest=1", "probes.longest=99")
WHOLE = (*tiny_runs.RANDOM_OVERRIDES, *PICTURES, "average=last", "average.count=2")
PARTS = 10


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, `whole`, and the first half of it, `base`."""
    home = tmp_path_factory.mktemp("failing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_folder, "find_commit", lambda: None)
        run(tiny_runs.build_settings(home / "whole", *WHOLE), home / "whole")
        run(tiny_runs.build_settings(home / "base", *WHOLE, "training.stop.steps=4"), home / "base")
    return home


def second_half(home: Path, name: str, strike: Strike | None = None) -> tuple[list[str], str]:
    """What the second half of a run does on such a disk, and the error that ends it; empty if none does."""
    folder = home / name
    shutil.copytree(home / "base", folder, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(folder, strike).install(patch)
        try:
            run(tiny_runs.build_settings(folder, *WHOLE), folder)
        except CheckpointError as problem:
            return disk.calls, str(problem)
    return disk.calls, ""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.__getitem__)
def test_a_whole_run_outlives_any_failing_call(number: int, part: int, home: Path, measured: RecordFigures) -> None:
    calls, told = second_half(home, f"counted-{number}-{part}")
    assert told == ""
    ended = 0
    for at in range(part, len(calls), PARTS):
        name = f"failed-{number}-{at}"
        folder = home / name
        _, told = second_half(home, name, fail_at(at, number))
        if told:
            ended += 1
            assert str(folder) in told
            assert "MiB are free there" in told
        checkpoints = Checkpoints(folder / "checkpoints", keep_last=1, keep_best=1)
        checkpoints.recover()
        assert checkpoints.find_newest() is not None
        if at % 7 == 0:
            run(tiny_runs.build_settings(folder, *WHOLE), folder)
            assert find_differences(read_run_files(folder), read_run_files(home / "whole")) == [], calls[at]
        shutil.rmtree(folder)
    failed = len(range(part, len(calls), PARTS))
    measured("3 a failing disk", {f"calls that failed with {errno.errorcode[number]}": failed, "runs ended": ended})
