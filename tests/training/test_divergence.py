"""Loss above that of guessing: when a person is told, what a run does about it, and that a resume loses none of it."""

import logging
import math
import re
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from nmt.cli import train
from nmt.kernels.cross_entropy import vocabulary_loss
from nmt.model.cells import CELLS
from nmt.runs.outcome import RunResult, read_run_result
from nmt.runs.training_run import run
from nmt.storage.files import read_json, write_json
from nmt.training import divergence
from nmt.training.divergence import INITIAL_MARGIN, INITIAL_STEPS, Excess, compute_cost_limit, compute_guess_cost
from nmt.training.loop import Loop
from nmt.training.settings import Stop, Validation
from tests import tiny_runs
from tests.builders import RECURRENT_DECODERS, Plan, build_seq2seq, compute_logits, draw_normal
from tests.synthetic_light import lighten
from tests.training.fake_training import FakeTraining, make_report

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

PERIOD = 3
STEPS = 3 * PERIOD


@pytest.fixture(autouse=True)
def _short_periods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(divergence, "PERIOD", PERIOD)
    monkeypatch.setattr(divergence, "WARNING_STEPS", 2 * PERIOD)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_a_uniform_guess_costs_as_much_with_smoothing_as_without(smoothing: float) -> None:
    wanted = torch.tensor([3, 1, 16, 5, 2])
    found = vocabulary_loss(draw_normal(5, 7), torch.zeros(17, 7), torch.zeros(17), wanted, smoothing)
    torch.testing.assert_close(found.nll, found.objective)
    assert float(found.nll) / 5 == pytest.approx(compute_guess_cost(17))
    assert float(F.cross_entropy(torch.zeros(5, 17), wanted)) == pytest.approx(compute_guess_cost(17))


@given(costs=st.lists(st.sampled_from([1.0, 9.0, 1e300]), max_size=6 * PERIOD), words=st.integers(1, 50))
def test_an_excess_is_the_periods_in_a_row_whose_mean_is_above_the_limit(costs: list[float], words: int) -> None:
    excess, told, row = Excess(), 0, 0
    for cost in costs:
        told += excess.add(cost * words, words, limit=4.0)
    expected_told = 0
    for start in range(0, len(costs) - PERIOD + 1, PERIOD):
        is_above = sum(costs[start : start + PERIOD]) / PERIOD > 4.0
        row = row + PERIOD if is_above else 0
        expected_told += row == 2 * PERIOD
    assert excess.steps == row
    assert told == expected_told
    assert excess.is_divergence == (row >= 2 * PERIOD)


