"""The scope whose windows end where a monotonic attention stops: MoChA, and MILk."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt import masks
from nmt.attention.attention import Past
from nmt.attention.memory import Memory
from nmt.attention.normalizer import Monotonic
from nmt.attention.score import AdditiveNormed
from nmt.attention.window import Keys, Mixture, Scope, Window
from nmt.errors import ConfigError


class MonotonicScope(Scope):
    """k - w < s <= k, where k is the place at which monotonic attention stops   (Chiu and Raffel 2018: MoChA)

    An energy of its own, that of `additive_normed`, says where: see `normalizer=monotonic`, whose a[t, k] is the
    probability to stop at k. Score and normalizer act inside the window. In training the weights are the expected ones,

        beta[t, s] = sum over k of a[t, k] normalizer over k - w < j <= k of e[t, j], at s,

    otherwise those of one window. w is `chunk`; None opens it to all before k (Arivazhagan et al. 2019: MILk, monotonic
    infinite lookback). noise: the deviation of what is added to the stopping energy in training. Every head stops where
    it will. Cost in training: source^2 for each target position.
    """

    has_past = True

    def __init__(
        self,
        *,
        query_size: int,
        memory_size: int,
        heads: int,
        chunk: int | None = 4,
        hidden_size: int = 512,
        noise: float = 1.0,
    ) -> None:
        super().__init__()
        if chunk is not None and chunk < 1:
            raise ConfigError(
                f"attention.scope.chunk must be at least 1 source position, or null for all before; got {chunk}."
            )
        if noise < 0:
            raise ConfigError(f"attention.scope.noise must be 0 or more; got {noise}.")
        if hidden_size < 1 or hidden_size % heads:
            raise ConfigError(
                f"{heads} heads share attention.scope.hidden_size equally, so it must be a multiple of {heads}; got "
                f"{hidden_size}."
            )
        self.chunk = chunk
        self.energy = AdditiveNormed(
            query_size=query_size, memory_size=memory_size, heads=heads, hidden_size=hidden_size
        )
        self.stop = Monotonic(noise=noise)

    def remember(self, states: Float[Tensor, "row source memory"]) -> Keys:
        return self.energy.remember(states)

    def start(self, memory: Memory, heads: int) -> Past:
        return self.stop.start(memory, heads)

    def find_window(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        memory: Memory,
        past: Past,
    ) -> Window:
        assert memory.scope_keys is not None
        energies = self.energy(query, memory.scope_keys) + memory.bias[:, None, None, :]
        stops = self.stop(energies, past)
        after = self.stop.advance(past, stops)
        places = torch.arange(stops.shape[-1], device=stops.device)
        if self.training:
            biases = masks.log_mask(self.is_inside(places.unsqueeze(1), places), stops.dtype)
            return Window(None, None, Mixture(stops, biases), after)
        ends = stops.argmax(-1, keepdim=True)
        spoilt = 0.0 * stops.amax(-1, keepdim=True)  # NaN where the stop is
        return Window(masks.log_mask(self.is_inside(ends, places), query.dtype) + spoilt, None, None, after)

    def is_inside(self, ends: Int[Tensor, "*rows 1"], places: Int[Tensor, " source"]) -> Bool[Tensor, "*rows source"]:
        """Which places are in the window that ends there."""
        before = places <= ends
        return before if self.chunk is None else before & (places > ends - self.chunk)
