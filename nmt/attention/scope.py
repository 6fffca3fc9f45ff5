"""Where may attention look, and where should it?

A scope answers with a `Window`: a summand for the scores (minus infinity outside) and, for Luong's Gaussian, a factor
for the weights. Source and target positions count from 0; distances and `half_width` are in source pieces.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt import masks
from nmt.errors import ConfigError
from nmt.kernels.deferred_grad import defer_projection


class Window(NamedTuple):
    """bias: added to scores before normalizing. factor: multiplied with weights after it. None: nothing to do.

    Both are given for the source positions of `span` alone, outside of which the weight of every query is zero; None
    for all positions.
    """

    bias: Float[Tensor, "row #head target span"] | None
    factor: Float[Tensor, "row #head target span"] | None
    span: slice | None

    def expand(self, source: int) -> "Window":
        """The same window, given for all source positions."""
        if self.span is None:
            return self
        around = (self.span.start, source - self.span.stop)
        bias = None if self.bias is None else F.pad(self.bias, around, value=masks.NEG_INF)
        return Window(bias, None if self.factor is None else F.pad(self.factor, around), None)


class Scope(nn.Module, ABC):
    """One way of limiting attention; subclasses give the window of every query."""

    @abstractmethod
    def forward(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        lengths: Int[Tensor, " row"],
        source: int,
    ) -> Window:
        """The window of each query. positions: target positions; lengths: source lengths; source: the padded length."""

    def bind(self) -> Callable[[Tensor, Tensor, Tensor, int], Window]:
        """The same, for one group of target positions of a batch after another."""
        return self


class Global(Scope):
    """Every source position, all alike   (Bahdanau et al. 2015; Luong et al. 2015, section 3.1)"""

    def __init__(self, *, query_size: int, heads: int) -> None:
        super().__init__()

    def forward(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        lengths: Int[Tensor, " row"],
        source: int,
    ) -> Window:
        return Window(None, None, None)


def check_half_width(half_width: int) -> int:
    """`half_width` unless it is below 1, which would leave nothing to choose from."""
    if half_width < 1:
        raise ConfigError(f"attention.scope.half_width must be at least 1 source piece; got {half_width}.")
    return half_width


def reachable_slice(centre: Float[Tensor, "row head target"], half_width: int, source: int) -> slice | None:
    """The source positions which the window of any query touches, so that no others need be scored.

    None where there is nothing to leave out, and on a device that would have to be waited for.
    """
    if centre.device.type != "cpu" or torch.compiler.is_compiling() or source <= 2 * half_width + 1:
        return None
    low, high = (edge.item() for edge in centre.detach().aminmax())
    if not math.isfinite(low + high):  # training skips such a step
        return None
    first, stop = max(0, math.ceil(low - half_width)), min(source, math.floor(high + half_width) + 1)
    return slice(first, stop) if stop - first < source else None


def compute_distances(
    centre: Float[Tensor, "row head target"], reach: slice | None, source: int
) -> Float[Tensor, "row head target span"]:
    """Source position minus centre."""
    first, stop = (reach.start, reach.stop) if reach else (0, source)
    positions = torch.arange(first, stop, device=centre.device, dtype=centre.dtype)
    return positions - centre.unsqueeze(-1)


class LocalMonotonic(Scope):
    """|s - p_t| <= D with p_t = t   (Luong et al. 2015, section 3.2: local-m)

    D is `half_width`. p_t is clamped to the last source position, so long targets keep seeing the sentence's end.
    """

    def __init__(self, *, query_size: int, heads: int, half_width: int = 10) -> None:
        super().__init__()
        self.half_width = check_half_width(half_width)

    def forward(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        lengths: Int[Tensor, " row"],
        source: int,
    ) -> Window:
        centre = torch.minimum(positions, lengths.unsqueeze(-1) - 1).unsqueeze(1).to(query.dtype)
        reach = reachable_slice(centre, self.half_width, source)
        return Window(
            masks.log_mask(compute_distances(centre, reach, source).abs() <= self.half_width, query.dtype), None, reach
        )


class LocalPredictive(Scope):
    """|s - p_t| <= D with p_t = (S - 1) sigmoid(v . tanh(W q)), times exp(-(s - p_t)^2 / 2 sigma^2), sigma = D / 2

    (Luong et al. 2015, section 3.2: local-p, equations 9 and 10.) S is the source length; the paper's S sigmoid(.)
    counts positions from 1, ours from 0. As in the paper the Gaussian multiplies the weights after normalizing, which
    then sum to at most one; with `renormalize` its logarithm is added to the scores instead, and weights sum to one.
    Every head predicts a centre of its own.
    """

    def __init__(self, *, query_size: int, heads: int, half_width: int = 10, renormalize: bool = False) -> None:
        super().__init__()
        self.half_width = check_half_width(half_width)
        self.renormalize = renormalize
        self.hidden = nn.Linear(query_size, query_size, bias=False)
        self.centre = nn.Linear(query_size, heads, bias=False)

    def forward(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        lengths: Int[Tensor, " row"],
        source: int,
    ) -> Window:
        return self.bind()(query, positions, lengths, source)

    def bind(self) -> Callable[[Tensor, Tensor, Tensor, int], Window]:
        return partial(self._compute_window, defer_projection(self.hidden.weight))

    def _compute_window(
        self,
        project: Callable[[Tensor], Tensor],
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        lengths: Int[Tensor, " row"],
        source: int,
    ) -> Window:
        # In the format of the query, for eight binary digits would not do for a place in a long sentence.
        predicted = self.centre(torch.tanh(project(query))).to(query.dtype)
        centre = torch.sigmoid(predicted).transpose(1, 2) * (lengths.view(-1, 1, 1) - 1)
        reach = reachable_slice(centre, self.half_width, source)
        distance = compute_distances(centre, reach, source)
        bias = masks.log_mask(distance.detach().abs() <= self.half_width, query.dtype)
        log_gaussian = -2.0 * (distance / self.half_width).square()
        if self.renormalize:
            return Window(bias + log_gaussian, None, reach)
        return Window(bias, log_gaussian.exp(), reach)


class Causal(Scope):
    """s <= t: no position after the query's own   (Vaswani et al. 2017, section 3.2.3)

    In self-attention nobody looks ahead. Between source and target it is reading along: one source position a word.
    """

    def __init__(self, *, query_size: int, heads: int) -> None:
        super().__init__()

    def forward(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        lengths: Int[Tensor, " row"],
        source: int,
    ) -> Window:
        allowed = torch.arange(source, device=positions.device) <= positions.unsqueeze(-1)
        return Window(masks.log_mask(allowed, query.dtype).unsqueeze(1), None, None)


SCOPES: dict[str, type[Scope]] = {
    "global": Global,
    "local_m": LocalMonotonic,
    "local_p": LocalPredictive,
    "causal": Causal,
}
