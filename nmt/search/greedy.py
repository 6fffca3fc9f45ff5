"""Greedy search."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from nmt.kernels.topk import stable_topk
from nmt.search.constraints import Constraints
from nmt.search.loop import SearchState, SelectedTokens, advance_independently, run_search
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
        return run_search(step, state, memory, lengths, request, constraints=self, beams=1, slots=1, choose=_choose)


def _choose(
    frontier: SearchState,
    log_probs: Float[Tensor, "sentence copy vocab"],
    rows: Int[Tensor, "sentence copy"],
    weights: Float[Tensor, "row source"] | None,
) -> SelectedTokens:
    return advance_independently(frontier, log_probs, rows, stable_topk(log_probs, 1)[1].squeeze(-1))
