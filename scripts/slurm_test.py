"""Tries launcher=submitit against a real SLURM of one machine: `make slurm-test`.

It starts munge and SLURM as daemons of its own in a temporary folder, and ends them. A comparison is trained whose job
has less time than its run needs, so that it is queued again and goes on; a job is cancelled by a command of the
cluster; and a comparison is interrupted. It needs `apt-get install slurm-wlm munge`, submitit and root; where one is
missing it says so and does nothing.
"""

import argparse
import getpass
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

CONF = """
ClusterName=nmt
SlurmctldHost={host}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=15
CredType=cred/munge
SlurmctldPort={port}
SlurmdPort={other_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=5,requeue_delay=1
ReturnToService=2
JobRequeue=1
KillWait=10
OverTimeLimit=0
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SlurmctldParameters=idle_on_node_suspend
NodeName={host} CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""

TINY = (
    *("data.train=200", "data.validation=4", "data.test=3", "tokenizer=bpe", "tokenizer.vocab_size=130"),
    *("model.embedding_size=8", "model.encoder.hidden_size=6", "model.decoder.hidden_size=12", "search=greedy"),
    *("search.max_ratio=0.5", "probes.sentences=1", "batching.tokens=400", "training.log_every=20", "threads=1"),
    *("training.stop.steps=null", "training.stop.epochs=null", "training.validation.every_steps=200", "device=cpu"),
)
"""A run of a few thousand weights, which time alone ends."""


JOB_MINUTES, RUN_MINUTES = 4, 3.5
"""Of a job, and of the training of its run. SLURM warns one minute to two before the end, and what a run does after its
training has to fit into one job."""


def find_missing() -> str:
    """Why nothing can be tried here; empty where it can."""
    programs = [name for name in PROGRAMS if shutil.which(name, path=SEARCH_PATH) is None]
    if programs:
        return f"{', '.join(programs)} not installed (apt-get install slurm-wlm munge)"
    if importlib.util.find_spec("submitit") is None:
        return "the package submitit is not installed (pip install 'submitit>=1.5.2')"
    return "" if os.geteuid() == 0 else "SLURM's daemons need root"


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    """Waits; raises RuntimeError where it does not come about."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise RuntimeError(f"after {seconds:.0f} seconds: {what}")
        time.sleep(0.5)


def find_free_ports() -> tuple[int, int]:
    """Two ports that nobody listens at."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("", 0))
        other.bind(("", 0))
        return one.getsockname()[1], other.getsockname()[1]


@contextmanager
def run_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """A cluster of this machine while the block lasts; gives the environment in which its commands find it."""
    port, other_port = find_free_ports()
    for name in ("state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)  # munge refuses a folder that others can write to
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    conf = folder / "slurm.conf"
    host = socket.gethostname().split(".")[0]
    fields = {"folder": folder, "host": host, "user": getpass.getuser(), "port": port, "other_port": other_port}
    conf.write_text(CONF.format(**fields, cpus=os.cpu_count() or 1), encoding="utf-8")
    environment = {**os.environ, "PATH": SEARCH_PATH, "SLURM_CONF": str(conf)}
    names = ("pid", "log", "seed")
    files = [f"--{name}-file={folder / f'munge.{name}'}" for name in names]
    daemons: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> None:
        with (folder / f"{command[0]}.out").open("wb") as out:
            daemons.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment))

    try:
        start("munged", "--foreground", "--force", f"--socket={folder / 'munge.socket'}", f"--key-file={key}", *files)
        wait_until((folder / "munge.socket").exists, "munge has no socket")
        start("slurmctld", "-D", "-f", str(conf))
        start("slurmd", "-D", "-N", host, "-f", str(conf))
        wait_until(lambda: "idle" in ask(environment, "sinfo", "-h", "-o", "%T"), "the node of the cluster is not idle")
        yield environment
    except BaseException:
        for log in sorted(folder.glob("*.log")) + sorted(folder.glob("*.out")):
            print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-12:], sep="\n", file=sys.stderr)
        raise
    finally:
        ask(environment, "scancel", "--user", getpass.getuser())
        time.sleep(2)
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(15)
            if daemon.poll() is None:
                daemon.kill()


def ask(environment: dict[str, str], *command: str) -> str:
    """What a command of the cluster answers."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@contextmanager
