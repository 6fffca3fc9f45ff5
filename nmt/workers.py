"""Several processes over one input: chunks go to whichever is free, and answers come back in order."""

import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any, TypeVar

from tqdm import tqdm

from nmt.errors import NmtError
from nmt.exhaustion import explain_exhaustion

C = TypeVar("C", bound=Sized)
T = TypeVar("T")

ChunkFn = Callable[[int, list[str]], T]
"""What is made of a chunk of lines; the number of lines before it comes first."""


def map_in_order(
    chunks: Iterable[tuple[int, C]], processes: int, make_fn: Callable[..., Callable[[int, C], T]], *arguments: Any
) -> Iterator[tuple[C, T]]:
    """Every chunk with its answer, in order. Each process makes its own answerer with `make_fn(*arguments)`.

    An empty chunk is not answered; it says that all before it shall be, before the next is asked for.

    No more processes are started than there are chunks. At most two chunks a process are held, so memory is bounded
    however slowly the answers are taken. Processes end with this one. Raises the NmtError that one of them
    raises, and NmtError if one dies.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of threads that it does not copy
    free: queue.Queue[Connection] = queue.Queue()
    workers = []

    def start_worker() -> None:
        parent_end, child_end = context.Pipe()
        workers.append(context.Process(target=_serve, args=(child_end, make_fn, arguments), daemon=True))
        with _hide_main_module():
            workers[-1].start()
        child_end.close()
        free.put(parent_end)

    with ThreadPoolExecutor(processes) as threads:
        waiting: deque[tuple[C, Future[T]]] = deque()
        try:
            for first, chunk in chunks:
                if chunk:
                    if len(workers) < processes:
                        start_worker()
                    waiting.append((chunk, threads.submit(_request_answer, free, first, chunk)))
                while waiting and (not chunk or len(waiting) >= 2 * processes):
                    answered_chunk, answer = waiting.popleft()
                    yield answered_chunk, answer.result()
            for answered_chunk, answer in waiting:
                yield answered_chunk, answer.result()
        finally:
            for _, answer in waiting:
                answer.cancel()
            for process in workers:
                process.terminate()
            for process in workers:
                process.join()


@contextmanager
def _hide_main_module() -> Iterator[None]:
    """Inside, a process that starts does not run the program of this one again: it needs none of it, and a script that
    calls us without asking for its own name would start itself once more."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _request_answer(free: "queue.Queue[Connection]", first: int, chunk: Sized) -> Any:
    """What a process that is free answers."""
    connection = free.get()
    try:
        connection.send((first, chunk))
        answer = connection.recv()
    except (EOFError, OSError):
        raise NmtError(
            f"A process that worked on lines {first + 1} to {first + len(chunk)} died; it may have been short of "
            "memory. Try fewer processes, or settings that have it do less at a time."
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


def _serve(
    connection: Connection, make_fn: Callable[..., Callable[[int, Any], Any]], arguments: tuple[Any, ...]
) -> None:
    """The life of a process: answers until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all, and the first process ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    tqdm.set_lock(
        threading.RLock()
    )  # its own would be a semaphore of the system, which an end by a signal leaves behind
    try:
        answer = make_fn(*arguments)
    except Exception as problem:
        refusal = to_answer(problem)
        connection.recv()
        connection.send(refusal)
        return
    while True:
        try:
            first, chunk = connection.recv()
        except EOFError:
            return
        try:
            connection.send(answer(first, chunk))
        except BrokenPipeError:
            return
        except Exception as problem:
            connection.send(to_answer(problem))


def to_answer(problem: Exception) -> NmtError:
    """What the first process is told of a problem. Raises the problem where it is a mistake of the program."""
    if isinstance(problem, NmtError):
        return problem
    if (text := explain_exhaustion(problem)) is None:
        raise problem
    return NmtError(text)
