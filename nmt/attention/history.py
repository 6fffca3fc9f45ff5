"""What do past weights say about each source position?

A history turns the weights of earlier target positions into features f, which a projection F adds to the keys:
score(query, keys + F f). So one history serves every score. Its past has axes `row target head source ...`.
`key_size` and `value_size` are those of one head.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmt.attention.attention import Past
from nmt.attention.memory import Memory
from nmt.errors import ConfigError

Weights = Float[Tensor, "row head target source"]
KeyFeatures = Float[Tensor, "row head target source key"]
Queries = Float[Tensor, "row target query"]


class History(nn.Module):
    """history=none: the weights of each target position are made without regard to those before."""

    has_past = False

    def __init__(self, *, key_size: int = 0, value_size: int = 0, query_size: int = 0, heads: int = 1) -> None:
        super().__init__()

    def start(self, memory: Memory, heads: int) -> Past:
        """What is known before the first target position."""
        return ()

    def forward(self, past: Past) -> KeyFeatures | None:
        """F f, the correction of every key; None where there is none."""
        return None

    def advance(self, past: Past, weights: Weights, query: Queries) -> Past:
        """The past after a step in which this query had these weights."""
        return past


class Coverage(History):
    """f[t, s] = sum over u < t of w[u, s]   (See, Liu and Manning 2017; the counts of Tu et al. 2016)

    How much of each source position has been read already, a head apart. F starts near zero (normal, 0.01), so that
    training starts as without a history.
    """

    has_past = True

    def __init__(self, *, key_size: int, value_size: int, query_size: int, heads: int) -> None:
        super().__init__()
        self.projection = nn.Parameter(torch.randn(heads, key_size) * 0.01)

    def start(self, memory: Memory, heads: int) -> Past:
        return (make_zeros(memory, heads),)

    def forward(self, past: Past) -> KeyFeatures:
        covered: Tensor = past[0].transpose(1, 2)
        return covered.unsqueeze(-1) * self.projection[:, None, None, :]

    def advance(self, past: Past, weights: Weights, query: Queries) -> Past:
        return (past[0] + weights.transpose(1, 2),)


class Fertility(Coverage):
    """f[t, s] = sum over u < t of w[u, s] / Phi[s],  Phi[s] = N sigmoid(u . v[s])   (Tu et al. 2016, equation 9)

    Coverage as a share of what a source position is expected to give: N, `largest`, is the most target positions that
    one accounts for. u starts at zero, so that Phi starts at N / 2 for all. v[s] is what a head reads there: with one
    head the encoder's state.
    """

    def __init__(self, *, key_size: int, value_size: int, query_size: int, heads: int, largest: float = 2.0) -> None:
        super().__init__(key_size=key_size, value_size=value_size, query_size=query_size, heads=heads)
        if not 0 < largest < float("inf"):
            raise ConfigError(f"attention.history.largest must be a number above 0; got {largest}.")
        self.largest = largest
        self.fertility = nn.Parameter(torch.zeros(heads, value_size))

    def start(self, memory: Memory, heads: int) -> Past:
        logits = torch.einsum("rhsv,hv->rhs", memory.values, self.fertility)
        logits = logits.masked_fill(memory.bias.unsqueeze(1) < 0, 0.0)  # no padding divides by zero
        return (make_zeros(memory, heads), self.largest * torch.sigmoid(logits).unsqueeze(1))

    def advance(self, past: Past, weights: Weights, query: Queries) -> Past:
        covered, fertility = past
        return (covered + weights.transpose(1, 2) / fertility, fertility)


class CoverageGRU(History):
    """f[t + 1, s] = GRU([w[t, s]; v[s]; q[t]], f[t, s]),  f[0, s] = 0   (Tu et al. 2016, section 3.1.2)

    A vector of `size` features for each source position and head, which learns what to remember of the weights: with
    r, z = sigmoid(A x + B f + b) and n = tanh(A' x + b' + r (B' f + c')), f becomes (1 - z) n + z f. The heads share
    the GRU, and have each its own projection F. v[s] is what a head reads at s. F is Xavier-uniform: f starts at zero.
    """

    has_past = True

    def __init__(self, *, key_size: int, value_size: int, query_size: int, heads: int, size: int = 10) -> None:
        super().__init__()
        if size < 1:
            raise ConfigError(f"attention.history.size must be at least 1 feature of a source position; got {size}.")
        self.size = size
        self.weight = nn.Linear(1, 3 * size, bias=False)
        self.value = nn.Linear(value_size, 3 * size)
        self.query = nn.Linear(query_size, 3 * size, bias=False)
        self.state = nn.Linear(size, 3 * size)
        self.projection = make_projection(heads, size, key_size)

    def start(self, memory: Memory, heads: int) -> Past:
        """Zeros, and what v adds to the gates at every step."""
        zeros = make_zeros(memory, heads)
        return (zeros.new_zeros(*zeros.shape, self.size), self.value(memory.values).unsqueeze(1))

    def forward(self, past: Past) -> KeyFeatures:
        return torch.einsum("rthsf,hfk->rhtsk", past[0], self.projection)

    def advance(self, past: Past, weights: Weights, query: Queries) -> Past:
        state, value_part = past
        weight_part = self.weight(weights.transpose(1, 2).unsqueeze(-1))
        inputs = weight_part + value_part + self.query(query)[:, :, None, None, :]
        reset, update, new = inputs.chunk(3, -1)
        state_reset, state_update, state_new = self.state(state).chunk(3, -1)
        update = torch.sigmoid(update + state_update)
        new = torch.tanh(new + torch.sigmoid(reset + state_reset) * state_new)
        return ((1 - update) * new + update * state, value_part)


class LocationAware(History):
    """f[t, s] = sum over j of K[j] w[t - 1, s + j], |j| <= width / 2   (Chorowski et al. 2015, section 2.1)

    `filters` filters K of odd `width` slide over the weights of the step before, a head apart. It shows where attention
    was, so that it can move on: equal words have equal keys, and differ by their place alone. Before the first step
    attention was on a place of its own before the sentence, w[-1, -1] = 1: a filter that finds the next word finds the
    first one too. Chorowski et al. leave that open; ESPnet begins with uniform weights.
    """

    has_past = True
    channels = 1
    """What the filters see of each head."""

    def __init__(
        self, *, key_size: int, value_size: int, query_size: int, heads: int, filters: int = 8, width: int = 11
    ) -> None:
        super().__init__()
        if filters < 1:
            raise ConfigError(f"attention.history.filters must be at least 1; got {filters}.")
        if width < 1 or width % 2 == 0:
            raise ConfigError(
                f"attention.history.width must be an odd number of source positions, as many on either side; got "
                f"{width}. Try {max(1, width // 2 * 2 + 1)}."
            )
        self.heads, self.filters = heads, filters
        self.convolution = nn.Conv1d(
            heads * self.channels, heads * filters, width, padding=width // 2, groups=heads, bias=False
        )
        self.projection = make_projection(heads, filters, key_size)

    def start(self, memory: Memory, heads: int) -> Past:
        zeros = make_zeros(memory, heads)
        return (torch.cat([torch.ones_like(zeros[..., :1]), zeros], -1),) * self.channels

    def forward(self, past: Past) -> KeyFeatures:
        rows, target, heads, places = past[0].shape
        seen = torch.stack(past, 3).reshape(rows * target, heads * self.channels, places)
        features = self.convolution(seen)[..., 1:].reshape(rows, target, heads, self.filters, places - 1)
        return torch.einsum("rthfs,hfk->rhtsk", features, self.projection)

    def advance(self, past: Past, weights: Weights, query: Queries) -> Past:
        return (prepend_place(weights),)


class LocationCumulative(LocationAware):
    """location_aware, whose filters also see the sum of all earlier weights   (Shen et al. 2018, Tacotron 2)"""

    channels = 2

    def advance(self, past: Past, weights: Weights, query: Queries) -> Past:
        latest = prepend_place(weights)
        return (latest, past[1] + latest)


def prepend_place(weights: Weights) -> Float[Tensor, "row target head place"]:
    """The weights after the place before the sentence, which has none."""
    return nn.functional.pad(weights.transpose(1, 2), (1, 0))


def make_zeros(memory: Memory, heads: int) -> Float[Tensor, "row target head source"]:
    """No weight anywhere."""
    rows, source = memory.bias.shape
    return memory.bias.new_zeros(rows, 1, heads, source)


def make_projection(heads: int, features: int, key_size: int) -> nn.Parameter:
    """F of every head, Xavier-uniform."""
    bound = (6 / (features + key_size)) ** 0.5
    return nn.Parameter(torch.empty(heads, features, key_size).uniform_(-bound, bound))


HISTORIES: dict[str, type[History]] = {
    "none": History,
    "coverage": Coverage,
    "fertility": Fertility,
    "coverage_gru": CoverageGRU,
    "location_aware": LocationAware,
    "location_cumulative": LocationCumulative,
}