def test_an_untrained_model_is_given_time() -> None:
    early, late = (compute_cost_limit(step, vocabulary=50, warmup=0) for step in (INITIAL_STEPS, INITIAL_STEPS + 1))
    assert early - INITIAL_MARGIN == pytest.approx(math.log(50))
    assert late == math.log(50)
    assert compute_cost_limit(3999, vocabulary=50, warmup=4000) == early
    assert compute_cost_limit(4001, vocabulary=50, warmup=4000) == late


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("decoder", RECURRENT_DECODERS)
def test_no_untrained_model_costs_as_much_as_one_that_diverges(decoder: str, cell: str) -> None:
    model = build_seq2seq(Plan(decoder, cell), tied="all", embedding_size=30)
    torch.nn.init.normal_(model.source.embedding.table.weight, std=30**-0.5)
    words = torch.randint(4, 19, (40, 11), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = compute_logits(model, words, torch.full((40,), 11), words)
        loss = F.cross_entropy(logits.flatten(0, 1), words.flatten())
    assert float(loss) < compute_cost_limit(1, vocabulary=logits.shape[-1], warmup=0)


def cost(monkeypatch: pytest.MonkeyPatch, trial: FakeTraining, value: float) -> None:
    """Makes every step of a trial seem to cost `value` nats per token."""
    warn = Loop._warn_if_diverging
    monkeypatch.setattr(Loop, "_warn_if_diverging", lambda loop, nll, words: warn(loop, value * words, words))


def test_a_run_that_diverges_says_so_once_with_what_to_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trial = FakeTraining(tmp_path, "optimizer.learning_rate=9.5", stop=Stop(steps=STEPS + PERIOD), clip_norm=None)
    with caplog.at_level(logging.WARNING, "nmt"):
        trial.train()
    warnings = [record.getMessage() for record in caplog.records if "guessing" in record.getMessage()]
    assert len(warnings) == 1
    guess = compute_guess_cost(trial.run.model.head.vocabulary_size)
    assert f"guessing costs {guess:.4g}" in warnings[0]
    assert re.search(r"^step 6: .* for 6 steps", warnings[0])
    for way_out in ("optimizer.learning_rate, now 9.5", "training.clip_norm, now null", "schedule.warmup_steps"):
        assert way_out in warnings[0]
    assert trial.reason == f"steps ({STEPS + PERIOD})"
    assert trial.state.excess.is_divergence


def test_a_run_that_learns_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trial = FakeTraining(tmp_path, stop=Stop(steps=STEPS, divergence=PERIOD))
    with caplog.at_level(logging.WARNING, "nmt"):
        trial.train()
    assert trial.reason == f"steps ({STEPS})"
    assert "guessing" not in caplog.text
    assert trial.state.excess.steps == 0


@pytest.mark.parametrize(("limit", "step"), [(1, PERIOD), (PERIOD, PERIOD), (PERIOD + 1, 2 * PERIOD)])
def test_a_run_can_end_when_it_diverges(limit: int, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = FakeTraining(tmp_path, stop=Stop(steps=STEPS, divergence=limit))
    cost(monkeypatch, trial, 1e4)
    assert trial.train().reason == f"divergence ({limit})"
    assert trial.progress.step == step
    assert trial.saves == [(step, True)]


def test_a_resume_goes_on_counting_and_older_checkpoints_can_be_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = FakeTraining(tmp_path / "first", stop=Stop(steps=STEPS))
    cost(monkeypatch, first, 50.0)
    first.train(lambda: first.progress.step >= PERIOD + 2)
    first.state.save(tmp_path)
    again = FakeTraining(tmp_path / "again", stop=Stop(steps=STEPS))
    again.state.load(tmp_path)
    assert asdict(again.state.excess) == asdict(first.state.excess)
    assert again.state.excess.updates == 2
    with caplog.at_level(logging.WARNING, "nmt"):
        again.train()
    assert [record.getMessage()[:7] for record in caplog.records if "guessing" in record.getMessage()] == ["step 6:"]
    rest = read_json(tmp_path / "state.json")
    del rest["excess"]
    write_json(tmp_path / "state.json", rest)
    again.state.load(tmp_path)
    assert again.state.excess == Excess()


@pytest.mark.parametrize(
    ("loss", "remark"),
    [
        (1.0, "(best so far)"),
        (2000.0, "(best so far, but the loss is above that of a guess: guessing costs"),
        (math.nan, "(best so far, but no finite loss)"),
        (math.inf, "(best so far, but no finite loss)"),
    ],
)
def test_a_validation_above_guessing_is_never_the_best_in_silence(
    loss: float, remark: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trial = FakeTraining(tmp_path, stop=Stop(steps=1), validation=Validation(every_steps=1))
    trial.validate = lambda: make_report(0.0, loss)  # type: ignore[method-assign]
    with caplog.at_level(logging.INFO, "nmt"):
        trial.train()
    assert remark in caplog.text


def test_a_finished_run_says_it_whenever_it_is_started_again(tmp_path: Path) -> None:
    settings = tiny_runs.build_settings(tmp_path / "run", "training.stop.steps=2", "search.max_ratio=0.1")
    first = run(settings, tmp_path / "run")
    assert first.divergence == ""
    scores = tmp_path / "run" / "scores.json"
    write_json(scores, {**read_json(scores), "divergence": "the loss is high"})
    again = read_run_result(tmp_path / "run", settings)
    assert again is not None
    assert again.divergence == "the loss is high"
    write_json(scores, {key: value for key, value in read_json(scores).items() if key != "divergence"})
    older = read_run_result(tmp_path / "run", settings)
    assert older is not None
    assert older.divergence == ""


def test_the_end_of_a_run_says_it_again() -> None:
    outcome = RunResult(
        Path("out"), "steps (60)", [], {}, divergence="the training loss has been above that of guessing"
    )
    assert "diverged         the training loss has been above that of guessing" in train.format_outcome(outcome).split(
        "\n"
    )
    assert "diverged" not in train.format_outcome(outcome._replace(divergence=""))


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    lighten(monkeypatch)
