"""The largest of many numbers, with ties settled by position."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.search.constraints import IMPOSSIBLE

_WIDTHS = (256, 16)


class Best(NamedTuple):
    """The largest first: what they are, and which group and which of its values each stands at."""

    value: Float[Tensor, "*row best"]
    group: Int[Tensor, "*row best"]
    place: Int[Tensor, "*row best"]


def best(values: Float[Tensor, "*row all"], count: int) -> tuple[Float[Tensor, "*row best"], Int[Tensor, "*row best"]]:
    """The `count` largest values of each row, largest first, and where they stand; the first wins a tie.

    `torch.topk` leaves ties to the algorithm, which it picks by the shape of the whole tensor, so a hypothesis could
    depend on the other sentences of its batch. Where minus infinity is among the largest, any place of that value may
    stand for it.
    """
    alone = values.unsqueeze(-2)
    found = best_sums(alone.new_zeros(alone.shape[:-1]), alone, count)
    return found.value, found.place


def best_sums(base: Float[Tensor, "*row group"], added: Float[Tensor, "*row group all"], count: int) -> Best:
    """The `count` largest of base + added over all groups of a row; ties as in `best`, the first group before all.

    Rows are cut into blocks. All but the `count` blocks with the largest maxima can be dropped unread, because each of
    these holds a value that comes before any dropped one. A sum is formed of what is left only: rounding keeps order,
    so the largest sum of a block is that of its largest value.
    """
    size, groups = added.shape[-1], added.shape[-2]
    count = min(count, groups * size)
    block, *finer = _WIDTHS
    if groups * size > block * count:
        values, places = _within_blocks(base, added, count, block)
    else:
        values = (base.unsqueeze(-1) + added).flatten(-2)
        places = torch.arange(groups * size, device=values.device).expand_as(values)
    for width in finer:
        if values.shape[-1] > width * count and values.shape[-1] % width == 0:
            chosen = _places(_first(_maxima(values, width), count), width)
            values, places = values.gather(-1, chosen), places.gather(-1, chosen)
    values, order = values.sort(dim=-1, descending=True, stable=True)
    places = places.gather(-1, order[..., :count])
    return Best(values[..., :count], places // size, places % size)


def _within_blocks(
    base: Float[Tensor, "*row group"], added: Float[Tensor, "*row group all"], count: int, width: int
) -> tuple[Float[Tensor, "*row some"], Int[Tensor, "*row some"]]:
    """The sums in the `count` blocks with the largest, in their old order, and where they stood among all groups."""
    size = added.shape[-1]
    whole = size - size % width
    peaks = _maxima(added[..., :whole], width)
    if whole < size:
        peaks = torch.cat([peaks, added[..., whole:].amax(-1, keepdim=True)], -1)
    blocks = peaks.shape[-1]
    chosen = _first((base.unsqueeze(-1) + peaks).flatten(-2), count)
    group = chosen // blocks
    inside = _places(chosen % blocks, width)  # of its group
    start = (group * size).repeat_interleave(width, -1)
    places = start + inside.clamp(max=size - 1)
    values = added.flatten(-2).gather(-1, places) + base.gather(-1, group).repeat_interleave(width, -1)
    # The last block of a group may be cut short.
    return (values if whole == size else values.masked_fill_(inside >= size, IMPOSSIBLE)), places


def _maxima(values: Float[Tensor, "*row all"], width: int) -> Float[Tensor, "*row block"]:
    """The largest of every `width` neighbours."""
    return values.reshape(*values.shape[:-1], -1, width).amax(-1)


def _first(peaks: Float[Tensor, "*row block"], count: int) -> Int[Tensor, "*row {count}"]:
    """Which are the `count` largest, in the order in which they stand."""
    return peaks.sort(dim=-1, descending=True, stable=True).indices[..., :count].sort(dim=-1).values


def _places(blocks: Int[Tensor, "*row block"], width: int) -> Int[Tensor, "*row place"]:
    """Every place inside the blocks."""
    return (blocks.unsqueeze(-1) * width + torch.arange(width, device=blocks.device)).flatten(-2)
