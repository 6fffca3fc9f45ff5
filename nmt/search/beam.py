"""Beam search."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.errors import ConfigError
from nmt.kernels.topk import TopK, stable_topk_sums
from nmt.masks import NEG_INF, mask
from nmt.search.constraints import Constraints, Limits
from nmt.search.loop import SearchState, SelectedTokens, run_search
from nmt.search.penalties import LENGTH_PENALTIES, coverage_penalty
from nmt.search.protocols import NO_REQUEST, Hypothesis, Request, Step
from nmt.search.trellis import FinishedHypotheses
from nmt.special_tokens import EOS
from nmt.trees import tree_map


@dataclass(frozen=True, kw_only=True)
class Beam(Constraints):
    """The `nbest` best complete hypotheses that a beam of `size` comes by.

        score = log_prob / length_penalty(tokens with EOS) + coverage_penalty        (see penalties.py)

    A step extends the live hypotheses of a sentence, all of one length, by every token, and orders what results by
    log_prob. An EOS among the first `size` finishes a hypothesis, and finished ones are ranked by score; the first
    `size` that are not EOS live on, so finished hypotheses take no place in the beam. A tie goes to the
    higher-ranked hypothesis, then to the lower token.

    A sentence ends when no live hypothesis can enter its `nbest` best any more. log_prob only falls as a hypothesis
    grows, length penalties only rise and coverage penalties are at most 0, so one that ends with n tokens reaches at
    most log_prob / length_penalty(n). With `stopping` exact n is the maximum with EOS, and running to the maximum gives
    the same. With likely n is what it would be if EOS came next: a live hypothesis that is behind would have to grow
    at next to no cost to win by its length. On a trained model that saves a third of all steps and next to never
    changes a translation; with the length penalty none both are the same.

    `alpha` belongs to the length penalties gnmt and power, and `coverage` is beta of the coverage penalty, which needs
    a step that gives weights. Results do not depend on the other sentences of a batch, but for rounding in the step and
    in the coverage penalty, whose sums run over the padding too.
    A sentence may have fewer than `nbest` hypotheses where the constraints leave fewer, and has one at least.

    Raises ConfigError for a setting out of its range.
    """

    size: int = 5
    length_penalty: Literal["none", "average", "gnmt", "power"] = "gnmt"
    alpha: float = 0.6
    coverage: float = 0.0
    nbest: int = 1
    stopping: Literal["likely", "exact"] = "likely"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 1:
            raise ConfigError(f"a beam holds at least one hypothesis; got size {self.size}.")
        if not 1 <= self.nbest <= self.size:
            raise ConfigError(
                f"a beam of size {self.size} can give 1 to {self.size} hypotheses a sentence; got nbest {self.nbest}. "
                "Raise size or lower nbest."
            )
        for name, value in (("alpha", self.alpha), ("coverage", self.coverage)):
            if not 0 <= value < math.inf:
                raise ConfigError(f"{name} is a finite number, 0 or more; got {value}.")

    def __call__(
        self,
        step: Step,
        state: Any,
        memory: Any,
        lengths: Int[Tensor, " sentence"],
        request: Request = NO_REQUEST,
    ) -> list[list[Hypothesis]]:
        return run_search(
            step,
            state,
            memory,
            lengths,
            request,
            constraints=self,
            beams=1,  # of one hypothesis; more of it would be alike
            slots=self.nbest,
            choose=partial(self._choose, self._compute_penalties(self.compute_limits(lengths, request))),
        )

    def _compute_penalties(self, limits: Limits) -> Float[Tensor, " length"]:
        """The length penalty of every number of tokens, EOS counted, that a hypothesis may have."""
        longest = max(limits.maximum.tolist(), default=0) + 1
        counts = torch.arange(longest + 1, dtype=torch.float32, device=limits.maximum.device)
        return LENGTH_PENALTIES[self.length_penalty](counts, self.alpha)

    def _choose(
        self,
        penalties: Float[Tensor, " length"],
        frontier: SearchState,
        log_probs: Float[Tensor, "sentence copy vocab"],
        rows: Int[Tensor, "sentence copy"],
        weights: Float[Tensor, "row source"] | None,
    ) -> SelectedTokens:
        sentences, beams, words = log_probs.shape
        # Each hypothesis has one EOS, so `size` others are among so many.
        log_prob, copy, token = self._rank(frontier, log_probs, self.size + beams)
        chosen = copy + beams * torch.arange(sentences, device=rows.device).unsqueeze(-1)
        is_end = token == EOS

        length = frontier.produced.shape[-1] + 1
        score = log_prob / penalties[length]
        covered = self._accumulate_coverage(frontier, weights)
        if covered is not None:
            real = mask(frontier.length, covered.shape[-1]).unsqueeze(1)
            score = score + coverage_penalty(covered, real, self.coverage).flatten()[chosen]
        first = slice(self.size)
        new = FinishedHypotheses(
            score.where(is_end, NEG_INF)[:, first], log_prob[:, first], rows.flatten()[chosen[:, first]]
        )
        finished = _merge(frontier.finished, new)

        # Of few hypotheses and few tokens there may be fewer than `size` without EOS.
        live = is_end.byte().sort(dim=-1, stable=True).indices[:, : min(self.size, beams * (words - 1))]
        token, chosen, log_prob = (part.gather(1, live) for part in (token, chosen, log_prob))
        maximum = frontier.limits.maximum + 1
        attainable = (
            log_prob.amax(-1) / penalties[maximum if self.stopping == "exact" else maximum.clamp(max=length + 1)]
        )
        done = (attainable <= finished.score[:, -1]) | (length > frontier.limits.maximum)
        past = None if covered is None else covered.flatten(0, 1)[chosen]
        return SelectedTokens(token=token, row=chosen, log_prob=log_prob, finished=finished, past=past, done=done)

    def _rank(self, frontier: SearchState, log_probs: Float[Tensor, "sentence copy vocab"], count: int) -> TopK:
        """The `count` first continuations of a sentence, with their log_prob."""
        return stable_topk_sums(frontier.log_prob, log_probs, count)

    def _accumulate_coverage(
        self, frontier: SearchState, weights: Float[Tensor, "row source"] | None
    ) -> Float[Tensor, "sentence beam source"] | None:
        """The sum of each hypothesis' weights so far, this step's included, where it is asked for."""
        if self.coverage == 0:
            return None
        if weights is None:
            raise ConfigError(
                f"coverage {self.coverage} ranks hypotheses by their attention weights, and this model gives none. "
                "Set coverage to 0."
            )
        before: Tensor | float = 0.0 if frontier.past is None else frontier.past
        return before + weights.view(*frontier.token.shape, -1)


def _merge(old: FinishedHypotheses, new: FinishedHypotheses) -> FinishedHypotheses:
    """As many as there were, the best of both, best first; the older wins a tie."""
    joined = FinishedHypotheses(*(torch.cat(parts, 1) for parts in zip(old, new, strict=True)))
    order = joined.score.sort(dim=-1, descending=True, stable=True).indices[:, : old.score.shape[-1]]
    return tree_map(joined, lambda part: part.gather(1, order))
