"""What the processes of one run agree on before they train together."""

import hashlib
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt.errors import ConfigError, DataError
from nmt.launch import Launch
from nmt.ranks import Ranks
from nmt.runs.outcome import RunResult
from nmt.runs.run_files import flatten, is_run_folder

CLOCK = re.compile(r"outputs/\d{4}-\d\d-\d\d-\d{6}")
"""A run folder that no setting has named."""

PATIENCE = 30.0
"""Seconds until a network drive shows every machine what one of them has written."""


def check_launch(settings: Mapping[str, Any], launch: Launch) -> None:
    """Raises ConfigError for settings that do not go with how the processes were started."""
    if launch.processes == 1:
        return
    if CLOCK.fullmatch(settings["output"]):
        raise ConfigError(
            f"{launch.processes} processes need one run folder, which is also where a restart goes on. Give it a name: "
            "output=outputs/mine."
        )
    if launch.restarts and settings["resume"] == "never":
        raise ConfigError(
            f"torchrun may restart the processes (--max-restarts={launch.restarts}), and resume=never would refuse the "
            "run that they left. Choose resume=auto, or --max-restarts=0."
        )


def check_same_settings(settings: Mapping[str, Any], ranks: Ranks) -> None:
    """Raises ConfigError where the processes were given different settings."""
    own = {key: repr(value) for key, value in flatten(settings).items()}
    first = ranks.take_first(own)
    if differing := sorted(key for key in {*own, *first} if own.get(key) != first.get(key)):
        raise ConfigError(
            f"Process {ranks.rank} was started with other settings than process 0: {', '.join(differing[:5])}. Give "
            "the same command on every machine."
        )


def check_shared_folder(folder: Path, ranks: Ranks) -> None:
    """Raises ConfigError where a process does not see the run folder that the first has made."""
    until = time.monotonic() + PATIENCE
    while not is_run_folder(folder):
        if time.monotonic() > until:
            raise ConfigError(
                f"Process {ranks.rank} does not see the run folder {folder} that process 0 has made. Machines that "
                "train together need one file system: put output= and cache= where all of them can read."
            )
        time.sleep(0.2)


def check_same_data(pairs: int, model_files: Mapping[str, bytes], ranks: Ranks) -> None:
    """Raises DataError where a process has another number of training pairs or other vocabularies than the first.

    model_files: name -> content of the files that make a model folder.
    """
    own = [pairs, {name: hashlib.sha256(content).hexdigest() for name, content in model_files.items()}]
    if ranks.take_first(own) != own:
        raise DataError(
            f"Process {ranks.rank} has other prepared data than process 0. Give all of them the same text, the same "
            "versions of the packages, and one cache."
        )


def share_outcome(folder: Path, outcome: RunResult | None, ranks: Ranks) -> RunResult | None:
    """What the first process found that the run came to, for all."""
    own: list[Any] | None = None if outcome is None else [*outcome[1:-1], dict(outcome.faithfulness)]
    values = ranks.take_first(own)
    return None if values is None else RunResult(folder, *values)
