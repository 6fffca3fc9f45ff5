"""The loop that every search is: ask for the next tokens, choose some, let finished sentences go."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.masks import NEG_INF
from nmt.search.constraints import Constraints, Limits
from nmt.search.protocols import Hypothesis, Request, Step
from nmt.search.trellis import ROOT, Ended, Trellis
from nmt.special_tokens import END, START
from nmt.trees import repeat, take


class Frontier(NamedTuple):
    """The sentences still searched. Sentences come first everywhere, so `take` lets finished ones go.

    `token` is what the next step reads, `parent` the trellis row that it grew from, `log_prob` that of `produced`;
    `past` is what the search itself returned with its last move, None at first.
    """

    sentence: Int[Tensor, " sentence"]
    length: Int[Tensor, " sentence"]
    limits: Limits
    token: Int[Tensor, "sentence copy"]
    parent: Int[Tensor, "sentence copy"]
    produced: Int[Tensor, "sentence copy target"]
    log_prob: Float[Tensor, "sentence copy"]
    ended: Ended
    past: Any


class Move(NamedTuple):
    """What a search makes of a step: the next tokens, the rows of the step that they extend, the sentences now done."""

    token: Int[Tensor, "sentence copy"]
    chosen: Int[Tensor, "sentence copy"]
    log_prob: Float[Tensor, "sentence copy"]
    ended: Ended
    past: Any
    done: Bool[Tensor, " sentence"]


Choose = Callable[
    [Frontier, Float[Tensor, "sentence copy vocab"], Int[Tensor, "sentence copy"], Float[Tensor, "row source"] | None],
    Move,
]


def explore(
    step: Step,
    state: Any,
    memory: Any,
    lengths: Int[Tensor, " sentence"],
    request: Request,
    *,
    constraints: Constraints,
    copies: int,
    places: int,
    choose: Choose,
) -> list[list[Hypothesis]]:
    """Hypotheses of every sentence, best first, at most `places` each; the arguments are those of `walk`."""
    if not len(lengths):
        return []
    limits = constraints.limits(lengths, request)
    trellis, ended = walk(
        step, state, memory, lengths, limits, constraints=constraints, copies=copies, places=places, choose=choose
    )
    return trellis.hypotheses(ended, lengths.tolist())


@torch.inference_mode()
def walk(
    step: Step,
    state: Any,
    memory: Any,
    lengths: Int[Tensor, " sentence"],
    limits: Limits,
    *,
    constraints: Constraints,
    copies: int,
    places: int,
    choose: Choose,
) -> tuple[Trellis, Ended]:
    """Every row of every step, and what ended in each sentence, in their order; there is one sentence at least.

    Every sentence begins with `copies` of itself, and a move may make more of them. `choose(frontier, log_probs, rows,
    weights)` sees the step's log-probabilities, minus infinity where the constraints forbid a token, and this step's
    trellis rows.
    """
    frontier = _begin(lengths, limits, copies, places)
    state = repeat(state, copies)
    trellis = Trellis()
    left: list[tuple[Tensor, Ended]] = []
    while len(frontier.sentence):
        shape = frontier.token.shape
        log_probs, state, weights = step(frontier.token.flatten(), state, memory)
        token, parent, log_prob = (part.flatten() for part in (frontier.token, frontier.parent, frontier.log_prob))
        rows = trellis.add(token, parent, log_prob, weights).view(shape)
        log_probs = log_probs.view(*shape, -1)
        constraints.confine(log_probs, frontier.produced, frontier.limits)
        move = choose(frontier, log_probs, rows, weights)
        frontier, chosen = _follow(frontier, move, rows), move.chosen
        if any(move.done.tolist()):  # the only moment at which a step waits for the device, unless a sentence is done
            left.append(take((frontier.sentence, frontier.ended), move.done.nonzero().flatten()))
            kept = (~move.done).nonzero().flatten()
            frontier, memory, chosen = take((frontier, memory, chosen), kept)
        state = take(state, chosen.flatten())
    order = torch.cat([sentences for sentences, _ in left]).argsort()
    return trellis, Ended(*(torch.cat(parts)[order] for parts in zip(*(some for _, some in left), strict=True)))


def _begin(lengths: Int[Tensor, " sentence"], limits: Limits, copies: int, places: int) -> Frontier:
    sentences = len(lengths)
    numbers = torch.arange(sentences, device=lengths.device)
    token = numbers.new_full((sentences, copies), START)
    nothing = torch.full((sentences, places), NEG_INF, device=lengths.device)
    return Frontier(
        sentence=numbers,
        length=lengths,
        limits=limits,
        token=token,
        parent=torch.full_like(token, ROOT),
        produced=numbers.new_empty(sentences, copies, 0),
        log_prob=torch.zeros(sentences, copies, device=lengths.device),
        ended=Ended(nothing, nothing, (numbers * copies).unsqueeze(-1).expand(sentences, places)),
        past=None,
    )


def _follow(frontier: Frontier, move: Move, rows: Int[Tensor, "sentence copy"]) -> Frontier:
    produced = frontier.produced.flatten(0, 1)[move.chosen]
    return frontier._replace(
        token=move.token,
        parent=rows.flatten()[move.chosen],
        produced=torch.cat([produced, move.token.unsqueeze(-1)], -1),
        log_prob=move.log_prob,
        ended=move.ended,
        past=move.past,
    )


def advance(
    frontier: Frontier,
    log_probs: Float[Tensor, "sentence copy vocab"],
    rows: Int[Tensor, "sentence copy"],
    token: Int[Tensor, "sentence copy"],
) -> Move:
    """The move of a search whose copies never mix: each goes on with its own token, and has its own place to end in.

    A copy that has ended goes on too, and is ignored, until all copies of its sentence have.
    """
    log_prob = frontier.log_prob + log_probs.gather(-1, token.unsqueeze(-1)).squeeze(-1)
    last = frontier.produced.shape[-1] >= frontier.limits.maximum.unsqueeze(-1)
    ends = (token == END) & (frontier.ended.score == NEG_INF)
    new = Ended(log_prob, log_prob, rows)
    ended = Ended(*(torch.where(ends, now, before) for now, before in zip(new, frontier.ended, strict=True)))
    done = (ended.score != NEG_INF).all(-1) | last.squeeze(-1)
    chosen = torch.arange(token.numel(), device=token.device).view_as(token)
    return Move(token=token, chosen=chosen, log_prob=log_prob, ended=ended, past=None, done=done)
