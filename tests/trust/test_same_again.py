"""The same command makes the same model, alone, again, and as one job of a comparison."""

import os
import subprocess
from pathlib import Path

import pytest

from nmt.cli import compare
from nmt.comparison import plan
from tests import tiny_runs
from tests.commands import ROOT, build_environment
from tests.commands import build_command_line as command
from tests.run_files import find_differences, read_run_files
from tests.trust.workers import build_words, run_process

SHORT = (*tiny_runs.RANDOM_OVERRIDES, "training.stop.steps=2", "training.validation.every_steps=2")


def test_the_same_command_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        # With data of its own: they too are made anew.
        found = run_process(tmp_path / name, "run", build_words(tmp_path / name, "run", *SHORT))
        assert found.status == 0, found.output
    assert find_differences(read_run_files(tmp_path / "one/run"), read_run_files(tmp_path / "two/run")) == []
    found = run_process(tmp_path / "one", "other", build_words(tmp_path / "one", "other", *SHORT, "seed=2"))
    assert "model.safetensors" in find_differences(
        read_run_files(tmp_path / "one/other"), read_run_files(tmp_path / "two/run")
    )


def test_a_planned_job_is_the_run_alone(tmp_path: Path) -> None:
    overrides = [
        *tiny_runs.BASE_OVERRIDES,
        *SHORT,
        "threads=1",
        f"cache={tmp_path / 'cache'}",
        "attention=luong_general,bahdanau",
    ]
    jobs = plan.plan_jobs(overrides, seeds=[3, 4], output=tmp_path / "all", at_once=2)
    (job,) = [job for job in jobs if (job.variant, job.seed) == ("attention=bahdanau", 4)]
    assert run_process(tmp_path, "job", job.overrides).status == 0
    alone = build_words(tmp_path, "alone", *SHORT, "attention=bahdanau", "seed=4")
    assert run_process(tmp_path, "alone", alone).status == 0
    assert find_differences(read_run_files(job.folder), read_run_files(tmp_path / "alone")) == []


@pytest.mark.slow
def test_whatever_order_python_gives_to_sets(tmp_path: Path) -> None:
    for number in ("1", "2"):
        home = tmp_path / number
        environ = {**build_environment(), "PYTHONHASHSEED": number}
        subprocess.run(
            command("train", *build_words(home, "run", *tiny_runs.RANDOM_OVERRIDES)),
            cwd=ROOT,
            env=environ,
            check=True,
            capture_output=True,
        )
    assert find_differences(read_run_files(tmp_path / "1/run"), read_run_files(tmp_path / "2/run")) == []


@pytest.mark.slow
def test_a_job_of_a_comparison_is_the_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
    overrides = [*tiny_runs.BASE_OVERRIDES, *tiny_runs.RANDOM_OVERRIDES, "threads=1", f"cache={tmp_path / 'cache'}"]
    settings = {"output": str(tmp_path / "all"), "seeds": [3, 4], "baseline": None, "jobs": 2}
    compare.run_task(settings, [*overrides, "attention=luong_general,bahdanau"], "nmt-compare")
    alone = build_words(tmp_path, "alone", *tiny_runs.RANDOM_OVERRIDES, "attention=bahdanau", "seed=4")
    assert run_process(tmp_path, "alone", alone).status == 0
    assert (
        find_differences(read_run_files(tmp_path / "all/attention=bahdanau/seed-4"), read_run_files(tmp_path / "alone"))
        == []
    )
