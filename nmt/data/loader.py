"""What training takes its batches from: while it computes, the next ones are collated, and the next epoch is made."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType

from nmt.data.batching import Batch, Batches, Epoch
from nmt.data.prefetch import CheckCancelled, prefetch
from nmt.ranks import ALONE, Ranks

MAX_READY_BATCHES = 3
"""How many batches are ready at most."""


class BatchLoader:
    """The batches of `batches` from number `batch` of epoch `epoch` on (both from 0), epoch after epoch, without end.

    It is a pure function of these, as if each batch were made when it is taken: whoever remembers how many were taken
    can go on from there. Nothing is made before the first is taken. To be used in a `with`, which ends all work.

    step_size: how many batches a step takes. ranks: of several processes, each gets its share of every step; which
    batches a step has does not depend on their number.
    """

    def __init__(
        self, batches: Batches, *, epoch: int, batch: int, pinned: bool, step_size: int = 1, ranks: Ranks = ALONE
    ) -> None:
        self.source = batches
        self.epoch = epoch
        self.batch = batch
        self.pinned = pinned
        self.step_size = step_size
        self.ranks = ranks
        self.epoch_size = 0
        self._epoch: Epoch | None = None
        self._all = ExitStack()
        self._current = ExitStack()
        self._epochs: Iterator[Epoch] | None = None
        self._batches: Iterator[Batch] = iter(())

    def __enter__(self) -> "BatchLoader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._all:
            self._current.close()

    def take(self) -> tuple[list[Batch], int]:
        """This process's share of the next step, and how many batches the step has: `step_size` or as many as are left
        in their epoch.

        Afterwards `epoch_size` is the number of batches in that epoch.
        """
        if self._epoch is None or self.batch >= self.epoch_size:
            self._begin()
        assert self._epoch is not None
        size = min(self.step_size, self.epoch_size - self.batch)
        count = len(self._epoch.get_share(self.batch, size, self.ranks))
        self.batch += size
        return list(itertools.islice(self._batches, count)), size

    def get_epoch(self) -> Epoch:
        """The epoch that the next batch is of, before any batch of it is taken."""
        if self._epoch is None:
            self._begin()
        assert self._epoch is not None
        return self._epoch

    def _begin(self) -> None:
        if self._epochs is None:
            self._epochs = self._all.enter_context(prefetch(self._make_epochs, 1))
        else:
            self.batch = 0
        self._current.close()
        self._epoch = epoch = next(self._epochs)
        self.epoch_size = len(epoch)
        first = self.batch
        self._batches = self._current.enter_context(
            prefetch(
                lambda pause: epoch.iterate_batches(first, size=self.step_size, ranks=self.ranks, pinned=self.pinned),
                MAX_READY_BATCHES,
            )
        )

    def _make_epochs(self, check_cancelled: CheckCancelled) -> Iterator[Epoch]:
        return (self.source.make_epoch(number, check_cancelled) for number in itertools.count(self.epoch))
