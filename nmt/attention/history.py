"""What do past weights say about each source position?

A history turns the weights of earlier target positions into features f, which a projection F adds to the keys:
score(query, keys + F f). So one history serves every score. Its past has axes `row target head source ...`.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmt.attention.attention import Past
from nmt.attention.memory import Memory


class History(nn.Module):
    """history=none: the weights of each target position are made without regard to those before."""

    has_past = False

    def __init__(self, *, key_size: int = 0, heads: int = 1) -> None:
        super().__init__()

    def start(self, memory: Memory, heads: int) -> Past:
        """What is known before the first target position."""
        return ()

    def forward(self, past: Past) -> Float[Tensor, "row head target source key"] | None:
        """F f, the correction of every key; None where there is none."""
        return None

    def advance(self, past: Past, weights: Float[Tensor, "row head target source"]) -> Past:
        """The past after a step that had these weights."""
        return past


class Coverage(History):
    """f[t, s] = sum over u < t of w[u, s]   (See, Liu and Manning 2017; the counts of Tu et al. 2016)

    How much of each source position has been read already, a head apart. F starts near zero (normal, 0.01), so that
    training starts as without a history.
    """

    has_past = True

    def __init__(self, *, key_size: int, heads: int) -> None:
        super().__init__()
        self.projection = nn.Parameter(torch.randn(heads, key_size) * 0.01)

    def start(self, memory: Memory, heads: int) -> Past:
        rows, source = memory.bias.shape
        return (memory.bias.new_zeros(rows, 1, heads, source),)

    def forward(self, past: Past) -> Float[Tensor, "row head target source key"]:
        covered: Tensor = past[0].transpose(1, 2)
        return covered.unsqueeze(-1) * self.projection[:, None, None, :]

    def advance(self, past: Past, weights: Float[Tensor, "row head target source"]) -> Past:
        return (past[0] + weights.transpose(1, 2),)


HISTORIES: dict[str, type[History]] = {"none": History, "coverage": Coverage}
