"""Work done ahead of need, by a thread beside the one that needs it."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

T = TypeVar("T")

CheckCancelled = Callable[[], None]
"""To be called now and then in long work: raises AbandonedError where nobody waits for it any more."""


class PrefetchCancelledError(Exception):
    """Ends work that nobody waits for; it is never seen outside the thread that does the work."""


class _Failure(NamedTuple):
    problem: BaseException


class _End:
    pass


@contextmanager
def prefetch(work: Callable[[CheckCancelled], Iterable[T]], depth: int) -> Iterator[Iterator[T]]:
    """The items of `work(check_cancelled)`, in their order, while a thread already makes the next ones.

        with prefetch(lambda check_cancelled: map(read, paths), 2) as texts:
            for text in texts: ...

    `depth` (at least 1) items at most are ready or being made and not yet taken. An error of the work is raised where
    its item would have been taken, with its own traceback, once; nothing follows it. Leaving the `with`, however that
    happens, lets the work go no further than its next item or its next call of `check_cancelled`, and waits for that,
    so that the thread never outlives the block. It is a thread and no process because arrays need not be copied to be
    handed over; the work should spend most of its time in calls that release the interpreter's lock, such as those of
    numpy.
    """
    cancelled = threading.Event()
    free = threading.Semaphore(depth)
    items_queue: SimpleQueue[T | _Failure | _End] = SimpleQueue()

    def check_cancelled() -> None:
        if cancelled.is_set():
            raise PrefetchCancelledError

    def make() -> None:
        try:
            check_cancelled()
            items = iter(work(check_cancelled))
            while True:
                free.acquire()
                check_cancelled()
                items_queue.put(next(items))
        except StopIteration:
            items_queue.put(_End())
        except BaseException as problem:
            items_queue.put(_Failure(problem))

    # A daemon, for the one case in which nobody waits for it: a second interruption while the first is waiting.
    thread = threading.Thread(target=make, name="ahead", daemon=True)
    try:
        thread.start()  # within, because an interruption may come as soon as the thread runs
        yield _take_items(items_queue, free)
    finally:
        cancelled.set()
        free.release()
        if thread.is_alive():  # it is not if the interruption came before it ran
            thread.join()


def _take_items(made: "SimpleQueue[T | _Failure | _End]", free: threading.Semaphore) -> Iterator[T]:
    """What has been made, as it is asked for; each makes room for another."""
    while True:
        item = made.get()
        free.release()
        if isinstance(item, _End):
            return
        if isinstance(item, _Failure):
            raise item.problem
        yield item
