"""A run that is stopped anywhere, and started again in a fresh process, ends as if nothing had happened: to the byte.

That the random state, the place in the data, the schedule and the rest are all needed for that, and that leaving any of
them out is seen, is shown in tests/training/test_state.py.
"""

import functools
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.model.decoders.table import DECODERS
from tests import tiny_runs
from tests.run_files import find_differences, read_run_files
from tests.trust.conftest import RecordFigures
from tests.trust.worker import Blow
from tests.trust.workers import build_words, run_process

RHYTHM = (
    *("training.stop.steps=11", "training.validation.every_steps=3", "training.log_every=4"),
    *("probes.sentences=2", "probes.shortest=1", "probes.longest=99"),
)
EMA, LAST = ("average=ema", "average.decay=0.7"), ("average=last", "average.count=3")
PLATEAU = ("schedule=plateau", "schedule.patience=0", "schedule.threshold=100", "training.validation.metric=loss")
COSINE = ("schedule=cosine", "schedule.steps=9", "schedule.warmup_steps=3")

CASES: dict[str, tuple[str, ...]] = {
    "luong": ("model/decoder=luong", *EMA, *PLATEAU),
    "unfed": ("model/decoder=luong", "model.decoder.input_feeding=false", "attention/score=scaled_dot", *LAST, *COSINE),
    "bahdanau": ("model/decoder=bahdanau", "attention=bahdanau", "attention/normalizer=entmax15", *EMA, *COSINE),
    "conditional": ("model/decoder=conditional", "attention/scope=local_p", "tokenizer=unigram", *LAST, *PLATEAU),
    "transformer": (*tiny_runs.TRANSFORMER, *EMA, *COSINE),
    "heads": ("model/decoder=conditional", "attention.heads=2", "attention/normalizer=sparsemax", *EMA, "search=beam"),
    "snail": (*tiny_runs.SNAIL_DECODER, *LAST, *COSINE),
    "ntm": ("model/decoder=ntm", "attention=cosine", *EMA, *COSINE),
}

PLACES: dict[str, tuple[str, bool, int]] = {
    "between two batches of a step": ("nmt.training.objective:Objective.backward", True, 20),
    "after a step": ("nmt.training.loop:Loop._step", True, 11),
    "in a validation": ("nmt.evaluation.validation:Validator.compute_nll", False, 4),
    "in a search": ("nmt.translation.stepper:Stepper.__call__", True, 40),
    "after a validation": ("nmt.runs.training_run:TrainingRun.validate", True, 4),
    "after drawing": ("nmt.runs.heatmaps:draw_heatmap", True, 6),
    "while saving": ("nmt.training.state:TrainingState.save", False, 4),
    "after saving": ("nmt.storage.checkpoints:Checkpoints._prune", True, 4),
}
"""A function, whether the signal comes after it, and up to which call it surely comes."""


def stopped(home: Path, name: str, case: str, place: str, call: int) -> dict[str, object]:
    """What is left by a run that was stopped at a place and went on in another process."""
    function, after, _ = PLACES[place]
    chosen = build_words(home, name, *tiny_runs.RANDOM_OVERRIDES, *RHYTHM, *CASES[case])
    first = run_process(home, name, chosen, blow=Blow(function, call, signal.SIGTERM, after))
    assert first.find_fact("struck") == signal.SIGTERM, first.output
    if first.status != 0:  # after the last checkpoint only the scores are missing, and a signal then finds none to save
        assert first.shell_status == 143, first.output
    again = run_process(home, name, chosen)
    assert again.status == 0, again.output
    assert again.find_fact("litter") == []
    return read_run_files(home / name)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resumed")


@pytest.fixture(scope="module")
def whole(home: Path) -> Callable[[str], dict[str, object]]:
    """What each case leaves that nothing stops."""

    @functools.cache
    def of(case: str) -> dict[str, object]:
        name = f"{case}-whole"
        found = run_process(home, name, build_words(home, name, *tiny_runs.RANDOM_OVERRIDES, *RHYTHM, *CASES[case]))
        assert found.status == 0, found.output
        return read_run_files(home / name)

    return of


def test_every_decoder_is_among_them() -> None:
    named = [word.removeprefix("model/decoder=") for case in CASES.values() for word in case]
    assert DECODERS.keys() <= set(named)


@pytest.mark.parametrize(
    ("place", "call"),
    [("between two batches of a step", 8), pytest.param("in a search", 30, marks=pytest.mark.slow)],
)
def test_a_stopped_run_goes_on_exactly(
    place: str, call: int, home: Path, whole: Callable[[str], dict[str, object]]
) -> None:
    wanted = whole("luong")
    assert len(wanted["steps"]) == 4  # type: ignore[arg-type]
    assert find_differences(stopped(home, place, "luong", place, call), wanted) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("case", CASES)
def test_a_run_stopped_at_a_random_point_goes_on_exactly(
    case: str, number: int, home: Path, whole: Callable[[str], dict[str, object]], measured: RecordFigures
) -> None:
    draw = random.Random(f"{case} {number}")
    place = [*PLACES][number] if number < len(PLACES) else draw.choice([*PLACES])
    call = draw.randint(1 + (place == "between two batches of a step"), PLACES[place][2])
    assert find_differences(stopped(home, f"{case}-{number}", case, place, call), whole(case)) == [], (
        f"{place}, call {call}"
    )
    measured("1 exact resume", {"stops after which the bytes are the same": 1})
