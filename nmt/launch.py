"""How this process was started: alone, or by torchrun as one of several. Known without torch."""

import os
from typing import NamedTuple

from nmt.errors import ConfigError

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells a process; where one is missing, it was started alone."""


class Launch(NamedTuple):
    """What torchrun tells a process. processes: how many train together. restarts: how often it may start all again.
    start: how often it has, where all processes are on one machine; machines may count differently, and 0 stands there.
    """

    rank: int = 0
    processes: int = 1
    local_rank: int = 0
    restarts: int = 0
    start: int = 0


def read_launch() -> Launch:
    """How this process was started, by its environment. Raises ConfigError where that makes no sense.

    Under SLURM and the like some variables may be there without torchrun; only all together count.
    """
    if not all(os.environ.get(name) for name in VARIABLES):
        return Launch()
    try:
        rank, processes = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        local_rank = int(os.environ.get("LOCAL_RANK", rank))
        restarts = int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0))
        is_one_machine = os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]
        start = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) if is_one_machine else 0
    except ValueError:
        raise ConfigError(
            "RANK, WORLD_SIZE and LOCAL_RANK in the environment must be whole numbers, as torchrun sets them."
        ) from None
    if not 0 <= rank < processes:
        raise ConfigError(f"RANK={rank} in the environment must be below WORLD_SIZE={processes}.")
    return Launch(rank, processes, local_rank, restarts, start)
