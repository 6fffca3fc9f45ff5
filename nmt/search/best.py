"""The largest of many numbers, with ties settled by position."""

from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.search.constraints import IMPOSSIBLE

_WIDTH = 256
"""Of a block."""
_FINER = 16
"""Of a block within what is left of the first cut."""


class Best(NamedTuple):
    """The largest first: what they are, and which group and which of its values each stands at."""

    value: Float[Tensor, "*row best"]
    group: Int[Tensor, "*row best"]
    place: Int[Tensor, "*row best"]


def best(values: Float[Tensor, "*row all"], count: int) -> tuple[Float[Tensor, "*row best"], Int[Tensor, "*row best"]]:
    """The `count` largest values of each row, largest first, and where they stand; the first wins a tie."""
    alone = values.unsqueeze(-2)
    found = best_sums(alone.new_zeros(alone.shape[:-1]), alone, count)
    return found.value, found.place


def best_sums(base: Float[Tensor, "*row group"], added: Float[Tensor, "*row group all"], count: int) -> Best:
    """The `count` largest of base + added over all groups of a row; ties as in `best`, the first group before all.

    Rows are cut into blocks. All but the `count` blocks with the largest maxima can be dropped unread, because each of
    these holds a value that comes before any dropped one. A sum is formed of what is left only: rounding keeps order,
    so the largest sum of a block is that of its largest value. Where minus infinity is among the largest, any place of
    that value may stand for it.
    """
    size, groups = added.shape[-1], added.shape[-2]
    count = min(count, groups * size)
    width = _fitting(size)
    if groups * size > width * count:
        values, places = _within_blocks(base, added, count, width)
    else:
        values = (base.unsqueeze(-1) + added).flatten(-2)
        places = torch.arange(groups * size, device=values.device).expand_as(values)
    if values.shape[-1] > _FINER * count and values.shape[-1] % _FINER == 0:
        blocks = _order(_maxima(values, _FINER), places[..., ::_FINER]).topk(count, sorted=False).indices
        chosen = _inside(blocks * _FINER, _FINER)
        values, places = values.gather(-1, chosen), places.gather(-1, chosen)
    first = _order(values, places).topk(count).indices
    places = places.gather(-1, first)
    return Best(values.gather(-1, first), places // size, places % size)


def _within_blocks(
    base: Float[Tensor, "*row group"], added: Float[Tensor, "*row group all"], count: int, width: int
) -> tuple[Float[Tensor, "*row some"], Int[Tensor, "*row some"]]:
    """The sums in the `count` blocks with the largest, and where they stand among all groups."""
    size = added.shape[-1]
    whole = size - size % width
    peaks = _maxima(added[..., :whole], width)
    if whole < size:  # the last block of a group is cut short
        peaks = torch.cat([peaks, added[..., whole:].amax(-1, keepdim=True)], -1)
    blocks = peaks.shape[-1]
    peaks = (base.unsqueeze(-1) + peaks).flatten(-2)
    chosen = _order(peaks, torch.arange(peaks.shape[-1], device=peaks.device)).topk(count, sorted=False).indices
    group = chosen // blocks
    inside = _inside(chosen % blocks * width, width)
    places = (group * size).repeat_interleave(width, -1) + inside.clamp(max=size - 1)
    values = added.flatten(-2).gather(-1, places) + base.gather(-1, group).repeat_interleave(width, -1)
    return (values if whole == size else values.masked_fill_(inside >= size, IMPOSSIBLE)), places


@cache
def _fitting(size: int) -> int:
    """The width next to the usual one that cuts `size` without a rest, or the usual one."""
    near = range(_WIDTH // 2, 2 * _WIDTH + 1, _FINER)
    return min((width for width in near if size % width == 0), key=lambda width: abs(width - _WIDTH), default=_WIDTH)


def _order(values: Float[Tensor, "*row all"], places: Int[Tensor, "*#row all"]) -> Int[Tensor, "*row all"]:
    """Integers in the order of values, and where these are equal in the reverse order of places.

    No two are alike, so that what the largest are is not left to the algorithm that seeks them; `topk` alone settles
    ties as it likes, and `sort` takes five times as long. The bits of a positive number in single precision are in the
    order of numbers, and those of a negative one are when they are inverted.
    """
    bits = values.view(torch.int32)
    return ((bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32) - places


def _maxima(values: Float[Tensor, "*row all"], width: int) -> Float[Tensor, "*row block"]:
    """The largest of every `width` neighbours."""
    return values.reshape(*values.shape[:-1], -1, width).amax(-1)


def _inside(starts: Int[Tensor, "*row block"], width: int) -> Int[Tensor, "*row place"]:
    """Every place of the blocks that start there."""
    return (starts.unsqueeze(-1) + torch.arange(width, device=starts.device)).flatten(-2)
