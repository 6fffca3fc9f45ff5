"""Attention of a sequence to itself, put together from the same parts as attention to another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from torch import nn

from nmt.attention.attention import Attention
from nmt.attention.normalizer import NORMALIZERS, Normalizer, Softmax
from nmt.attention.scope import SCOPES, CausalWithin, Global, PlainScope, Scope
from nmt.attention.score import SCORES, ScaledDot, Score
from nmt.attention.scored import ScoredAttention
from nmt.errors import ConfigError
from nmt.variants import Variants

A = TypeVar("A", bound=Attention)

SIZES = frozenset({"query_size", "memory_size", "heads"})

SELF_SCORES = {name: cls for name, cls in SCORES.items() if name != "location"}
"""Scores that look at keys: one that does not has nothing to tell positions of one sequence apart by."""

SELF_SCOPES = {name: cls for name, cls in SCOPES.items() if not cls.has_past}
"""Scopes that give all positions their windows at once."""

CAUSAL_SCOPES = {name: cls for name, cls in SELF_SCOPES.items() if name != "local_p"}
"""Scopes that say the same of a word however many follow it: local_p reads how long the sequence is."""

SELF_NORMALIZERS = {name: cls for name, cls in NORMALIZERS.items() if not cls.has_past}
"""Normalizers that give all positions their weights at once."""

ScoreFactory = Annotated[Callable[..., Score], Variants(SELF_SCORES, SIZES)]
ScopeFactory = Annotated[Callable[..., PlainScope], Variants(SELF_SCOPES, SIZES)]
CausalScopeFactory = Annotated[Callable[..., PlainScope], Variants(CAUSAL_SCOPES, SIZES)]
NormalizerFactory = Annotated[Callable[..., Normalizer], Variants(SELF_NORMALIZERS)]


@dataclass(frozen=True, kw_only=True)
class CausalAttentionParts:
    """The parts of an attention in which no position looks ahead, whatever else the scope says."""

    heads: int = 4
    score: ScoreFactory = ScaledDot
    scope: CausalScopeFactory = Global
    normalizer: NormalizerFactory = Softmax

    def build(self, size: int, where: str, dropout: float = 0.0, *, value_size: int | None = None) -> ScoredAttention:
        """The attention between states of this size, with dropout of weights. value_size: of contexts, where it is
        another. Raises ConfigError, whose settings are those of `self_attention` in `where`."""
        return self._build(size, where, dropout, value_size, lambda **sizes: CausalWithin(self.scope(**sizes)))

    def _build(
        self, size: int, where: str, dropout: float, value_size: int | None, make_scope: Callable[..., Scope]
    ) -> ScoredAttention:
        name, shared = ("hidden_size", size) if value_size is None else ("value_size", value_size)
        if self.heads < 1 or shared % self.heads:
            raise ConfigError(
                f"{where}.self_attention.heads must divide {where}.{name}, which is {shared}; got {self.heads}."
            )
        sizes = {"query_size": size, "heads": self.heads}
        try:
            made = ScoredAttention(
                score=self.score(memory_size=size, **sizes),
                scope=make_scope(**sizes),
                normalizer=self.normalizer(),
                memory_size=size,
                heads=self.heads,
                dropout=dropout,
                is_self=True,
                value_size=value_size,
            )
        except ConfigError as problem:  # of parts, which know themselves as those of `attention`
            raise problem.move("attention", f"{where}.self_attention") from None
        return initialize_projections(made)


@dataclass(frozen=True, kw_only=True)
class SelfAttentionParts(CausalAttentionParts):
    """The parts of an attention in which positions look where the scope lets them."""

    scope: ScopeFactory = Global

    def build(self, size: int, where: str, dropout: float = 0.0, *, value_size: int | None = None) -> ScoredAttention:
        return self._build(size, where, dropout, value_size, self.scope)


def is_quadratic(side: nn.Module) -> bool:
    """Whether memory grows with the square of the length in a module whose positions look at each other."""
    found = [part for part in side.modules() if isinstance(part, ScoredAttention) and part.is_self]
    return not found or any(part.is_quadratic for part in found)


def initialize_projections(attention: A) -> A:
    """The attention, with its linear maps drawn as Glorot and Bengio (2010) say, with a gain of 1 / sqrt(2): so that
    the maps to queries, keys and values are as if they were one, as in fairseq."""
    for module in attention.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight, gain=2**-0.5)
    return attention
