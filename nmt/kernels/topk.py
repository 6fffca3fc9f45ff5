"""The largest of many numbers, with ties settled by position."""

from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from nmt.kernels.switch import is_enabled
from nmt.masks import NEG_INF

_BLOCK_WIDTH = 256
"""Of a block."""
_FINE_WIDTH = 16
"""Of a block within what is left of the first cut."""


class TopK(NamedTuple):
    """The largest first: what they are, and which group and which of its values each stands at."""

    value: Float[Tensor, "*row best"]
    group: Int[Tensor, "*row best"]
    position: Int[Tensor, "*row best"]


def stable_topk(
    values: Float[Tensor, "*row all"], count: int
) -> tuple[Float[Tensor, "*row best"], Int[Tensor, "*row best"]]:
    """The `count` largest values of each row, largest first, and where they stand; the first wins a tie."""
    single_group = values.unsqueeze(-2)
    top = stable_topk_sums(single_group.new_zeros(single_group.shape[:-1]), single_group, count)
    return top.value, top.position


def stable_topk_sums(base: Float[Tensor, "*row group"], added: Float[Tensor, "*row group all"], count: int) -> TopK:
    """The `count` largest of base + added over all groups of a row; ties as in `stable_topk`, then by group.

    Rows are cut into blocks, and what is left of them into finer ones. All but the `count` blocks with the largest
    maxima can be dropped unread, because each of these holds a value that comes before any dropped one. A sum is formed
    of what is left only: rounding keeps order, so the largest sum of a block is that of its largest value. Where minus
    infinity is among the largest, any place of that value may stand for it.
    """
    if not is_enabled("topk"):
        return stable_topk_sums_reference(base, added, count)
    *rows, groups, size = added.shape
    count = min(count, groups * size)
    width = _block_width(size)
    if groups * size <= width * count:
        sums, positions = (base.unsqueeze(-1) + added).flatten(-2), torch.arange(groups * size, device=added.device)
        order = _sortable(sums, positions).topk(count).indices
        return TopK(sums.gather(-1, order), order // size, order % size)
    if size % width:
        added = F.pad(added, (0, -size % width), value=NEG_INF)
    padded = added.shape[-1]
    blocks = added.reshape(-1, groups * padded // width, width)
    starts = torch.arange(0, groups * padded, width, device=added.device).expand(blocks.shape[:2])
    block_base = base.reshape(-1, groups).repeat_interleave(padded // width, -1)
    top_blocks = _top_blocks(blocks.amax(-1) + block_base, starts, count)
    values = _gather_blocks(blocks, top_blocks).add_(block_base.gather(1, top_blocks).unsqueeze(-1))
    starts = starts.gather(1, top_blocks).unsqueeze(-1) + torch.arange(0, width, _FINE_WIDTH, device=added.device)
    blocks, starts = values.view(len(values), -1, _FINE_WIDTH), starts.flatten(1)
    top_blocks = _top_blocks(blocks.amax(-1), starts, count)
    values = _gather_blocks(blocks, top_blocks).flatten(1)
    positions = (starts.gather(1, top_blocks).unsqueeze(-1) + torch.arange(_FINE_WIDTH, device=added.device)).flatten(1)
    order = _sortable(values, positions).topk(count).indices
    values, positions = (part.gather(1, order).view(*rows, count) for part in (values, positions))
    return TopK(values, positions // padded, (positions % padded).clamp_(max=size - 1))


def stable_topk_sums_reference(
    base: Float[Tensor, "*row group"], added: Float[Tensor, "*row group all"], count: int
) -> TopK:
    """The same by sorting all sums."""
    sums = (base.unsqueeze(-1) + added).flatten(-2)
    values, order = (part[..., :count] for part in sums.sort(dim=-1, descending=True, stable=True))
    return TopK(values, order // added.shape[-1], order % added.shape[-1])


def _top_blocks(
    peaks: Float[Tensor, "row block"], starts: Int[Tensor, "row block"], count: int
) -> Int[Tensor, "row best"]:
    """Which blocks have the largest maxima, in no order; of equal ones those that start first."""
    return _sortable(peaks, starts).topk(min(count, peaks.shape[1]), sorted=False).indices


def _gather_blocks(
    blocks: Float[Tensor, "row block width"], indices: Int[Tensor, "row best"]
) -> Float[Tensor, "row best width"]:
    """A copy of those blocks of each row."""
    rows, count, width = blocks.shape
    firsts = torch.arange(0, rows * count, count, device=indices.device).unsqueeze(1)
    return blocks.view(-1, width).index_select(0, (indices + firsts).flatten()).view(rows, -1, width)


@cache
def _block_width(size: int) -> int:
    """The width next to the usual one that cuts `size` without a rest, or the usual one; finer blocks cut all."""
    near = range(_BLOCK_WIDTH // 2, 2 * _BLOCK_WIDTH + 1, _FINE_WIDTH)
    return min(
        (width for width in near if size % width == 0),
        key=lambda width: abs(width - _BLOCK_WIDTH),
        default=_BLOCK_WIDTH,
    )


def _sortable(values: Float[Tensor, "*row all"], positions: Int[Tensor, "*#row all"]) -> Int[Tensor, "*row all"]:
    """Integers in the order of values, and where these are equal in the reverse order of places.

    No two are alike, so that what the largest are is not left to the algorithm that seeks them; `topk` alone settles
    ties as it likes, and `sort` takes five times as long. The bits of a positive number in single precision are in the
    order of numbers, and those of a negative one are when they are inverted.
    """
    bits = values.view(torch.int32)
    return ((bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32) - positions
