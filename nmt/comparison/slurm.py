"""Runs of nmt-train as jobs of a SLURM cluster, handed over and waited for through submitit."""

import importlib.util
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, Literal, NamedTuple

from nmt.comparison.local import begin_job, build_command, end_job, log_line, number_jobs
from nmt.comparison.plan import Job
from nmt.comparison.processes import Command, build_module_path, forward_signals
from nmt.comparison.progress import ComparisonProgress
from nmt.comparison.results import LOG_FILE
from nmt.errors import ConfigError

Option = str | int | float | bool

POLL_SECONDS = 1.0
"""Seconds between two looks at what has ended. The cluster itself is asked more rarely, by submitit."""


MAX_SIGNAL_SECONDS = 90
"""Seconds before the end of a job at which the cluster warns it, so that the run can save a checkpoint. SLURM may warn
a minute earlier still, so that a job of few minutes would be warned when it begins, and never get on."""


class SubmittedJob(NamedTuple):
    """A run that the cluster has, with the beginning of what is said about it."""

    job: Job
    name: str
    ticket: Any


class SlurmLauncher:
    """The launcher of a SLURM cluster: a job array, `at_once` of it at a time, which this command waits for.

    A run whose minutes are over, or whose place is needed, saves a checkpoint and is queued again, at most `restarts`
    times for lack of time. A signal cancels what is queued or running, which saves a checkpoint first.

    folder: of submitit's own files and logs, on a disk that all machines share, as the comparison's output is. options:
    of sbatch, such as `{account: mine}`. cluster: `local` is this machine, all at once, to try things out.
    """

    def __init__(
        self,
        *,
        folder: str,
        partition: str | None = None,
        minutes: int = 240,
        cpus: int = 4,
        memory_gb: float = 16.0,
        gpus: int = 0,
        restarts: int = 3,
        options: dict[str, Option] | None = None,
        cluster: Literal["slurm", "local"] = "slurm",
    ) -> None:
        for name, value, least in (
            ("minutes", minutes, 1),
            ("cpus", cpus, 1),
            ("gpus", gpus, 0),
            ("restarts", restarts, 0),
        ):
            if value < least:
                raise ConfigError(f"launcher.{name} must be at least {least}; got {value}.")
        if not memory_gb > 0:
            raise ConfigError(f"launcher.memory_gb must be above 0; got {memory_gb}.")
        self.folder, self.partition, self.minutes, self.cpus = folder, partition, minutes, cpus
        self.memory_gb, self.gpus, self.restarts = memory_gb, gpus, restarts
        self.options, self.cluster = options, cluster
        self.signal_number = 0
        self.is_abandoned = False

    def check(self) -> None:
        """Raises ConfigError where runs cannot be handed over from here."""
        if importlib.util.find_spec("submitit") is None:
            raise ConfigError(
                "launcher=submitit needs the package submitit. Install it: pip install 'submitit>=1.5.2'."
            )
        if self.cluster == "slurm" and shutil.which("srun") is None:
            raise ConfigError(
                "launcher=submitit hands runs to SLURM, but no srun is on the PATH. Give the command on a machine "
                "of the cluster, or use launcher=local, which runs them here."
            )

    def work(self, jobs: Sequence[Job], *, at_once: int) -> int:
        """Runs all that is not finished, `at_once` at a time; returns the signal that ended it, 0 if none did."""
        pending = [(job, name) for job, name in number_jobs(jobs) if begin_job(job, name)]
        if not pending:
            return 0
        progress = ComparisonProgress(jobs, at_once=at_once)
        for folder in {job.folder for job in jobs} - {job.folder for job, _ in pending}:
            progress.ended_folders.add(folder)
        with forward_signals(self), progress.run_display():
            self.wait(
                [
                    SubmittedJob(*known, ticket)
                    for known, ticket in zip(pending, self.submit(pending, at_once), strict=True)
                ],
                progress,
            )
        return self.signal_number

    def submit(self, pending: Sequence[tuple[Job, str]], at_once: int) -> list[Any]:
        """Hands runs over; returns submitit's jobs, one each. Raises ConfigError if the cluster does not take them."""
        from submitit.core.utils import FailedJobError, FailedSubmissionError
        from submitit.helpers import environment_variables

        try:
            executor = self.make_executor(at_once)
            with environment_variables(PYTHONPATH=build_module_path()), executor.batch():
                return [executor.submit(Command(build_command(job), job.folder / LOG_FILE)) for job, _ in pending]
        except (FailedJobError, FailedSubmissionError, OSError) as problem:
            raise ConfigError(f"The cluster did not take the runs: {' '.join(str(problem).split())}") from problem

    def make_executor(self, at_once: int) -> Any:
        """submitit's, with what a run may use."""
        from submitit import AutoExecutor

        # -P: what lies in the current directory must not hide modules of the same name.
        submitit_settings: Mapping[str, Any] = {
            "max_num_timeout": self.restarts,
            "python": f"{shlex.quote(sys.executable)} -P",
        }
        executor = AutoExecutor(
            self.folder, cluster=self.cluster, **{f"{self.cluster}_{k}": v for k, v in submitit_settings.items()}
        )
        executor.update_parameters(
            name="nmt-compare",
            timeout_min=self.minutes,
            cpus_per_task=self.cpus,
            mem_gb=self.memory_gb,
            gpus_per_node=self.gpus or None,
            slurm_partition=self.partition,
            slurm_signal_delay_s=min(MAX_SIGNAL_SECONDS, 60 * self.minutes // 4),
            slurm_array_parallelism=at_once,
            slurm_additional_parameters=self.options,
        )
        return executor

    def wait(self, submitted_jobs: Sequence[SubmittedJob], progress: ComparisonProgress | None = None) -> None:
        """Until all have ended, or a second SIGINT; says what each came to, and tells `progress`."""
        for _, name, ticket in submitted_jobs:
            log_line(f"{name} handed over as job {ticket.job_id}")
        is_cancelled, waiting = False, list(submitted_jobs)
        while waiting:
            if self.signal_number and not is_cancelled:
                is_cancelled = True
                for one in waiting:
                    one.ticket.cancel(check=False)
            if self.is_abandoned:
                break
            waiting = [one for one in waiting if not self.finish_if_done(one, progress)]
            time.sleep(POLL_SECONDS if waiting else 0)

    def finish_if_done(self, submitted_job: SubmittedJob, progress: ComparisonProgress | None = None) -> bool:
        """Whether a run has ended; if so, says what it came to, unless all was to end."""
        job, name, ticket = submitted_job
        if not ticket.done():
            if progress is not None and (job.folder / LOG_FILE).exists():  # its place in the queue has come
                progress.begin(job)
            return False
        if progress is not None:
            progress.end(job)
        if not self.signal_number:
            list(job.folder.iterdir())  # has a network drive look again for what another machine wrote
            ticket.get_info()  # has the cluster say what it knows now
            state = f"state {ticket.state} of job {ticket.job_id}, with a log of its own in {ticket.paths.stderr}"
            end_job(job, name, f"{state}: {shlex.join(build_command(job))}")
        return True

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Has all end at the next look; a second SIGINT leaves without waiting for it."""
        self.is_abandoned = self.is_abandoned or (self.signal_number > 0 and number == signal.SIGINT)
        self.signal_number = self.signal_number or number