def begin_comparison(environment: dict[str, str], folder: Path, minutes: float) -> Iterator[subprocess.Popen[bytes]]:
    """nmt-compare with runs of so many minutes, in the background; it is ended with the block."""
    command = [sys.executable, "-m", "nmt.cli.compare", *TINY, f"training.stop.minutes={minutes}", "launcher=submitit"]
    command += [
        "launcher.cpus=1",
        "launcher.restarts=9",
        "launcher.memory_gb=1",
        f"launcher.minutes={JOB_MINUTES}",
        "seeds=1",
        f"output={folder / 'out'}",
    ]
    command.append(f"cache={folder / 'cache'}")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    comparison = subprocess.Popen(command, env={**environment, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"})
    try:
        yield comparison
    finally:
        if comparison.poll() is None:
            comparison.kill()


def read_log(folder: Path) -> str:
    """The log of the run, over all its parts."""
    path = folder / "out" / "default" / "seed-1" / "train.log"
    return path.read_text() if path.exists() else ""


def expect(is_so: bool, what: str) -> None:
    """Says what was seen. Raises RuntimeError where it is not so."""
    print(f"{'ok' if is_so else 'FAILED'}: {what}", flush=True)
    if not is_so:
        raise RuntimeError(what)


def try_time_limit(environment: dict[str, str], folder: Path) -> None:
    """A run needs more minutes than its job has: it is queued again, and goes on from its checkpoint."""
    with begin_comparison(environment, folder, RUN_MINUTES) as comparison:
        expect(comparison.wait(1800) == 0, "a comparison whose run is longer than its job ends well")
    resumed = read_log(folder).count("going on from")
    expect(resumed > 0, f"the run went on from a checkpoint, {resumed} times")
    expect((folder / "out" / "comparison.json").exists(), "the table is there")


def try_cancel(environment: dict[str, str], folder: Path) -> None:
    """A job that the cluster cancels ends by itself; the comparison says so and ends."""
    with begin_comparison(environment, folder, 5.0) as comparison:
        wait_until(lambda: "loss" in read_log(folder), "the run does not train", 300)
        ask(environment, "scancel", *ask(environment, "squeue", "-h", "-o", "%A").split())
        status = comparison.wait(300)
    expect(status == 1, f"the comparison says that a run failed (status {status})")
    expect((folder / "out" / "default" / "seed-1" / "FAILED").exists(), "the run has a FAILED file")


def try_signal(environment: dict[str, str], folder: Path) -> None:
    """A signal to the comparison cancels its jobs, which save a checkpoint; the same command would go on."""
    with begin_comparison(environment, folder, 5.0) as comparison:
        wait_until(lambda: "loss" in read_log(folder), "the run does not train", 300)
        comparison.send_signal(signal.SIGINT)
        expect(comparison.wait(180) == 130, "a comparison that is interrupted says so")
    wait_until(lambda: not ask(environment, "squeue", "-h").strip(), "jobs are left in the queue")
    expect("the same command goes on from here" in read_log(folder), "its job saved a checkpoint")


TRIALS = {"time": try_time_limit, "cancel": try_cancel, "signal": try_signal}


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries all, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(TRIALS)}; none is all of them")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the daemons are ended
    if reason := find_missing():
        print(f"skipped: {reason}")
        return 0
    with tempfile.TemporaryDirectory(prefix="nmt-slurm-") as place, run_cluster(Path(place)) as environment:
        for name in chosen.names or TRIALS:
            folder = Path(place) / name
            folder.mkdir()
            TRIALS[name](environment, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
