"""Settings of training: what cannot be meant is an error before anything is built."""

from collections.abc import Callable
from typing import Any

import pytest

from nmt.errors import ConfigError
from nmt.training.averaging import AVERAGES, BestCheckpoints, ExponentialMovingAverage, LastCheckpoints, NoAverage
from nmt.training.settings import Retention, Stop, Training, Validation

NAN = float("nan")


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Stop(), "never end"),
        *((lambda n=name: Stop(**{n: 0}), f"stop.{name}") for name in ("steps", "epochs", "patience")),
        (lambda: Stop(minutes=0.0), "stop.minutes"),
        (lambda: Stop(steps=3, minutes=-1.0), "stop.minutes"),
        (lambda: Stop(minutes=NAN), "stop.minutes"),
        (lambda: Validation(every_steps=2, every_epochs=1), "every_steps=2, every_epochs=1"),
        (lambda: Validation(every_steps=0), "every_steps=0, every_epochs=null"),
        (lambda: Validation(every_epochs=-1), "every_epochs=-1"),
        (lambda: Validation(sentences=0), "validation.sentences"),
        (lambda: Retention(last=0), "training.keep"),
        (lambda: Retention(best=-1), "training.keep"),
        (lambda: Training(label_smoothing=1.0), "label_smoothing"),
        (lambda: Training(label_smoothing=-0.1), "label_smoothing"),
        (lambda: Training(label_smoothing=NAN), "label_smoothing"),
        (lambda: Training(clip_norm=0.0), "clip_norm"),
        (lambda: Training(clip_norm=NAN), "clip_norm"),
        (lambda: Training(accumulate=0), "training.accumulate"),
        (lambda: Training(log_every=0), "training.log_every"),
        (lambda: ExponentialMovingAverage(decay=1.0), "average.decay"),
        (lambda: ExponentialMovingAverage(decay=NAN), "average.decay"),
        (lambda: LastCheckpoints(count=0), "average.count"),
        (lambda: BestCheckpoints(count=-2), "average.count"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(make: Callable[[], Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make()


def test_what_is_at_the_edge_is_allowed() -> None:
    assert Stop(minutes=0.01).steps is None
    assert Retention(last=1, best=0).best == 0
    assert Training(label_smoothing=0.0, clip_norm=None, accumulate=1).stop == Stop(epochs=20)
    assert ExponentialMovingAverage(decay=0.0).decay == 0.0
    assert Validation(every_steps=1, sentences=1).metric == "bleu"


def test_every_average_is_in_the_table() -> None:
    assert set(AVERAGES.values()) == {NoAverage, ExponentialMovingAverage, LastCheckpoints, BestCheckpoints}
