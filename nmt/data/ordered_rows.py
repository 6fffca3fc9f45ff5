"""The order of an epoch, in as few bytes as it needs: it is all that training holds of each pair."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


class OrderedRows(Sequence[NDArray[np.int64]]):
    """The rows of each batch, in the order of training, in 4 bytes a pair where there are fewer than 2^31 of them.

    flat: the rows of batches, one after another. bounds: where each begins in `flat`, and the end of the last. order:
    which of them is the first of training, and so on.
    """

    def __init__(self, flat: NDArray[Any], bounds: NDArray[np.int64], order: NDArray[np.int64]) -> None:
        self.flat = flat
        self.bounds = bounds
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.int64]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[np.int64]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.int64] | list[NDArray[np.int64]]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = self.order[index]
        return self.flat[self.bounds[place] : self.bounds[place + 1]].astype(np.int64)


def draw_order(pairs: int, draw: np.random.Generator) -> NDArray[Any]:
    """What `draw.permutation(pairs)` gives, in half as many bytes where 31 bits suffice."""
    order = np.arange(pairs, dtype=np.int32 if pairs < 2**31 else np.int64)
    draw.shuffle(order)
    return order
