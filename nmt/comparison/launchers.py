"""Where the runs of a comparison run."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from nmt.comparison.local import LocalLauncher
from nmt.comparison.plan import Job
from nmt.comparison.slurm import SlurmLauncher
from nmt.config import Variants


@runtime_checkable
class Launcher(Protocol):
    """Takes runs to where they run, waits for them, and leaves a log each, and a FAILED file for those without scores.

    cpus: processors of a run on another machine, whose devices cannot be looked at from here; None is this machine.
    """

    @property
    def cpus(self) -> int | None: ...

    def check(self) -> None:
        """Raises ConfigError where runs cannot be started this way from here."""

    def work(self, jobs: Sequence[Job], *, at_once: int) -> int:
        """Runs all that is not finished, `at_once` at a time; returns the signal that ended it, 0 if none did."""


LAUNCHERS: dict[str, type[Launcher]] = {"local": LocalLauncher, "submitit": SlurmLauncher}
LAUNCHER = Variants(LAUNCHERS)
