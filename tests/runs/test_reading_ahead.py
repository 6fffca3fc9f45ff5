"""A warning where monotonic attention is in a model that has read the whole sentence."""

import logging

import pytest

from nmt.runs.reading_ahead import warn_reading_ahead
from tests import tiny_runs

ONE_WAY = ("model.encoder.bidirectional=false", "model/bridge=zero")
SPEAKS, SILENT = "attention/normalizer=monotonic", "attention=luong_general"


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        ((SILENT,), []),
        ((SPEAKS, *ONE_WAY), []),
        (("attention=milk", *ONE_WAY), []),
        ((SPEAKS,), [SPEAKS, "an encoder of two directions", "model/bridge=dense"]),
        (("attention=mocha", ONE_WAY[0]), ["attention/scope=monotonic", "model/bridge=dense"]),
        ((SPEAKS, ONE_WAY[1]), ["an encoder of two directions"]),
        ((SPEAKS, "model=transformer"), ["self-attention of scope global"]),
        ((SPEAKS, "model=transformer", "model.encoder.self_attention.scope.name=causal"), []),
        ((SPEAKS, "model/encoder=cascade", *ONE_WAY), ["self-attention of scope global"]),
    ],
    ids=str,
)
def test_what_has_read_ahead_is_named(
    overrides: tuple[str, ...], wanted: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        warn_reading_ahead(tiny_runs.compose_config(*overrides))
    assert bool(caplog.messages) == bool(wanted)
    every = ["an encoder of two directions", "self-attention of scope", "model/bridge="]
    for message in caplog.messages:
        assert all(each in message for each in wanted)
        assert sum(each in message for each in every) == len([each for each in wanted if "attention/" not in each])
