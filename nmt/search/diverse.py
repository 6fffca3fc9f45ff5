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
from nmt.kernels.topk import Best, best_sums
from nmt.masks import NEG_INF
from nmt.search.beam import Beam
from nmt.search.loop import Frontier, Move, walk
from nmt.search.protocols import NO_REQUEST, Hypothesis, Request, Step
from nmt.search.trellis import Ended
from nmt.trees import over


@dataclass(frozen=True, kw_only=True)
class DiverseBeam(Beam):
    """Beams in `groups`, of size / groups hypotheses each, that avoid each other's words.

    The groups take turns at every step. A group orders its continuations by

        log_prob - diversity * (hypotheses of earlier groups that went on with the same token at this step)

    which is the Hamming diversity of Vijayakumar et al. (2018), "Diverse beam search for improved description of
    complex scenes". END has no such cost. All else is as in `Beam`: log_prob and score are without the cost, and each
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
        limits = self.limits(lengths, request)
        size = self.size // self.groups
        settings = {key: value for key, value in vars(self).items() if key not in ("groups", "diversity")}
        group = Group(**{**settings, "size": size, "nbest": min(self.nbest, size)})
        trellis, ended = walk(
            step,
            state,
            memory,
            lengths,
            limits,
            constraints=self,
            copies=self.groups,
            places=self.groups * group.nbest,
            choose=partial(self._choose_all, group, group._penalties(limits)),
        )
        parts = [Ended(*part) for part in zip(*(each.chunk(self.groups, 1) for each in ended), strict=True)]
        found = [trellis.hypotheses(part, lengths.tolist()) for part in parts]
        return [merge(groups, self.nbest) for groups in zip(*found, strict=True)]

    def _choose_all(
        self,
        group: "Group",
        penalties: Float[Tensor, " length"],
        frontier: Frontier,
        log_probs: Float[Tensor, "sentence copy vocab"],
        rows: Int[Tensor, "sentence copy"],
        weights: Float[Tensor, "row source"] | None,
    ) -> Move:
        sentences, copies, words = log_probs.shape
        each = copies // self.groups
        past: list[Past] = [Past(None, None)] * self.groups if frontier.past is None else frontier.past
        looks = None if weights is None else weights.view(sentences, copies, -1)
        cost = log_probs.new_zeros(sentences, words)
        first = torch.arange(sentences, device=rows.device).unsqueeze(1)
        moves = []
        for number in range(self.groups):
            copy = slice(number * each, (number + 1) * each)
            own = cut_frontier(frontier, copy, slice(number * group.nbest, (number + 1) * group.nbest), past[number])
            attended = None if looks is None else looks[:, copy].flatten(0, 1)
            move = replace(group, cost=cost)._choose(penalties, own, log_probs[:, copy], rows[:, copy], attended)
            move = keep_done(move, own.ended, past[number].done)
            # Among the rows of its group a row is one of `each` of its sentence; among all rows it is one of `copies`.
            moves.append(move._replace(chosen=move.chosen + first * (copies - each) + number * each))
            if self.diversity:
                live = (move.log_prob > NEG_INF) & ~move.done.unsqueeze(1)
                cost = cost.scatter_add(1, move.token, self.diversity * live.to(cost.dtype))
        return Move(
            token=torch.cat([move.token for move in moves], 1),
            chosen=torch.cat([move.chosen for move in moves], 1),
            log_prob=torch.cat([move.log_prob for move in moves], 1),
            ended=Ended(*(torch.cat(parts, 1) for parts in zip(*(move.ended for move in moves), strict=True))),
            past=tuple(Past(move.past, move.done) for move in moves),
            done=torch.stack([move.done for move in moves]).all(0),
        )


class Past(NamedTuple):
    """What a group remembers: the weights that its hypotheses have covered, and the sentences in which it is done."""

    covered: Float[Tensor, "sentence copy source"] | None
    done: Bool[Tensor, " sentence"] | None


def cut_frontier(frontier: Frontier, copy: slice, place: slice, past: Past) -> Frontier:
    """The copies of one group, with the places in which it ends."""
    return frontier._replace(
        token=frontier.token[:, copy],
        parent=frontier.parent[:, copy],
        produced=frontier.produced[:, copy],
        log_prob=frontier.log_prob[:, copy],
        ended=over(frontier.ended, lambda part: part[:, place]),
        past=past.covered,
    )


def keep_done(move: Move, ended: Ended, done: Bool[Tensor, " sentence"] | None) -> Move:
    """The move with what had ended in sentences in which the group was done before."""
    if done is None:
        return move
    kept = [old.where(done.unsqueeze(1), new) for old, new in zip(ended, move.ended, strict=True)]
    return move._replace(ended=Ended(*kept), done=move.done | done)


@dataclass(frozen=True, kw_only=True)
class Group(Beam):
    """A beam that pays `cost` for a token when it orders continuations, and nothing when it counts log_prob."""

    cost: Any = None

    def _rank(self, frontier: Frontier, log_probs: Float[Tensor, "sentence copy vocab"], count: int) -> Best:
        ranked = best_sums(frontier.log_prob, log_probs - self.cost.unsqueeze(1), count)
        places = ranked.group * log_probs.shape[-1] + ranked.place
        log_prob = frontier.log_prob.gather(1, ranked.group) + log_probs.flatten(1).gather(1, places)
        return ranked._replace(value=log_prob)


def merge(groups: tuple[list[Hypothesis], ...], nbest: int) -> list[Hypothesis]:
    """The best of every group, then the second of every group, and so on: `nbest` different ones, best first."""
    kept: dict[tuple[int, ...], Hypothesis] = {}
    for tier in zip_longest(*groups):
        ranked = sorted((one for one in tier if one is not None), key=lambda one: -one.score)
        for hypothesis in ranked:
            if len(kept) < nbest:
                kept.setdefault(tuple(hypothesis.tokens), hypothesis)
    found = sorted(kept.values(), key=lambda one: -one.score)
    return [one for place, one in enumerate(found) if not place or one.score != NEG_INF]
