"""Greedy search."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from nmt.kernels.topk import best
from nmt.search.constraints import Constraints
from nmt.search.loop import Frontier, Move, advance, explore
from nmt.search.protocols import NO_REQUEST, Hypothesis, Request, Step


@dataclass(frozen=True, kw_only=True)
class Greedy(Constraints):
    """The most probable token at every step, the first in the vocabulary where several are; score = log_prob.

    The same as a beam of size 1 without a length penalty, at less cost.
    """

    def __call__(
        self,
        step: Step,
        state: Any,
        memory: Any,
        lengths: Int[Tensor, " sentence"],
        request: Request = NO_REQUEST,
    ) -> list[list[Hypothesis]]:
        return explore(step, state, memory, lengths, request, constraints=self, copies=1, places=1, choose=_choose)


def _choose(
    frontier: Frontier,
    log_probs: Float[Tensor, "sentence copy vocab"],
    rows: Int[Tensor, "sentence copy"],
    weights: Float[Tensor, "row source"] | None,
) -> Move:
    return advance(frontier, log_probs, rows, best(log_probs, 1)[1].squeeze(-1))
