"""Attention = score x scope x normalizer x heads: four choices, each made alone, every combination legal."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt import masks
from nmt.attention.memory import Memory, join_heads, split_heads
from nmt.attention.normalizer import Normalizer
from nmt.attention.scope import Scope, Window
from nmt.attention.score import Score, head_size
from nmt.kernels.deferred_grad import defer_matmul, narrow

Past = tuple[Any, ...]
"""What an attention remembers of its own earlier steps; `()` for all that look only at the present query."""


class Attended(NamedTuple):
    """What one look at the memory gives. weights: None where there is no attention."""

    context: Float[Tensor, "row target value"]
    weights: Float[Tensor, "row head target source"] | None
    past: Past


AttendFn = Callable[
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

    has_weights = True
    """Whether it says where it looked."""

    def __init__(self, *, score: Score, scope: Scope, normalizer: Normalizer, memory_size: int, heads: int) -> None:
        super().__init__()
        head_size("the memory", memory_size, heads)
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
            bias=masks.log_mask(mask, states.dtype),
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
        return self.bind(memory)(query, positions, past)

    def bind(self, memory: Memory) -> AttendFn:
        """What looks at one batch's memory, for one group of target positions after another."""
        source = memory.bias.shape[1]
        project, window_of = self.score.bind_query(), self.scope.bind()
        score, mix = self.score.bind_keys(memory.keys), defer_matmul(memory.values.mT, -1)

        def attend(query: Tensor, positions: Tensor, past: Past) -> Attended:
            projected, window = project(query), window_of(query, positions, memory.lengths, source)
            reach = window.span
            weights = self.compute_weights(score(projected, reach), narrow(memory.bias, -1, reach), window)
            context = join_heads(mix(weights, reach))
            full_weights = weights if reach is None else F.pad(weights, (reach.start, source - reach.stop))
            return Attended(context, full_weights, past)

        return attend

    def compute_weights(
        self,
        scores: Float[Tensor, "row head target reach"],
        bias: Float[Tensor, "row reach"],
        window: Window,
    ) -> Float[Tensor, "row head target reach"]:
        """Scores limited, normalized and given the window's shape."""
        scores = scores + bias[:, None, None, :]
        weights: Tensor = self.normalizer(scores if window.bias is None else scores + window.bias)
        return weights if window.factor is None else weights * window.factor
