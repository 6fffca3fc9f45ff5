"""softmax(q . k + bias) . v of positions that see their neighbours and the first few: blocks of queries, linear time.

A block of positions is compared with itself and half a block on either side, and with the first `globals` positions,
which are left out of the window, so that none counts twice (Beltagy, Peters and Cohan 2020, section 3.1). What is
computed for a query does not grow with the length; the first positions see everything, and are computed apart. Where no
weights are dropped, one function of torch computes all blocks and keeps no weights.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from nmt import masks
from nmt.kernels.precision import multiply_memory, take_exact_products
from nmt.kernels.switch import is_enabled

Queries = Float[Tensor, "row head target key"]
Keys = Float[Tensor, "row head source key"]
Values = Float[Tensor, "row head source value"]
Bias = Float[Tensor, "row source"]
Contexts = Float[Tensor, "row head target value"]
Weights = Float[Tensor, "*axes"]
Blocks = Float[Tensor, "row block place head size"]

LEAST_BLOCK = 32
"""Positions of a block at least: smaller products take longer than what they save."""


class Windows:
    """Which positions see each other: |t - s| <= half_width, or s or t among the first `globals`; if `is_causal`, none
    sees a later one."""

    def __init__(self, *, half_width: int, globals: int, is_causal: bool) -> None:
        self.half_width, self.globals, self.is_causal = half_width, globals, is_causal
        self.block = max(2 * half_width, LEAST_BLOCK)
        self.width = self.block + self.block // 2 if is_causal else 2 * self.block
        """Positions that a block is compared with, beside the first."""

    def saves(self, size: int) -> bool:
        """Whether blocks compare less than half of what all pairs of so many positions are."""
        return 2 * (self.width + self.globals) <= size

    def make_mask(self, size: int, device: torch.device) -> Bool[Tensor, "{size} {size}"]:
        """Which position sees which."""
        places = torch.arange(size, device=device)
        seen = (places - places.unsqueeze(1)).abs() <= self.half_width
        seen = seen | (places < self.globals) | (places.unsqueeze(1) < self.globals)
        return seen.tril() if self.is_causal else seen


def attend_in_windows(
    queries: Queries,
    keys: Keys,
    values: Values,
    bias: Bias,
    windows: Windows,
    dropout: Callable[[Weights], Weights] | None = None,
) -> Contexts:
    """softmax(q . k + bias) . v of query t at position t, where `windows` let it see; by `attend_in_windows_reference`
    where a compiler looks on.

    bias: 0, or minus infinity on padding. dropout: of weights. What a query on padding gets is finite, and no more.
    """
    if torch.compiler.is_compiling() or not is_enabled("window_attention"):
        return attend_in_windows_reference(queries, keys, values, bias, windows, dropout)
    dtype = torch.promote_types(torch.promote_types(queries.dtype, values.dtype), torch.float32)
    q, k, v, bias = queries.to(dtype), keys.to(dtype), values.to(dtype), bias.to(dtype)
    rows, size, first = len(q), q.shape[2], windows.globals
    blocks = cut_axis(pad(q.transpose(1, 2), (0, 0, 0, 0, 0, -size % windows.block)), 1, windows.block)
    near_k, near_v = (_stack(_find_neighbours(each.transpose(1, 2), windows)) for each in (k, v))
    found = _attend(_stack(blocks), near_k, near_v, _make_bias(bias, windows).flatten(0, 1).unsqueeze(1), dropout)
    contexts: Tensor = found.transpose(1, 2).reshape(rows, -1, *found.shape[1::2]).transpose(1, 2)[:, :, :size]
    if not first:
        return contexts
    see_all = _attend(q[:, :, :first], k, v, _make_first_bias(bias, windows), dropout)
    return torch.cat([see_all, contexts[:, :, first:]], 2)


def attend_in_windows_reference(
    queries: Queries,
    keys: Keys,
    values: Values,
    bias: Bias,
    windows: Windows,
    dropout: Callable[[Weights], Weights] | None = None,
) -> Contexts:
    """The equation as it is written. What dropout keeps is drawn for blocks here too."""
    seen = masks.log_mask(windows.make_mask(queries.shape[2], queries.device), queries.dtype) + bias[:, None, None, :]
    is_real = (bias == 0)[:, None, :, None]
    weights = torch.where(is_real, multiply_memory(queries, keys.mT) + seen, 0.0).softmax(-1)
    if dropout is not None:
        weights = weights * _spread(dropout, weights, windows)
    return multiply_memory(weights, values)


def cut_axis(tensor: Tensor, axis: int, size: int) -> Tensor:
    """The same numbers, an axis being two: parts of it, and `size` places of each."""
    return tensor.reshape(*tensor.shape[:axis], -1, size, *tensor.shape[axis + 1 :])


def _stack(blocks: Blocks) -> Float[Tensor, "blocks head place size"]:
    """The blocks of all rows after one another."""
    return blocks.flatten(0, 1).transpose(1, 2)


def _find_neighbours(states: Float[Tensor, "row source head size"], windows: Windows) -> Blocks:
    """What each block is compared with: the first positions, then half a block before it, itself, and half a block
    after it."""
    half, size, first = windows.block // 2, states.shape[1], windows.globals
    parts = cut_axis(pad(states, (0, 0, 0, 0, half, -size % windows.block + half)), 1, windows.block)
    near = [parts[:, :-1], parts[:, 1:, : windows.width - windows.block]]
    far = [states[:, None, :first].expand(-1, parts.shape[1] - 1, -1, -1, -1)] if first else []
    return torch.cat([*far, *near], 2)


def _attend(
    queries: Queries,
    keys: Keys,
    values: Values,
    bias: Float[Tensor, "row 1 target source"],
    dropout: Callable[[Weights], Weights] | None,
) -> Contexts:
    """softmax(q . k + bias) . v"""
    if dropout is None:
        with take_exact_products(queries):
            return F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, scale=1.0)
    weights = (multiply_memory(queries, keys.mT) + bias).softmax(-1)
    return multiply_memory(dropout(weights), values)


def _make_bias(bias: Bias, windows: Windows) -> Float[Tensor, "row block query place"]:
    """What is added to the scores of each block. A query on padding, which may see nothing, sees everything there."""
    block, half, first, size = windows.block, windows.block // 2, windows.globals, bias.shape[1]
    queries = torch.arange(block, device=bias.device).unsqueeze(1)
    places = torch.arange(windows.width, device=bias.device) - half
    band = (places - queries).abs() <= windows.half_width
    if windows.is_causal:
        band = band & (places <= queries)
    near = pad(bias, (half, -size % block + half), value=masks.NEG_INF)
    near = near.index_fill(1, torch.arange(half, half + first, device=bias.device), masks.NEG_INF)
    parts = cut_axis(near, 1, block)
    near = torch.cat([parts[:, :-1], parts[:, 1:, : windows.width - block]], 2).unsqueeze(2)
    near = near + masks.log_mask(band, bias.dtype)
    far = bias[:, None, None, :first].expand(-1, near.shape[1], block, -1)
    is_real = cut_axis(pad(bias == 0, (0, -size % block)), 1, block).unsqueeze(3)
    return torch.where(is_real, torch.cat([far, near], 3), 0.0)


def _make_first_bias(bias: Bias, windows: Windows) -> Float[Tensor, "row 1 first source"]:
    """What is added to the scores of the first positions, which see all; again, on padding they see everything."""
    first, size = windows.globals, bias.shape[1]
    seen = torch.ones(first, size, dtype=torch.bool, device=bias.device)
    added = masks.log_mask(seen.tril() if windows.is_causal else seen, bias.dtype) + bias.unsqueeze(1)
    return torch.where((bias == 0)[:, :first, None], added, 0.0).unsqueeze(1)


def _spread(
    dropout: Callable[[Weights], Weights], weights: Float[Tensor, "row head target source"], windows: Windows
) -> Float[Tensor, "row head target source"]:
    """What dropout multiplies each weight with, drawn for blocks and put where the weights are."""
    rows, heads, size, _ = weights.shape
    block, first, half = windows.block, windows.globals, windows.block // 2
    count = -(-size // block)
    drawn = dropout(weights.new_ones(rows * count, heads, block, first + windows.width))
    drawn = drawn.view(rows, count, *drawn.shape[1:])
    kept = weights.new_zeros(rows, heads, size, size)
    for number in range(count):
        begin, end = number * block - half, number * block - half + windows.width
        targets = slice(number * block, min((number + 1) * block, size))
        height, low, high = targets.stop - targets.start, max(begin, first), min(end, size)
        kept[:, :, targets, :first] = drawn[:, number, :, :height, :first]
        if low < high:
            kept[:, :, targets, low:high] = drawn[:, number, :, :height, first + low - begin : first + high - begin]
    if first:
        kept[:, :, :first] = dropout(weights.new_ones(rows, heads, first, size))
    return kept
