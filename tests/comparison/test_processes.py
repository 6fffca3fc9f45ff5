"""A command that a cluster carries elsewhere: signals reach it, it saves first, and little is stored of it."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from nmt.comparison import processes
from nmt.comparison.processes import Command, ProcessGroup
from tests.cli.signal_process import SAVING_PROGRAM, needs_submitit, send_signal_when_ready, wait_until
from tests.commands import build_environment


@pytest.mark.usefixtures("handlers")
def test_what_cancels_a_job_reaches_its_run(tmp_path: Path) -> None:
    log = tmp_path / "log"
    sender = send_signal_when_ready(log, signal.SIGTERM)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        Command([sys.executable, "-c", SAVING_PROGRAM], log)()
    sender.join()
    assert (failed.value.returncode, log.read_text()) == (143, "ready\nsaved\n")


PARENT = """
import sys, pathlib
from nmt.comparison.processes import ProcessGroup
ProcessGroup().run([sys.executable, "-c", sys.argv[1]], pathlib.Path(sys.argv[2]))
"""


def test_a_child_saves_and_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = f"from nmt.comparison.processes import end_with_parent; end_with_parent(); {SAVING_PROGRAM}"
    with subprocess.Popen([sys.executable, "-c", PARENT, child, str(log)], env=build_environment()) as parent:
        wait_until(lambda: (log.exists() and "ready" in log.read_text()) or parent.poll() is not None)
        time.sleep(0.1)
        assert log.read_text() == "ready\n"
        parent.kill()
    wait_until(lambda: "saved" in log.read_text())


@pytest.mark.parametrize("named", [None, "", "999", "0", "-1", "text"])
def test_without_such_a_parent_nothing_happens(named: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if named is not None:
        monkeypatch.setenv(processes.PARENT_PIPE, named)
    before = threading.enumerate()
    if named != "0" or not stat.S_ISFIFO(os.fstat(0).st_mode):
        processes.end_with_parent()
        assert processes.PARENT_PIPE not in os.environ
    assert threading.enumerate() == before


@needs_submitit
@pytest.mark.usefixtures("handlers")
def test_where_time_is_over_a_run_saves_first_and_is_what_comes_next(tmp_path: Path) -> None:
    command, log = Command([sys.executable, "-c", SAVING_PROGRAM], tmp_path / "log"), tmp_path / "log"
    next_one: list[Any] = []

    def as_submitit_does(number: int, frame: object) -> None:
        next_one.append(command.checkpoint())
        assert log.read_text() == "ready\nsaved\n"
        raise InterruptedError("the job is queued again")

    signal.signal(signal.SIGUSR2, as_submitit_does)
    sender = send_signal_when_ready(log, signal.SIGUSR2)
    with pytest.raises(InterruptedError):
        command()
    sender.join()
    (delayed,) = next_one
    assert (delayed.function.words, delayed.function.log) == (command.words, log)
    assert (delayed.function.crew.children, delayed.function.crew.caught) == ([], 0)


@needs_submitit
def test_what_submitit_stores_is_words_and_the_name_of_a_file(tmp_path: Path) -> None:
    from submitit.helpers import DelayedSubmission

    stored = tmp_path / "stored"
    DelayedSubmission(Command(["some", "words"], tmp_path / "log")).dump(stored)
    read = DelayedSubmission.load(stored).function
    assert type(read) is Command
    assert vars(read).keys() == {"words", "log", "crew"}
    assert (read.words, read.log, vars(read.group)) == (["some", "words"], tmp_path / "log", vars(ProcessGroup()))


def test_a_node_imports_little_to_run_what_it_is_handed() -> None:
    asked = "import sys, nmt.comparison.processes; print({'torch', 'numpy', 'hydra', 'submitit'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_warning_of_a_cluster_does_not_end_the_run(tmp_path: Path) -> None:
    """SLURM sends it to every process of a job; the command saves what there is by SIGTERM."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGUSR2); print('alive')"
    processes.Command([sys.executable, "-c", code], tmp_path / "log")()
    assert (tmp_path / "log").read_text() == "alive\n"
