"""Attention of a sequence to itself, put together from the same parts as attention to another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from torch import nn

from nmt.attention.normalizer import NORMALIZERS, Normalizer, Softmax
from nmt.attention.scope import SCOPES, Causal, Global, Scope
from nmt.attention.score import SCORES, ScaledDot, Score
from nmt.attention.scored import ScoredAttention
from nmt.errors import ConfigError
from nmt.variants import Variants

SIZES = frozenset({"query_size", "memory_size", "heads"})

SELF_SCORES = {name: cls for name, cls in SCORES.items() if name != "location"}
"""Scores that look at keys: one that does not has nothing to tell positions of one sequence apart by."""

SELF_NORMALIZERS = {name: cls for name, cls in NORMALIZERS.items() if not cls.has_past}
"""Normalizers that give all positions their weights at once."""

ScoreFactory = Annotated[Callable[..., Score], Variants(SELF_SCORES, SIZES)]
ScopeFactory = Annotated[Callable[..., Scope], Variants(SCOPES, SIZES)]
NormalizerFactory = Annotated[Callable[..., Normalizer], Variants(SELF_NORMALIZERS)]


@dataclass(frozen=True, kw_only=True)
class CausalAttentionParts:
    """The parts of an attention in which no position looks ahead."""

    heads: int = 4
    score: ScoreFactory = ScaledDot
    normalizer: NormalizerFactory = Softmax

    def build(self, size: int, where: str) -> ScoredAttention:
        """The attention between states of this size. Raises ConfigError, which begins with `where`."""
        return self._build(size, where, Causal)

    def _build(self, size: int, where: str, scope: Callable[..., Scope]) -> ScoredAttention:
        if self.heads < 1 or size % self.heads:
            raise ConfigError(
                f"{where}.self_attention.heads must divide {where}.hidden_size, which is {size}; got {self.heads}."
            )
        sizes = {"query_size": size, "heads": self.heads}
        made = ScoredAttention(
            score=self.score(memory_size=size, **sizes),
            scope=scope(**sizes),
            normalizer=self.normalizer(),
            memory_size=size,
            heads=self.heads,
        )
        for module in made.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, gain=2**-0.5)
        return made


@dataclass(frozen=True, kw_only=True)
class SelfAttentionParts(CausalAttentionParts):
    """The parts of an attention in which positions look where the scope lets them."""

    scope: ScopeFactory = Global

    def build(self, size: int, where: str) -> ScoredAttention:
        return self._build(size, where, self.scope)
