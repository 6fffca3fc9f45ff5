"""Where may attention look, and where should it?

A scope answers with a `Window`: a summand for the scores (minus infinity outside) and, for Luong's Gaussian, a factor
for the weights. Source and target positions count from 0; distances and `half_width` are in source pieces.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt import masks
from nmt.attention.chunks import MonotonicScope
from nmt.attention.window import PlainScope as PlainScope
from nmt.attention.window import Scope as Scope
from nmt.attention.window import Window as Window
from nmt.errors import ConfigError


class Global(PlainScope):
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
        return Window(None, None)


def check_half_width(half_width: int) -> int:
    """`half_width` unless it is below 1, which would leave nothing to choose from."""
    if half_width < 1:
        raise ConfigError(f"attention.scope.half_width must be at least 1 source piece; got {half_width}.")
    return half_width


def compute_distances(
    centre: Float[Tensor, "row head target"], source: int
) -> Float[Tensor, "row head target {source}"]:
    """Source position minus centre."""
    return torch.arange(source, device=centre.device, dtype=centre.dtype) - centre.unsqueeze(-1)


def clamp_positions(
    positions: Int[Tensor, "row target"], lengths: Int[Tensor, " row"], dtype: torch.dtype
) -> Float[Tensor, "row 1 target"]:
    """p_t = min(t, S - 1): each target position, or the last source position where there are fewer."""
    return torch.minimum(positions, lengths.unsqueeze(-1) - 1).unsqueeze(1).to(dtype)


class LocalMonotonic(PlainScope):
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
        inside = compute_distances(clamp_positions(positions, lengths, query.dtype), source).abs() <= self.half_width
        return Window(masks.log_mask(inside, query.dtype), None)


class WindowScope(PlainScope):
    """|s - p_t| <= D or s < g or t < g with p_t = min(t, S - 1)   (Beltagy, Peters and Cohan 2020, section 3.1)

    D is `half_width`; the first g = `globals` positions are seen from everywhere, and see everything. So what is far
    reaches every position in two layers. In self-attention, what is outside takes no time where no weights are kept.
    """

    def __init__(self, *, query_size: int, heads: int, half_width: int = 32, globals: int = 0) -> None:
        super().__init__()
        self.half_width = check_half_width(half_width)
        if globals < 0:
            raise ConfigError(f"attention.scope.globals must be 0 or more source pieces; got {globals}.")
        self.globals = globals

    def forward(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        lengths: Int[Tensor, " row"],
        source: int,
    ) -> Window:
        inside = compute_distances(clamp_positions(positions, lengths, query.dtype), source).abs() <= self.half_width
        inside = inside | (torch.arange(source, device=query.device) < self.globals)
        inside = inside | (positions < self.globals)[:, None, :, None]
        return Window(masks.log_mask(inside, query.dtype), None)


class Alibi(PlainScope):
    """-m_h |s - p_t| is added, with p_t = min(t, S - 1) and slopes m_h = 2^(-8 h / H) of heads h = 1 .. H

    (Press, Smith and Lewis 2022, "Train Short, Test Long", section 3.) A position beyond the source's end adds the same
    to all scores of a row, hence p_t. Between source and target it says that both go at one pace.
    """

    def __init__(self, *, query_size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        lengths: Int[Tensor, " row"],
        source: int,
    ) -> Window:
        distances = compute_distances(clamp_positions(positions, lengths, query.dtype), source).abs()
        slopes = 2.0 ** (-8.0 / self.heads * torch.arange(1, self.heads + 1, device=query.device, dtype=query.dtype))
        return Window(-slopes[:, None, None] * distances, None)


class LocalPredictive(PlainScope):
    """|s - p_t| <= D with p_t = (S - 1) sigmoid(v . tanh(W q)), times exp(-(s - p_t)^2 / 2 sigma^2), sigma = D / 2

    (Luong et al. 2015, section 3.2: local-p, equations 9 and 10.) S is the source length; the paper's S sigmoid(.)
    counts positions from 1, ours from 0. As in the paper the Gaussian multiplies the weights after normalizing, which
    then sum to at most one; with `renormalize` its logarithm is added to the scores instead, and weights sum to one.
    Every head predicts a centre of its own.

    scaled: v is u / sqrt(query size), and u is what is learnt. The function is the same, but a step of the optimizer
    moves the centre less by that factor; without it the first steps can take the centre to an end of the sentence,
    where the sigmoid is flat.
    """

    def __init__(
        self,
        *,
        query_size: int,
        heads: int,
        half_width: int = 10,
        renormalize: bool = False,
        scaled: bool = False,
    ) -> None:
        super().__init__()
        self.half_width = check_half_width(half_width)
        self.renormalize = renormalize
        self.hidden = nn.Linear(query_size, query_size, bias=False)
        self.centre = nn.Linear(query_size, heads, bias=False)
        self.scale = query_size**-0.5 if scaled else 1.0

    def forward(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        lengths: Int[Tensor, " row"],
        source: int,
    ) -> Window:
        distance = compute_distances(self.predict_centre(query) * (lengths.view(-1, 1, 1) - 1), source)
        bias = masks.log_mask(distance.detach().abs() <= self.half_width, query.dtype)
        log_gaussian = -2.0 * (distance / self.half_width).square()
        if self.renormalize:
            return Window(bias + log_gaussian, None)
        return Window(bias, log_gaussian.exp())

    def predict_centre(self, query: Float[Tensor, "row target query"]) -> Float[Tensor, "row head target"]:
        """sigmoid(v . tanh(W q)), the share of the sentence that lies before the centre."""
        # In the format of the query, for eight binary digits would not do for a place in a long sentence.
        raised = self.scale * self.centre(torch.tanh(self.hidden(query))).to(query.dtype)
        return torch.sigmoid(raised).transpose(1, 2)


class Causal(PlainScope):
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
        return Window(masks.log_mask(allowed, query.dtype).unsqueeze(1), None)


class CausalWithin(PlainScope):
    """`causal` and another scope at once: the sum of what both add."""

    def __init__(self, scope: PlainScope) -> None:
        super().__init__()
        self.causal = Causal(query_size=1, heads=1)
        self.scope = scope

    def forward(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        lengths: Int[Tensor, " row"],
        source: int,
    ) -> Window:
        causal: Window = self.causal(query, positions, lengths, source)
        window: Window = self.scope(query, positions, lengths, source)
        assert causal.bias is not None
        return window._replace(bias=causal.bias if window.bias is None else causal.bias + window.bias)


SCOPES: dict[str, type[Scope]] = {
    "global": Global,
    "local_m": LocalMonotonic,
    "local_p": LocalPredictive,
    "causal": Causal,
    "window": WindowScope,
    "alibi": Alibi,
    "monotonic": MonotonicScope,
}
