"""Diverse beam search."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from math import inf
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.errors import ConfigError
from nmt.kernels.topk import TopK, stable_topk_sums
from nmt.masks import NEG_INF
from nmt.search.beam import Beam
from nmt.search.loop import SearchState, SelectedTokens, build_trellis
from nmt.search.protocols import NO_REQUEST, Hypothesis, Request, Step
from nmt.search.trellis import FinishedHypotheses
from nmt.trees import tree_map


@dataclass(frozen=True, kw_only=True)
class DiverseBeam(Beam):
    """Beams in `groups`, of size / groups hypotheses each, that avoid each other's words.

    The groups take turns at every step. A group orders its continuations by

        log_prob - diversity * (hypotheses of earlier groups that went on with the same token at this step)

    which is the Hamming diversity of Vijayakumar et al. (2018), "Diverse beam search for improved description of
    complex scenes". EOS has no such cost. All else is as in `Beam`: log_prob and score are without the cost, and each
    group stops by itself. So one group is a plain beam, and without diversity each group is a plain beam of its size.

    The `nbest` hypotheses are the best of every group, then the second of every group, and so on, best first. What
    several groups have found is listed once, so there may be fewer.

    Raises ConfigError for a setting out of its range.
    """

    size: int = 6
    groups: int = 3
    diversity: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.groups < 1 or self.size % self.groups:
            raise ConfigError(
                f"groups are equal parts of a beam, so size must be a multiple of groups; got size {self.size} and "
                f"groups {self.groups}."
            )
        if not 0 <= self.diversity < inf:
            raise ConfigError(f"diversity is a finite number, 0 or more; got {self.diversity}.")

    def __call__(
        self,
        step: Step,
        state: Any,
        memory: Any,
        lengths: Int[Tensor, " sentence"],
        request: Request = NO_REQUEST,
    ) -> list[list[Hypothesis]]:
        if not len(lengths):
            return []
        limits = self.compute_limits(lengths, request)
        size = self.size // self.groups
        settings = {key: value for key, value in vars(self).items() if key not in ("groups", "diversity")}
        group = GroupBeam(**{**settings, "size": size, "nbest": min(self.nbest, size)})
        trellis, finished = build_trellis(
            step,
            state,
            memory,
            lengths,
            limits,
            constraints=self,
            beams=self.groups,
            slots=self.groups * group.nbest,
            choose=partial(self._choose_all, group, group._compute_penalties(limits)),
        )
        parts = [
            FinishedHypotheses(*part) for part in zip(*(each.chunk(self.groups, 1) for each in finished), strict=True)
        ]
        hypotheses = [trellis.read_hypotheses(part, lengths.tolist()) for part in parts]
        return [merge(groups, self.nbest) for groups in zip(*hypotheses, strict=True)]

    def _choose_all(
        self,
        group: "GroupBeam",
        penalties: Float[Tensor, " length"],
        frontier: SearchState,
        log_probs: Float[Tensor, "sentence copy vocab"],
        rows: Int[Tensor, "sentence copy"],
        weights: Float[Tensor, "row source"] | None,
    ) -> SelectedTokens:
        sentences, beams, words = log_probs.shape
        group_size = beams // self.groups
        past: list[GroupState] = [GroupState(None, None)] * self.groups if frontier.past is None else frontier.past
        sentence_weights = None if weights is None else weights.view(sentences, beams, -1)
        cost = log_probs.new_zeros(sentences, words)
        first = torch.arange(sentences, device=rows.device).unsqueeze(1)
        selections = []
        for number in range(self.groups):
            copy = slice(number * group_size, (number + 1) * group_size)
            group_frontier = slice_group(
                frontier, copy, slice(number * group.nbest, (number + 1) * group.nbest), past[number]
            )
            group_weights = None if sentence_weights is None else sentence_weights[:, copy].flatten(0, 1)
            selection = replace(group, cost=cost)._choose(
                penalties, group_frontier, log_probs[:, copy], rows[:, copy], group_weights
            )
            selection = keep_done(selection, group_frontier.finished, past[number].done)
            # Among its group's rows a row is one of `group_size` of its sentence; among all rows, one of `beams`.
            selections.append(
                selection._replace(row=selection.row + first * (beams - group_size) + number * group_size)
            )
            if self.diversity:
                live = (selection.log_prob > NEG_INF) & ~selection.done.unsqueeze(1)
                cost = cost.scatter_add(1, selection.token, self.diversity * live.to(cost.dtype))
        return SelectedTokens(
            token=torch.cat([move.token for move in selections], 1),
            row=torch.cat([move.row for move in selections], 1),
            log_prob=torch.cat([move.log_prob for move in selections], 1),
            finished=FinishedHypotheses(
                *(torch.cat(parts, 1) for parts in zip(*(move.finished for move in selections), strict=True))
            ),
            past=tuple(GroupState(move.past, move.done) for move in selections),
            done=torch.stack([move.done for move in selections]).all(0),
        )


class GroupState(NamedTuple):
    """What a group remembers: the weights that its hypotheses have covered, and the sentences in which it is done."""

    covered: Float[Tensor, "sentence copy source"] | None
    done: Bool[Tensor, " sentence"] | None


def slice_group(frontier: SearchState, copy: slice, slots: slice, past: GroupState) -> SearchState:
    """The copies of one group, with the places in which it ends."""
    return frontier._replace(
        token=frontier.token[:, copy],
        parent=frontier.parent[:, copy],
        produced=frontier.produced[:, copy],
        log_prob=frontier.log_prob[:, copy],
        finished=tree_map(frontier.finished, lambda part: part[:, slots]),
        past=past.covered,
    )


def keep_done(
    selection: SelectedTokens, finished: FinishedHypotheses, done: Bool[Tensor, " sentence"] | None
) -> SelectedTokens:
    """The move with what had ended in sentences in which the group was done before."""
    if done is None:
        return selection
    kept = [old.where(done.unsqueeze(1), new) for old, new in zip(finished, selection.finished, strict=True)]
    return selection._replace(finished=FinishedHypotheses(*kept), done=selection.done | done)


@dataclass(frozen=True, kw_only=True)
class GroupBeam(Beam):
    """A beam that pays `cost` for a token when it orders continuations, and nothing when it counts log_prob."""

    cost: Any = None

    def _rank(self, frontier: SearchState, log_probs: Float[Tensor, "sentence copy vocab"], count: int) -> TopK:
        ranked = stable_topk_sums(frontier.log_prob, log_probs - self.cost.unsqueeze(1), count)
        indices = ranked.group * log_probs.shape[-1] + ranked.position
        log_prob = frontier.log_prob.gather(1, ranked.group) + log_probs.flatten(1).gather(1, indices)
        return ranked._replace(value=log_prob)


def merge(groups: tuple[list[Hypothesis], ...], nbest: int) -> list[Hypothesis]:
    """The best of every group, then the second of every group, and so on: `nbest` different ones, best first."""
    distinct: dict[tuple[int, ...], Hypothesis] = {}
    for tier in zip_longest(*groups):
        ranked = sorted((one for one in tier if one is not None), key=lambda one: -one.score)
        for hypothesis in ranked:
            if len(distinct) < nbest:
                distinct.setdefault(tuple(hypothesis.tokens), hypothesis)
    best_first = sorted(distinct.values(), key=lambda one: -one.score)
    return [one for place, one in enumerate(best_first) if not place or one.score != NEG_INF]
