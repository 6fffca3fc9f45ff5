"""The same command makes the same model, alone, again, and as one job of a comparison."""

import os
import subprocess
from pathlib import Path

import pytest

from nmt.cli import compare
from nmt.comparison import plan
from tests import tiny_runs
from tests.commands import ROOT, environment
from tests.commands import words as command
from tests.run_files import differing, left
from tests.trust.workers import done, words

SHORT = (*tiny_runs.RESTLESS, "training.stop.steps=2", "training.validation.every_steps=2")


def test_the_same_command_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        # With data of its own: they too are made anew.
        found = done(tmp_path / name, "run", words(tmp_path / name, "run", *SHORT))
        assert found.status == 0, found.said
    assert differing(left(tmp_path / "one/run"), left(tmp_path / "two/run")) == []
    found = done(tmp_path / "one", "other", words(tmp_path / "one", "other", *SHORT, "seed=2"))
    assert "model.safetensors" in differing(left(tmp_path / "one/other"), left(tmp_path / "two/run"))


def test_a_planned_job_is_the_run_alone(tmp_path: Path) -> None:
    overrides = [
        *tiny_runs.SMALL,
        *SHORT,
        "threads=1",
        f"cache={tmp_path / 'cache'}",
        "attention=luong_general,bahdanau",
    ]
    jobs = plan.plan(overrides, seeds=[3, 4], output=tmp_path / "all", at_once=2)
    (job,) = [job for job in jobs if (job.variant, job.seed) == ("attention=bahdanau", 4)]
    assert done(tmp_path, "job", job.overrides).status == 0
    alone = words(tmp_path, "alone", *SHORT, "attention=bahdanau", "seed=4")
    assert done(tmp_path, "alone", alone).status == 0
    assert differing(left(job.folder), left(tmp_path / "alone")) == []


@pytest.mark.slow
def test_whatever_order_python_gives_to_sets(tmp_path: Path) -> None:
    for number in ("1", "2"):
        home = tmp_path / number
        environ = {**environment(), "PYTHONHASHSEED": number}
        subprocess.run(
            command("train", *words(home, "run", *tiny_runs.RESTLESS)),
            cwd=ROOT,
            env=environ,
            check=True,
            capture_output=True,
        )
    assert differing(left(tmp_path / "1/run"), left(tmp_path / "2/run")) == []


@pytest.mark.slow
def test_a_job_of_a_comparison_is_the_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
    overrides = [*tiny_runs.SMALL, *tiny_runs.RESTLESS, "threads=1", f"cache={tmp_path / 'cache'}"]
    settings = {"output": str(tmp_path / "all"), "seeds": [3, 4], "baseline": None, "jobs": 2}
    compare.task(settings, [*overrides, "attention=luong_general,bahdanau"], "nmt-compare")
    alone = words(tmp_path, "alone", *tiny_runs.RESTLESS, "attention=bahdanau", "seed=4")
    assert done(tmp_path, "alone", alone).status == 0
    assert differing(left(tmp_path / "all/attention=bahdanau/seed-4"), left(tmp_path / "alone")) == []
