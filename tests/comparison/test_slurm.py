"""The launcher of a cluster, with submitit's own stand-in for one: processes that it starts, signals and waits for."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from nmt.cli import compare
from nmt.comparison import local, plan
from nmt.comparison import slurm as cluster
from nmt.comparison.launchers import LAUNCHER, LAUNCHERS, Launcher
from nmt.config import build_variant
from nmt.errors import ConfigError
from tests import tiny_runs
from tests.cli.signal_process import SAVING_PROGRAM, needs_submitit, send_signal_when_ready, wait_until
from tests.commands import CRASHING_TRAIN


def make_launcher(folder: Path, **settings: Any) -> dict[str, Any]:
    return {"name": "submitit", "folder": str(folder / "submitit"), "cluster": "local", **settings}


def make_settings(folder: Path, **settings: Any) -> dict[str, Any]:
    output = folder / "out"
    return {
        **{"output": str(output), "seeds": 1, "baseline": None, "jobs": 2},
        **{"launcher": make_launcher(output), **settings},
    }


def make_overrides(folder: Path, *more: str) -> list[str]:
    return [*tiny_runs.BASE_OVERRIDES, f"cache={folder / 'cache'}", *more]


# Without a cluster, or the package -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAUNCHERS)
def test_launchers_are_alike(tmp_path: Path, name: str) -> None:
    made = build_variant(LAUNCHER, {"name": name, **({"folder": str(tmp_path)} if name == "submitit" else {})})
    assert isinstance(made, Launcher)
    assert made.work([], at_once=1) == 0


@pytest.mark.parametrize("wrong", [{"minutes": 0}, {"cpus": 0}, {"memory_gb": 0.0}, {"gpus": -1}, {"restarts": -1}])
def test_what_no_machine_can_give_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"launcher.{name} must be"):
        cluster.SlurmLauncher(folder=str(tmp_path), **wrong)


def test_a_missing_package_and_a_missing_cluster_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found: list[object] = [None, object()]
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: found.pop(0))
    with pytest.raises(ConfigError, match=r"pip install 'submitit>=1.5.2'"):
        cluster.SlurmLauncher(folder="x").check()
    with pytest.raises(ConfigError, match="no srun is on the PATH"):
        cluster.SlurmLauncher(folder="x").check()


def test_runs_on_another_machine_have_its_processors_and_devices(tmp_path: Path) -> None:
    (job,) = plan.plan_jobs(["device=cuda"], seeds=[1], output=tmp_path, at_once=9, cpus=3)
    assert (job.settings["threads"], job.overrides[-1]) == (3, "threads=3")
    (job,) = plan.plan_jobs(["threads=5"], seeds=[1], output=tmp_path, at_once=9, cpus=3)
    assert job.settings["threads"] == 5


# What is handed over -------------------------------------------------------------------------------------------------


@needs_submitit
def test_the_cluster_is_asked_for_what_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """submitit writes what it would give to sbatch; a program of that name keeps it, and answers as SLURM would."""
    kept = tmp_path / "kept"
    for name, code in (("srun", ""), ("sbatch", f"cat $1 > '{kept}'; echo Submitted batch job 12"), ("sacct", "")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    asked = {"minutes": 61, "cpus": 3, "memory_gb": 7.0, "gpus": 1, "options": {"account": "mine"}, "partition": "long"}
    slurm = cluster.SlurmLauncher(folder=str(tmp_path / "submitit"), cluster="slurm", restarts=2, **asked)
    slurm.check()
    planned = plan.plan_jobs(["optimizer=adam,adamw"], seeds=[1], output=tmp_path / "out", at_once=1, cpus=3)
    tickets = slurm.submit(local.number_jobs(planned), 1)
    assert [ticket.job_id for ticket in tickets] == ["12_0", "12_1"]
    script = kept.read_text()
    for line in (
        "array=0-1%1",
        "time=61",
        "cpus-per-task=3",
        "mem=7GB",
        "gpus-per-node=1",
        "account=mine",
        "signal=USR2@90",
    ):
        assert f"#SBATCH --{line}\n" in script
    assert "#SBATCH --partition=long\n" in script
    assert f"{sys.executable} -P -u -m submitit.core._submit {tmp_path / 'submitit'}\n" in script
    delayed = tickets[1].submission()
    assert delayed.function.words == local.build_command(planned[1])
    assert (delayed._timeout_min, delayed._timeout_countdown) == (61, 2)

    short = cluster.SlurmLauncher(folder=str(tmp_path / "submitit"), minutes=2)
    short.submit(local.number_jobs(planned), 1)
    assert "#SBATCH --signal=USR2@30\n" in kept.read_text(), "a short job would be warned when it begins"

    (tmp_path / "sbatch").write_text("#!/bin/sh\necho 'invalid partition specified: long' >&2\nexit 1\n")
    with pytest.raises(ConfigError, match=r"did not take the runs: .*invalid partition"):
        slurm.submit(local.number_jobs(planned), 1)


# From end to end -----------------------------------------------------------------------------------------------------


def replace_train(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Runs `code` in place of nmt-train."""
    for module in (local, cluster):
        monkeypatch.setattr(module, "build_command", lambda job: [sys.executable, "-c", code, *job.overrides])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.05)


