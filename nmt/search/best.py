"""The largest of many numbers, with ties settled by position."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.search.constraints import IMPOSSIBLE

_WIDTHS = (256, 16)


def best(values: Float[Tensor, "*row all"], count: int) -> tuple[Float[Tensor, "*row best"], Int[Tensor, "*row best"]]:
    """The `count` largest values of each row, largest first, and where they stand; the first wins a tie.

    `torch.topk` leaves ties to the algorithm, which it picks by the shape of the whole tensor, so a hypothesis could
    depend on the other sentences of its batch. Here rows are cut into blocks: all but the `count` blocks with the
    largest maxima can be dropped unread, because each of these holds a value that comes before any dropped one.
    """
    count = min(count, values.shape[-1])
    places: Tensor | None = None
    for width in _WIDTHS:
        if values.shape[-1] > width * count:
            values, inner = _blocks(values, count, width)
            places = inner if places is None else places.gather(-1, inner)
    values, order = values.sort(dim=-1, descending=True, stable=True)
    order = order[..., :count]
    return values[..., :count], order if places is None else places.gather(-1, order)


def _blocks(
    values: Float[Tensor, "*row all"], count: int, width: int
) -> tuple[Float[Tensor, "*row some"], Int[Tensor, "*row some"]]:
    """The values of the `count` blocks with the largest maxima, in their old order, and where they stood."""
    size = values.shape[-1]
    whole = size - size % width
    peaks = values[..., :whole].reshape(*values.shape[:-1], whole // width, width).amax(-1)
    if whole < size:
        peaks = torch.cat([peaks, values[..., whole:].amax(-1, keepdim=True)], -1)
    chosen = peaks.sort(dim=-1, descending=True, stable=True).indices[..., :count].sort(dim=-1).values
    places = (chosen.unsqueeze(-1) * width + torch.arange(width, device=values.device)).flatten(-2)
    inside = places.clamp(max=size - 1)  # the last block may be cut short; what it lacks comes last in every tie
    return values.gather(-1, inside).masked_fill(places >= size, IMPOSSIBLE), inside
