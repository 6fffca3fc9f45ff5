"""What every attention is to those who use it: a memory, a past, and one way to ask."""

from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.attention.memory import Memory

Past = tuple[Any, ...]
"""What an attention remembers of its own earlier steps: nested tuples of tensors with axes `row target ...`, of which
target is 1. `()` for all that look only at the present query."""


PredictsFrom = Literal["context", "each", "draw"]
"""What the next word is predicted from: the context, each of several source positions, or one that is drawn."""


class Choices(NamedTuple):
    """The source positions that the next word is predicted from, where it is not the context.

    log_weights: the log of how much each counts. positions: where it is in the source. log_prob: of what was drawn,
    where it was.
    """

    values: Float[Tensor, "row target choice value"]
    log_weights: Float[Tensor, "row target choice"]
    positions: Int[Tensor, "row target choice"]
    log_prob: Float[Tensor, "row target"] | None = None


class Attended(NamedTuple):
    """What one look at the memory gives.

    weights: None unless they are asked for, and where there is no attention. past: for the next step. log_prob: of what
    was drawn; None where nothing is. log_weights: in training, beside weights that are asked for: what losses of
    attention differentiate, minus infinity where nothing can be looked at.
    """

    context: Float[Tensor, "row target value"]
    weights: Float[Tensor, "row head target source"] | None = None
    past: Past = ()
    log_prob: Float[Tensor, "row target"] | None = None
    log_weights: Float[Tensor, "row head target source"] | None = None


class Attention(nn.Module, ABC):
    """Looks at a memory with queries. A decoder asks it; which queries there are, and when, is the decoder's affair.

    Its rows may be a multiple of those of the memory, hypotheses of one sentence side by side (a beam).
    """

    context_size: int
    has_weights = True
    """Whether it says where it looked."""
    is_stepwise = False
    """Whether an answer depends on earlier ones, so that target positions must be asked one by one."""

    is_monotonic = False
    """Whether it stops at one source position after another and never goes back."""

    predicts_from: PredictsFrom = "context"

    def choose(self, weights: Float[Tensor, "row head target source"], memory: Memory) -> Choices | None:
        """What words are predicted from, given the weights of each query; None where it is the context."""
        return None

    @abstractmethod
    def remember(self, states: Float[Tensor, "row source memory"], mask: Bool[Tensor, "row source"]) -> Memory:
        """All that does not depend on a query, computed once a sentence."""

    def start(self, memory: Memory) -> Past:
        """The past before the first step, of the shapes that it has at every later one."""
        return ()

    @abstractmethod
    def forward(
        self,
        query: Float[Tensor, "row target query"],
        memory: Memory,
        positions: Int[Tensor, "row target"],
        past: Past = (),
        *,
        keep_weights: bool = False,
    ) -> Attended:
        """Look once for every query. One target position is a decoding step, all of them one batched product.

        positions: of the queries, from 0. keep_weights: also return the weights, which costs memory.
        """