@needs_submitit
@pytest.mark.usefixtures("quick")
def test_a_failed_job_leaves_its_traceback_and_a_mark_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    noted = tmp_path / "noted"
    replace_train(monkeypatch, CRASHING_TRAIN.format(noted=str(noted)))
    with pytest.raises(SystemExit) as left:
        compare.run_task(
            make_settings(tmp_path), make_overrides(tmp_path, "attention=bahdanau,luong_general"), "nmt-compare"
        )
    assert left.value.code == compare.FAILED_RUNS_STATUS
    failed = tmp_path / "out/attention=bahdanau/seed-1"
    assert "in buried" in (failed / "job.log").read_text()
    marked = (failed / "FAILED").read_text()
    assert marked.startswith("RuntimeError: the model fell over\nstate FINISHED of job ")
    assert "attention=bahdanau" in marked
    assert "attention=luong_general" in noted.read_text(), "the other job was not run"
    told = capsys.readouterr()
    assert "[1/2] attention=bahdanau seed 1: FAILED: RuntimeError: the model fell over" in told.err
    assert "RuntimeError: the model fell over" in told.out


@needs_submitit
@pytest.mark.usefixtures("quick")
def test_a_job_that_never_began_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "Command", lambda words, log: print)
    with pytest.raises(SystemExit):
        compare.run_task(make_settings(tmp_path), make_overrides(tmp_path), "nmt-compare")
    marked = (tmp_path / "out/default/seed-1/FAILED").read_text()
    assert marked.startswith("it was never begun\nstate FINISHED of job ")
    log = Path(marked.split("a log of its own in ")[1].split(": ")[0])
    assert log.parent == tmp_path / "out/submitit"


@needs_submitit
@pytest.mark.usefixtures("quick", "handlers")
def test_a_signal_cancels_what_runs_and_leaves_no_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_train(monkeypatch, SAVING_PROGRAM)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log = tmp_path / "out/default/seed-1/job.log"
    sender = send_signal_when_ready(log, signal.SIGINT)
    with pytest.raises(SystemExit) as left:
        compare.run_task(make_settings(tmp_path), make_overrides(tmp_path), "nmt-compare")
    sender.join()
    assert left.value.code == 130
    wait_until(lambda: log.read_text() == "ready\nsaved\n")
    assert not (log.parent / "FAILED").exists()
    assert capsys.readouterr().out == ""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("quick")
def test_a_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    class Ticket:
        job_id, cancelled = "1", 0

        def done(self) -> bool:
            made.stop(signal.SIGINT, None)
            return False

        def cancel(self, check: bool) -> None:
            self.cancelled += 1

    made, ticket = cluster.SlurmLauncher(folder=str(tmp_path)), Ticket()
    (job,) = plan.plan_jobs([], seeds=[1], output=tmp_path, at_once=1)
    made.wait([cluster.SubmittedJob(job, "[1/1]", ticket)])
    assert (made.signal_number, ticket.cancelled) == (signal.SIGINT, 1)


RESTARTED = """
import pathlib, signal, sys, time
saved = pathlib.Path({saved!r})
def save(*_):
    saved.write_text("a checkpoint")
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
if saved.exists():
    sys.exit("went on from " + saved.read_text())
time.sleep(600)
"""


@needs_submitit
@pytest.mark.slow
def test_a_run_whose_minutes_are_over_saves_and_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_train(monkeypatch, RESTARTED.format(saved=str(tmp_path / "saved")))
    with pytest.raises(SystemExit):  # it has no scores in the end
        compare.run_task(
            make_settings(tmp_path, launcher=make_launcher(tmp_path / "out", minutes=1)),
            make_overrides(tmp_path),
            "nmt-compare",
        )
    assert (tmp_path / "out/default/seed-1/job.log").read_text() == "went on from a checkpoint\n"


@needs_submitit
@pytest.mark.slow
def test_runs_are_trained_and_none_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = make_overrides(tmp_path, "attention=luong_general,luong_dot")
    compare.run_task(make_settings(tmp_path), given, "first")
    told = capsys.readouterr()
    assert told.out == (tmp_path / "out/comparison.txt").read_text()
    assert "attention=luong_dot seed 1: BLEU" in told.err
    before = {path: path.stat().st_mtime_ns for path in sorted((tmp_path / "out").rglob("seed-1/**/*"))}
    compare.run_task(make_settings(tmp_path, launcher={"name": "local"}), given, "second")
    assert "[2/2] attention=luong_dot seed 1: finished before" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in before} == before
