"""Training computes what version 0.1 computed: the loss of every step. losses.json is a golden file: see README.md."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest

from nmt.kernels.switch import KERNELS, Kernel, disable_kernels
from tests.golden.record_losses import COMMON, RUNS, STEPS, load, train
from tests.synthetic_light import lighten

RECORD = load(Path(__file__).with_name("losses.json"))

TOLERANCE = 1e-4
"""Of a loss, relative. Another processor sums in another order, and training makes that larger from step to step."""

TOLERANCES = {"scaled_dot bahdanau": 1e-3}
"""Of runs in which the order of sums shows more: this one is within 1e-4 for 80 steps, and within 5e-4 for 100."""

QUICK = ("bahdanau luong", "luong_local_p conditional", "multi_head unfed", "sparsemax bahdanau")
"""Every decoder, with scores, scopes, normalizers and heads that differ."""

QUICK_STEPS, QUICK_TOLERANCE = 10, 1e-6
"""Weights are small at first, attention is nearly uniform, and all attentions give nearly the same loss."""


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch, unchecked_shapes: None) -> None:
    lighten(monkeypatch)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def wanted(name: str) -> list[float]:
    """The recorded losses of a run."""
    losses: list[float] = RECORD["runs"][name]["losses"]
    return losses


def test_the_record_is_of_version_0_1_and_of_these_settings() -> None:
    assert RECORD["about"]["commit"].startswith("57e1f4f")
    assert RECORD["about"]["settings"] == list(COMMON)
    assert {name: run["settings"] for name, run in RECORD["runs"].items()} == {
        name: list(words) for name, words in RUNS.items()
    }
    assert {len(wanted(name)) for name in RUNS} == {STEPS}


@pytest.mark.parametrize("disabled", [(), KERNELS], ids=["auto", "reference"])
def test_the_first_losses_are_those_of_version_0_1(disabled: Sequence[Kernel], tmp_path: Path, cache: Path) -> None:
    """One test for all, because making their text takes longer than they do."""
    with disable_kernels(*disabled):
        found = {name: train(name, tmp_path / name, cache=cache, steps=QUICK_STEPS) for name in QUICK}
    before = {name: wanted(name)[:QUICK_STEPS] for name in QUICK}
    assert [name for name in QUICK if found[name] != pytest.approx(before[name], rel=QUICK_TOLERANCE)] == []


def test_the_losses_tell_any_two_runs_apart() -> None:
    """By more than twice what is tolerated, so that no run passes for another; those in QUICK in their few steps."""
    for one, other in combinations(RUNS, 2):
        assert wanted(one) != pytest.approx(wanted(other), rel=2 * TOLERANCE), (one, other)
    for one in QUICK:
        for other in RUNS.keys() - {one}:
            first = wanted(other)[:QUICK_STEPS]
            assert wanted(one)[:QUICK_STEPS] != pytest.approx(first, rel=2 * QUICK_TOLERANCE), (one, other)


@pytest.mark.slow
@pytest.mark.parametrize("disabled", [(), KERNELS], ids=["auto", "reference"])
@pytest.mark.parametrize("name", RUNS)
def test_all_losses_are_those_of_version_0_1(
    name: str, disabled: Sequence[Kernel], tmp_path: Path, cache: Path
) -> None:
    with disable_kernels(*disabled):
        assert train(name, tmp_path / "run", cache=cache) == pytest.approx(
            wanted(name), rel=TOLERANCES.get(name, TOLERANCE)
        )
