"""SIGINT, SIGTERM and SIGUSR1 in any phase: what there is to save is saved, and the process is gone soon."""

import shutil
import signal
from pathlib import Path

import pytest

from nmt.storage.checkpoints import Checkpoints
from nmt.storage.files import read_json
from nmt.training.interruption import Interruption, TrainingInterrupt, handle_signals
from nmt.training.metrics_logger import read_rows
from tests.trust.conftest import RecordFigures
from tests.trust.worker import Blow
from tests.trust.workers import ProcessResult, build_words, run_process

PHASES: dict[str, tuple[str, int]] = {
    "preparing data": ("nmt.data.prepare:build_training_pairs", 1),
    "training": ("nmt.training.objective:Objective.backward", 4),
    "validating": ("nmt.evaluation.validation:Validator.compute_nll", 1),
    "searching": ("nmt.translation.stepper:Stepper.__call__", 3),
    "drawing": ("nmt.runs.heatmaps:draw_heatmap", 1),
    "saving": ("nmt.storage.manifest:seal", 1),
}
"""A function that a phase calls, and the call at which to strike first."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
SECONDS = 10
RHYTHM = (
    *("training.stop.steps=6", "training.validation.every_steps=3", "training.log_every=1"),
    *("probes.sentences=4", "probes.shortest=1", "probes.longest=99"),
)
"""One picture more than a test strikes at: while the last is drawn, nothing is left that could be left out."""
REFERENCE = ("experiment=quickstart", "data.train=4000", *RHYTHM, "device=cpu")


def struck(
    home: Path, chosen: list[str], phase: str, number: int, later: int = 0, careless: str | None = None
) -> ProcessResult:
    """A run that a signal hit in a phase; raises AssertionError if it did not end as it should."""
    function, call = PHASES[phase]
    name = next(Path(word).name for word in chosen if word.startswith("output="))
    found = run_process(home, name, chosen, blow=Blow(function, call + later, number), careless=careless)
    assert found.find_fact("struck") == number, found.output
    assert found.shell_status == 128 + number, found.output
    checkpoints = home / name / "checkpoints"
    newest = Checkpoints(checkpoints, keep_last=1, keep_best=1).find_newest()
    if phase == "preparing data":
        assert not checkpoints.exists()
        return found
    assert newest is not None
    trained = max(row["step"] for row in read_rows(home / name / "metrics.jsonl") if row["kind"] == "train")
    assert newest.name == f"step-{trained:06d}"
    assert "the same command goes on from here" in found.output
    validated = read_json(newest / "state.json")["progress"]["validated"] == trained
    assert validated == (newest / "validation.json").exists() == (phase == "saving"), "it was to be left at once"
    return found


@pytest.mark.parametrize(("phase", "number"), [("drawing", SIGNALS[1]), ("searching", SIGNALS[2])])
def test_a_signal_is_answered_in_a_phase(phase: str, number: int, tmp_path: Path) -> None:
    struck(tmp_path, build_words(tmp_path, "run", *RHYTHM), phase, number)


def test_one_that_is_not_heeded_would_be_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        struck(tmp_path, build_words(tmp_path, "run", *RHYTHM), "searching", signal.SIGTERM, careless="heed")


def test_a_second_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    chosen = build_words(tmp_path, "run", "training.accumulate=2", *RHYTHM)
    blow = Blow("nmt.training.objective:Objective.backward", 4, signal.SIGINT, again=signal.SIGINT)
    found = run_process(tmp_path, "run", chosen, blow=blow)
    assert found.status == -signal.SIGINT
    assert not list((tmp_path / "run" / "checkpoints").glob("step-*"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signals")


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("turn", range(10))
def test_sixty_signals_on_a_real_model(turn: int, phase: str, home: Path, measured: RecordFigures) -> None:
    name = f"{phase.replace(' ', '-')}-{turn}"
    cache = name if phase == "preparing data" else "cache"
    chosen = [*REFERENCE, f"output={home / name}", f"cache={home / cache}", "threads=1"]
    later = {"training": turn % 3, "searching": 7 * turn, "drawing": turn % 3}.get(phase, 0)
    number = SIGNALS[(turn + [*PHASES].index(phase)) % 3]
    found = struck(home, chosen, phase, number, later)
    cpu, wall = found.cpu - found.find_fact("cpu"), found.end_time - found.find_fact("at")
    assert wall < SECONDS
    measured("5 signals", {"signals": 1, "most seconds to be gone": wall, "most of CPU time": cpu})
    for folder in {name, cache} - {"cache"}:
        shutil.rmtree(home / folder)


def test_only_what_was_noted_is_heeded_and_other_handlers_come_back(capfd: pytest.CaptureFixture[str]) -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    interruption = Interruption()
    interruption.raise_if_interrupted()
    with pytest.raises(TrainingInterrupt), interruption.defer_signals():
        signal.raise_signal(signal.SIGTERM)
        assert capfd.readouterr().err.strip().startswith("SIGTERM: the run ends as soon as")
        signal.raise_signal(signal.SIGUSR1)
        assert interruption.signal_number == signal.SIGTERM
    assert not capfd.readouterr().err
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


def test_what_was_to_be_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with handle_signals(signal.SIG_DFL):
            assert signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR1, before)
