"""How well does a query match each key? What every score is, and what scores have in common."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.kernels.precision import multiply_memory

States = Float[Tensor, "row source memory"]
Queries = Float[Tensor, "row target query"]
Keys = Float[Tensor, "row head source key"]
ProjectedQuery = Float[Tensor, "row head target key"]
Scores = Float[Tensor, "row head target source"]
KeyPositions = Int[Tensor, "row source"]
QueryPositions = Int[Tensor, "row target"]
Features = Float[Tensor, "row head target source key"]


class Score(nn.Module, ABC):
    """One way of comparing; subclasses say how states become keys and how queries meet them.

    `key_size` is that of what a history adds to a key of one head.
    """

    def __init__(self, *, heads: int, key_size: int) -> None:
        super().__init__()
        self.heads = heads
        self.key_size = key_size

    @abstractmethod
    def remember(self, states: States) -> Keys:
        """Keys from encoder states: all work that does not depend on the query."""

    @abstractmethod
    def forward(self, query: Queries, keys: Keys, features: Features | None = None) -> Scores:
        """One score for every head, target position and source position. features: what a history adds to the keys."""

    def remember_at(self, states: States, positions: KeyPositions | None) -> Keys:
        """Keys from states at these positions, or from 0 on: for scores that depend on them, which most do not."""
        return self.remember(states)

    def compare_at(
        self, query: Queries, positions: QueryPositions, keys: Keys, features: Features | None = None
    ) -> Scores:
        """The scores of queries at these positions: for scores that depend on them, which most do not."""
        scores: Tensor = self(query, keys, features)
        return scores


def multiply_keys(query: ProjectedQuery, keys: Keys, features: Features | None) -> Scores:
    """q . (k + f)"""
    products = multiply_memory(query, keys.mT)
    return products if features is None else products + torch.einsum("rhtk,rhtsk->rhts", query, features)


def head_size(what: str, size: int, heads: int) -> int:
    """`size / heads`; raises ConfigError unless it is a whole number above zero."""
    if heads < 1 or size < 1:
        raise ConfigError(
            f"There must be at least 1 head, and {what} must be of at least size 1; got {heads} and {size}."
        )
    if size % heads:
        raise ConfigError(
            f"{heads} heads share {what} equally, so it must be a multiple of {heads}; got {size}. "
            f"Choose attention.heads from the divisors of {size}, or another size."
        )
    return size // heads
