"""How long a run is: the count before the first step is that of the loop, and a short run says so."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.batching import Batches
from nmt.training.length import MIN_USEFUL_UPDATES, count_updates, is_open, log_length
from nmt.training.settings import Stop, Training
from tests.training.fake_training import FakeTraining


@pytest.mark.usefixtures("unchecked_shapes")
def test_the_count_is_what_the_loop_does(tmp_path: Path) -> None:
    stop = Stop(epochs=2)
    trial = FakeTraining(tmp_path, "batching.tokens=200", stop=stop, accumulate=3)
    assert count_updates(stop, trial.batches.count(), 3) == trial.train().progress.step


def test_the_count_of_batches_is_no_matter_of_sampling(tmp_path: Path) -> None:
    trial = FakeTraining(tmp_path, "tokenizer.sampling=0.5", "batching.tokens=200")
    plain = [tokenizer.__class__(tokenizer.serialized) for tokenizer in trial.run.data.tokenizers]
    tokenizers = trial.run.data.tokenizers._replace(source=plain[0], target=plain[1])
    without = Batches(trial.batches.train, tokenizers, trial.batches.settings, seed=1)
    assert trial.batches.count() == len(without.make_epoch(0))


@given(st.integers(1, 99), st.integers(1, 99), st.integers(1, 9))
def test_the_first_limit_counts(steps: int, epochs: int, accumulate: int) -> None:
    both = count_updates(Stop(steps=steps, epochs=epochs), 7, accumulate)
    assert both == min(steps, epochs * -(-7 // accumulate))
    assert count_updates(Stop(minutes=1, patience=3), 7, accumulate) is None
    assert is_open(Stop(minutes=1, patience=3))
    assert not is_open(Stop(epochs=1))


EPOCHS = Stop(epochs=3)


def told(
    caplog: pytest.LogCaptureFixture, updates: int | None, warmup: int = 0, stop: Stop = EPOCHS, **marks: bool
) -> str:
    caplog.clear()
    with caplog.at_level(logging.INFO, "nmt.training.length"):
        log_length(
            Training(stop=stop), updates, 10, warmup, **{"embedded": False, "small": False, "decays": False, **marks}
        )
    return caplog.text


def test_a_short_run_says_so_and_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    assert "experiment=small" in told(caplog, MIN_USEFUL_UPDATES - 1)
    assert "training.stop.epochs" in told(caplog, MIN_USEFUL_UPDATES - 1)
    assert "embedded corpus" in told(caplog, MIN_USEFUL_UPDATES - 1, embedded=True)
    for long in (MIN_USEFUL_UPDATES, None):
        assert "experiment=small" not in told(caplog, long)
    assert "WARNING" in told(caplog, MIN_USEFUL_UPDATES, warmup=MIN_USEFUL_UPDATES)
    assert "WARNING" not in told(caplog, MIN_USEFUL_UPDATES, warmup=MIN_USEFUL_UPDATES - 1)


def test_what_is_so_already_is_not_advised(caplog: pytest.LogCaptureFixture) -> None:
    few = MIN_USEFUL_UPDATES - 1
    assert "for more, raise training.stop.epochs or lower batching.tokens." in told(caplog, few, small=True)
    assert "lower batching.tokens" not in told(caplog, few, stop=Stop(steps=few))  # which would make none more


def test_a_time_that_a_schedule_does_not_know_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    both, words = Stop(epochs=3, minutes=5), "falls until update 9000, and training.stop.minutes=5 may end"
    assert words in told(caplog, 9000, stop=both, decays=True)
    assert words not in told(caplog, 9000, stop=both)
    assert words not in told(caplog, 9000, decays=True)
