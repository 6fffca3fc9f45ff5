"""Processes that train one model together, forked from one that has imported everything."""

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.trust.workers import ProcessResult, start_process, wait_for


def make_environment(rank: int, count: int, port: int) -> dict[str, str]:
    """What torchrun tells a process."""
    return {
        **{"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank)},
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
    }


def find_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def run_ranks(
    home: Path, name: str, words: Sequence[str], count: int, more: Mapping[int, Mapping[str, Any]] | None = None
) -> list[ProcessResult]:
    """nmt-train by `count` processes, from start to end; `more` goes to the workers of these ranks."""
    port = find_port()
    processes = [
        start_process(
            home,
            f"{name}.{rank}",
            list(words),
            variables=make_environment(rank, count, port),
            **(more or {}).get(rank, {}),
        )
        for rank in range(count)
    ]
    try:
        return [wait_for(home, f"{name}.{rank}", process) for rank, process in enumerate(processes)]
    finally:
        for process in processes:
            process.kill()
