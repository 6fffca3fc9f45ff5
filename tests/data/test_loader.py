"""The feed hands out what the epochs hold, from any position, and nothing that was made ahead is lost by leaving."""

import random
import threading
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.strategies import integers, lists

from nmt.data.batching import Batch, Batches, BatchSettings, Epoch, share_rows
from nmt.data.encoded import tokenize
from nmt.data.loader import BatchLoader
from nmt.data.tokenizer import Bpe
from nmt.ranks import Ranks

DRAW = random.Random(4)
WORDS = ["".join(DRAW.choices("abcdefgh", k=DRAW.randint(2, 6))) for _ in range(50)]
LINES = [[" ".join(DRAW.choices(WORDS, k=DRAW.randint(1, 9))) for _ in range(40)] for _ in range(2)]
TOKENIZERS = Bpe(vocab_size=60, sampling=0.3).train(*LINES)
TRAIN = tokenize(TOKENIZERS, *LINES)


class Watched(Batches):
    """Notes which epochs were made, and breaks where it is told to."""

    def __init__(self, breaks_at: int | None = None) -> None:
        super().__init__(TRAIN, TOKENIZERS, BatchSettings(tokens=200), seed=5)
        self.made: list[int] = []
        self.breaks_at = breaks_at

    def make_epoch(self, number: int, *rest: Any) -> Epoch:
        self.made.append(number)
        if number == self.breaks_at:
            raise OSError("the disk is gone")
        return super().make_epoch(number, *rest)


EPOCHS = [Watched().make_epoch(number) for number in range(8)]
ALL = [[epoch.get_batch(index) for index in range(len(epoch))] for epoch in EPOCHS]


def same(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b)
        for one, other in zip(first, second, strict=True)
        for a, b in zip(one, other, strict=True)
        if a is not None and b is not None
    )


@given(epoch=integers(0, 3), batch=integers(0, len(ALL[0]) // 2), most=integers(1, 5), steps=integers(1, 9))
def test_the_batches_are_those_of_the_epochs_from_any_position(epoch: int, batch: int, most: int, steps: int) -> None:
    with BatchLoader(Watched(), epoch=epoch, batch=batch, pinned=False, step_size=most) as feed:
        for _ in range(steps):
            wanted = ALL[epoch][batch : batch + most]
            found, size = feed.take()
            assert same(found, wanted)
            assert size == len(wanted)
            assert feed.epoch_size == len(EPOCHS[epoch])
            batch += len(wanted)
            if batch == feed.epoch_size:
                epoch, batch = epoch + 1, 0


@given(count=integers(2, 7), most=integers(1, 5), batch=integers(0, len(ALL[0]) // 2))
def test_processes_share_the_pairs_of_every_step(count: int, most: int, batch: int) -> None:
    """Whatever their number, a step has the same pairs, each in one process, in batches as wide as they need be."""
    with ExitStack() as stack:
        feeds = [
            stack.enter_context(
                BatchLoader(
                    Watched(), epoch=0, batch=batch, pinned=False, step_size=most, ranks=Ranks(rank=rank, count=count)
                )
            )
            for rank in range(count)
        ]
        epoch = 0
        while epoch == 0 or batch < 3:
            shares = [feed.take() for feed in feeds]
            wanted = ALL[epoch][batch : batch + most]
            assert {size for _, size in shares} == {len(wanted)}
            lines = [int(line) for found, _ in shares for each in found for line in each.lines]
            assert sorted(lines) == sorted(int(line) for each in wanted for line in each.lines)
            assert all(each.source.shape[1] == each.source_lengths.max() for found, _ in shares for each in found)
            batch += len(wanted)
            if batch == len(ALL[epoch]):
                epoch, batch = epoch + 1, 0


@given(sizes=lists(integers(1, 30), min_size=1, max_size=9), count=integers(1, 7))
def test_shares_of_a_step_are_alike(sizes: list[int], count: int) -> None:
    batches = [np.arange(size) for size in sizes]
    shares = [share_rows(batches, Ranks(rank=rank, count=count)) for rank in range(count)]
    whole = len(sizes) // count
    assert all(len(share) - whole in (0, 1) for share in shares)
    assert {len(share) >= whole for share in shares} == {True}
    if count == 1:
        assert shares == [batches]


def test_no_two_epochs_are_alike_and_at_most_one_is_made_ahead() -> None:
    assert not same(ALL[0], ALL[1])
    batches = Watched()
    with BatchLoader(batches, epoch=2, batch=0, pinned=False, step_size=3) as feed:
        assert batches.made == []
        for number in (2, 3, 4):
            while feed.take()[0][-1].lines.tolist() != ALL[number][-1].lines.tolist():
                assert batches.made in (list(range(2, number + 1)), list(range(2, number + 2)))


def test_what_goes_wrong_ahead_is_told_when_its_epoch_is_needed() -> None:
    with BatchLoader(Watched(breaks_at=1), epoch=0, batch=0, pinned=False) as feed:
        for batch in ALL[0]:
            assert same(feed.take()[0], [batch])
        with pytest.raises(OSError, match="the disk is gone"):
            feed.take()


def test_nothing_is_left_running() -> None:
    before = threading.active_count()
    with BatchLoader(Watched(), epoch=0, batch=0, pinned=False) as feed:
        feed.take()
        assert threading.active_count() > before
    assert threading.active_count() == before
    with pytest.raises(KeyboardInterrupt), BatchLoader(Watched(), epoch=0, batch=0, pinned=False) as feed:
        feed.take()
        raise KeyboardInterrupt
    assert threading.active_count() == before
