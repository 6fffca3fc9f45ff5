"""Where may attention look, and where should it? What every scope is, and what it answers: a window."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.attention.attention import Past
from nmt.attention.memory import Memory
from nmt.attention.normalizer import Normalizer
from nmt.masks import NEG_INF
from nmt.trees import tree_map

Energies = Float[Tensor, "row head target source"]
Keys = Float[Tensor, "row head source key"]


class Mixture(NamedTuple):
    """weights[s] = sum over k of shares[k] normalizer(energies + biases[k])[s]: one window for each place k.

    shares: how probable each place is. biases: the summand of each, minus infinity outside its window.
    """

    shares: Float[Tensor, "row head target source"]
    biases: Float[Tensor, "source source"]


class Window(NamedTuple):
    """bias: added to scores before normalizing. factor: multiplied with weights after it. None: nothing to do.

    mixture: where it is not known which window it is. past: what the scope remembers for the next target position.
    """

    bias: Float[Tensor, "row #head target source"] | None
    factor: Float[Tensor, "row #head target source"] | None
    mixture: Mixture | None = None
    past: Past = ()


class Scope(nn.Module, ABC):
    """One way of limiting attention; subclasses give the window of every query.

    A scope that knows more than positions may override `remember` and `start`, which do nothing for all others.
    """

    has_past = False
    """Whether a window depends on that of the target position before."""

    def remember(self, states: Float[Tensor, "row source memory"]) -> Keys | None:
        """What a scope makes of the encoder states, once a sentence; it stands in the memory."""
        return None

    def start(self, memory: Memory, heads: int) -> Past:
        """What is known before the first target position."""
        return ()

    @abstractmethod
    def find_window(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        memory: Memory,
        past: Past,
    ) -> Window:
        """The window of each query at these positions, given this past."""


class PlainScope(Scope):
    """A scope that knows queries, positions and lengths alone, and no past."""

    @abstractmethod
    def forward(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        lengths: Int[Tensor, " row"],
        source: int,
    ) -> Window:
        """The window of each query. positions: target positions; lengths: source lengths; source: the padded length."""

    def find_window(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        memory: Memory,
        past: Past,
    ) -> Window:
        window: Window = self(query, positions, memory.lengths, memory.bias.shape[1])
        return window


def normalize_within(window: Window, normalizer: Normalizer, energies: Energies, past: Past) -> Energies:
    """The weights of these energies, to which the window's bias has been added, whatever the normalizer."""
    if window.mixture is None:
        weights: Energies = normalizer(energies, past)
        return weights
    shares, biases = window.mixture
    source = energies.shape[-1]
    windows = energies.unsqueeze(-2) + biases
    # Where a window cannot be, on padding, it has no share; it must have a solution all the same.
    windows = windows.masked_fill((energies == NEG_INF).unsqueeze(-1), 0.0)
    apart = normalizer(windows.flatten(2, 3), tree_map(past, lambda part: part.repeat_interleave(source, 1)))
    mixed: Energies = (shares.unsqueeze(-2) @ apart.view_as(windows)).squeeze(-2)
    return mixed
