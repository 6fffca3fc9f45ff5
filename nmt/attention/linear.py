"""Which attentions are computed in linear time where no weights are asked for, and by what."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor

from nmt.attention.base_score import Score
from nmt.attention.favor import Favor
from nmt.attention.memory import Memory
from nmt.attention.scope import Causal, CausalWithin, Global, LocalMonotonic, Scope, WindowScope
from nmt.attention.score import Rotary, ScaledDot
from nmt.kernels.feature_attention import CHUNK, attend_by_features
from nmt.kernels.window_attention import Windows, attend_in_windows

Contexts = Float[Tensor, "row head target value"]
Queries = Float[Tensor, "row target query"]
Positions = Int[Tensor, "row target"]
Dropout = Callable[[Tensor], Tensor]


class LinearForm(ABC):
    """An order of evaluation whose time and memory grow with the length. The contexts are those of the equation."""

    drops_weights = False
    """Whether it can drop weights."""

    @abstractmethod
    def serves(self, targets: int, source: int, size: int) -> bool:
        """Whether it saves anything for so many queries and keys, with values of this size in each head."""

    @abstractmethod
    def attend(
        self, score: Score, query: Queries, positions: Positions, memory: Memory, dropout: Dropout | None
    ) -> Contexts:
        """The contexts of each head. dropout: of weights, None in evaluation."""


class WindowForm(LinearForm):
    """Of positions that see their neighbours and the first few: blocks of queries with the keys around them."""

    drops_weights = True

    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def serves(self, targets: int, source: int, size: int) -> bool:
        return targets == source and self.windows.saves(source)

    def attend(
        self, score: Score, query: Queries, positions: Positions, memory: Memory, dropout: Dropout | None
    ) -> Contexts:
        assert isinstance(score, ScaledDot)
        projected = score.project_query(query, positions)
        return attend_in_windows(projected, memory.keys, memory.values, memory.bias, self.windows, dropout)


class FeatureForm(LinearForm):
    """Of `favor`: sums over keys of features and values."""

    def __init__(self, *, is_causal: bool) -> None:
        self.is_causal = is_causal

    def serves(self, targets: int, source: int, size: int) -> bool:
        if self.is_causal and (targets != source or targets <= CHUNK):
            return False
        return targets * source > (targets + source) * size

    def attend(
        self, score: Score, query: Queries, positions: Positions, memory: Memory, dropout: Dropout | None
    ) -> Contexts:
        assert isinstance(score, Favor)
        projected = score.project_query(query)
        return attend_by_features(projected, memory.keys, memory.values, memory.bias, is_causal=self.is_causal)


def find_linear_form(score: Score, scope: Scope, *, is_self: bool) -> LinearForm | None:
    """That of a score and a scope beside `softmax`, no history and selection by `expected`; None where there is none.

    is_self: whether queries are those of the memory's own positions where there are as many, so that each knows its
    neighbours.
    """
    is_causal, inner = isinstance(scope, CausalWithin | Causal), scope
    while isinstance(inner, CausalWithin):
        inner = inner.scope
    if type(score) is Favor and (type(scope) is Global or (is_self and type(inner) in (Global, Causal))):
        return FeatureForm(is_causal=is_causal)
    if is_self and type(score) in (ScaledDot, Rotary) and isinstance(inner, WindowScope | LocalMonotonic):
        first = inner.globals if isinstance(inner, WindowScope) else 0
        return WindowForm(Windows(half_width=inner.half_width, globals=first, is_causal=is_causal))
    return None
