"""Several processes over one input: chunks go to whichever is free, and answers come back in order."""

import multiprocessing
import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from nmt.errors import NmtError

Chunk = list[str]
T = TypeVar("T")

Answer = Callable[[int, Chunk], T]
"""What is made of a chunk of lines; the number of lines before it comes first."""


def spread(
    chunks: Iterable[tuple[int, Chunk]], processes: int, begin: Callable[..., Answer[T]], *given: Any
) -> Iterator[tuple[Chunk, T]]:
    """Every chunk with its answer, in order. Each process makes its own answerer with `begin(*given)`.

    An empty chunk is not answered; it says that all before it shall be, before the next is asked for.

    At most two chunks a process are held, so memory is bounded however slowly the answers are taken. Processes end with
    this one. Raises the NmtError that one of them raises, and NmtError if one dies.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of threads that it does not copy
    free: queue.Queue[Connection] = queue.Queue()
    crew = []
    for _ in range(processes):
        ours, theirs = context.Pipe()
        crew.append(context.Process(target=_serve, args=(theirs, begin, given), daemon=True))
        crew[-1].start()
        theirs.close()
        free.put(ours)
    with ThreadPoolExecutor(processes) as threads:
        waiting: deque[tuple[Chunk, Future[T]]] = deque()
        try:
            for first, chunk in chunks:
                if chunk:
                    waiting.append((chunk, threads.submit(_asked, free, first, chunk)))
                while waiting and (not chunk or len(waiting) >= 2 * processes):
                    asked, answer = waiting.popleft()
                    yield asked, answer.result()
            for asked, answer in waiting:
                yield asked, answer.result()
        finally:
            for _, answer in waiting:
                answer.cancel()
            for process in crew:
                process.terminate()
            for process in crew:
                process.join()


def _asked(free: "queue.Queue[Connection]", first: int, chunk: Chunk) -> Any:
    """What a process that is free answers."""
    connection = free.get()
    try:
        connection.send((first, chunk))
        answer = connection.recv()
    except (EOFError, OSError):
        raise NmtError(
            f"A process that translated lines {first + 1} to {first + len(chunk)} died; it may have been short of "
            "memory. Try fewer processes, or a smaller chunk or tokens."
        ) from None
    finally:
        free.put(connection)
    if isinstance(answer, NmtError):
        raise answer
    return answer


def _end_with_parent() -> None:
    """Ends this process when the first one is gone, even in the middle of a chunk: nobody takes the answer."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _serve(connection: Connection, begin: Callable[..., Answer[Any]], given: tuple[Any, ...]) -> None:
    """The life of a process: answers until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all, and the first process ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        answer = begin(*given)
    except NmtError as problem:
        connection.recv()
        connection.send(problem)
        return
    while True:
        try:
            first, chunk = connection.recv()
        except EOFError:
            return
        try:
            connection.send(answer(first, chunk))
        except NmtError as problem:
            connection.send(problem)
        except BrokenPipeError:
            return
