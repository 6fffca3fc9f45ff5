"""Attention = score x scope x normalizer x heads: four choices, each made alone, every combination legal."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt import masks
from nmt.attention.memory import Memory, join_heads, split_heads
from nmt.attention.normalizer import Normalizer
from nmt.attention.scope import Scope
from nmt.attention.score import Score, divided
from nmt.attention.shared import shared

Past = tuple[Any, ...]
"""What an attention remembers of its own earlier steps; `()` for all that look only at the present query."""


class Attended(NamedTuple):
    """What one look at the memory gives."""

    context: Float[Tensor, "row target value"]
    weights: Float[Tensor, "row head target source"]
    past: Past


Look = Callable[
    [Float[Tensor, "row target query"], Int[Tensor, "row target"], Past],
    Attended,
]
"""(query, positions, past) -> what was found"""


class Attention(nn.Module):
    """weights = normalizer(score(query, keys) + mask + scope),  context = weights . values

    With one head the values are the encoder states themselves (Bahdanau et al. 2015, Luong et al. 2015); with more each
    head reads its own learned projection of them (Vaswani et al. 2017), and the contexts of all heads stand side by
    side. The size of the context is always the size of the memory.
    """

    def __init__(self, *, score: Score, scope: Scope, normalizer: Normalizer, memory_size: int, heads: int) -> None:
        super().__init__()
        divided("the memory", memory_size, heads)
        self.score = score
        self.scope = scope
        self.normalizer = normalizer
        self.heads = heads
        self.value = nn.Linear(memory_size, memory_size, bias=False) if heads > 1 else nn.Identity()

    def remember(self, states: Float[Tensor, "row source memory"], mask: Bool[Tensor, "row source"]) -> Memory:
        """All that does not depend on a query, computed once a sentence."""
        return Memory(
            keys=self.score.remember(states),
            values=split_heads(self.value(states), self.heads),
            bias=masks.log_bias(mask, states.dtype),
            lengths=mask.sum(-1),
        )

    def forward(
        self,
        query: Float[Tensor, "row target query"],
        memory: Memory,
        positions: Int[Tensor, "row target"],
        past: Past = (),
    ) -> Attended:
        """Look once for every query. One target position is a decoding step, all of them one batched product."""
        return self.over(memory)(query, positions, past)

    def over(self, memory: Memory) -> Look:
        """What looks at one batch's memory, for one group of target positions after another."""
        score, read = self.score.against(memory.keys), shared(memory.values.mT)

        def look(query: Tensor, positions: Tensor, past: Past) -> Attended:
            scores = score(query) + memory.bias[:, None, None, :]
            window = self.scope(query, positions, memory.lengths, memory.bias.shape[1])
            weights = self.normalizer(scores if window.bias is None else scores + window.bias)
            if window.gain is not None:
                weights = weights * window.gain
            return Attended(join_heads(read(weights, None)), weights, past)

        return look
