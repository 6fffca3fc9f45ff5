"""An answerer for processes of their own, which import this and nothing heavy."""

import os
import time
from pathlib import Path

from nmt.errors import DataError
from nmt.workers import ChunkFn


def make_shouting_fn(mark: str) -> ChunkFn:
    """Later chunks are answered sooner, so that order would be lost if it were left to chance."""

    def answer(first: int, chunk: list[str]) -> list[str]:
        time.sleep(0.05 * (first == 0))
        if "error" in chunk:
            raise DataError("line 3 is bad")
        if "death" in chunk:
            os._exit(9)
        return [f"{first}{line.upper()}{mark}" for line in chunk]

    return answer


def make_sleeping_fn(note: str) -> ChunkFn:
    """An answerer that notes its process and never comes to an end."""

    def answer(first: int, chunk: list[str]) -> list[str]:
        Path(note).write_text(str(os.getpid()))
        time.sleep(600)
        return chunk

    return answer
