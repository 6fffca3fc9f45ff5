"""Work ahead of need: the same items, never too far ahead, errors with their traceback, and no thread that stays."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists

from nmt.data.prefetch import CheckCancelled, prefetch


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


def until(holds: Callable[[], bool]) -> None:
    """Waits; a minute stands for ever."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    yield
    assert not threads()


@given(items=lists(integers(), max_size=9), depth=integers(1, 4))
def test_the_items_are_those_of_the_work_in_their_order(items: list[int], depth: int) -> None:
    with prefetch(lambda pause: items, depth) as ready:
        assert list(ready) == items
        assert list(ready) == []


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_it_works_ahead_as_far_as_it_may(depth: int) -> None:
    made: list[int] = []

    def work(pause: CheckCancelled) -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with prefetch(work, depth) as ready:
        for taken in range(1, 6):
            next(ready)
            until(lambda: len(made) >= taken + depth)  # noqa: B023
            assert len(made) == taken + depth


def broken(pause: CheckCancelled) -> Iterator[int]:
    yield 1
    yield 2
    raise ValueError("the third")


def test_an_error_comes_in_the_place_of_its_item_with_its_traceback() -> None:
    with prefetch(broken, 3) as ready:
        assert [next(ready), next(ready)] == [1, 2]
        with pytest.raises(ValueError, match="the third") as caught:
            next(ready)
        assert "broken" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert list(ready) == []


def test_an_error_of_the_consumer_ends_the_work() -> None:
    with pytest.raises(KeyError), prefetch(lambda pause: iter(int, 1), 2) as ready:
        next(ready)
        raise KeyError


def test_long_work_ends_when_nobody_waits_for_it() -> None:
    ended = threading.Event()

    def endless(pause: CheckCancelled) -> Iterator[int]:
        try:
            while True:
                pause()
                time.sleep(0.001)
        finally:
            ended.set()
        yield 0

    with prefetch(endless, 1):
        assert threads()
    assert ended.is_set()


def test_an_interruption_reaches_a_consumer_that_waits() -> None:
    def slow(pause: CheckCancelled) -> Iterator[int]:
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            pause()
            time.sleep(0.001)
        yield 0

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), prefetch(slow, 1) as ready:
            next(ready)
    finally:
        signal.signal(signal.SIGINT, before)
