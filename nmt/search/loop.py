"""The loop that every search is: ask for the next tokens, choose some, let finished sentences go."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.masks import NEG_INF
from nmt.search.constraints import Constraints, Limits
from nmt.search.protocols import Hypothesis, Request, Step
from nmt.search.trellis import ROOT, FinishedHypotheses, Trellis
from nmt.special_tokens import BOS, EOS
from nmt.trees import repeat_rows, select_rows


class SearchState(NamedTuple):
    """The sentences still searched. Sentences come first everywhere, so `select_rows` lets finished ones go.

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
    finished: FinishedHypotheses
    past: Any


class SelectedTokens(NamedTuple):
    """What a search makes of a step: the next tokens, the rows of the step that they extend, the sentences now done."""

    token: Int[Tensor, "sentence copy"]
    row: Int[Tensor, "sentence copy"]
    log_prob: Float[Tensor, "sentence copy"]
    finished: FinishedHypotheses
    past: Any
    done: Bool[Tensor, " sentence"]


ChooseFn = Callable[
    [
        SearchState,
        Float[Tensor, "sentence copy vocab"],
        Int[Tensor, "sentence copy"],
        Float[Tensor, "row source"] | None,
    ],
    SelectedTokens,
]


def run_search(
    step: Step,
    state: Any,
    memory: Any,
    lengths: Int[Tensor, " sentence"],
    request: Request,
    *,
    constraints: Constraints,
    beams: int,
    slots: int,
    choose: ChooseFn,
) -> list[list[Hypothesis]]:
    """Hypotheses of every sentence, best first, at most `slots` each; the arguments are those of `build_trellis`."""
    if not len(lengths):
        return []
    limits = constraints.compute_limits(lengths, request)
    trellis, finished = build_trellis(
        step, state, memory, lengths, limits, constraints=constraints, beams=beams, slots=slots, choose=choose
    )
    return trellis.read_hypotheses(finished, lengths.tolist())


@torch.inference_mode()
def build_trellis(
    step: Step,
    state: Any,
    memory: Any,
    lengths: Int[Tensor, " sentence"],
    limits: Limits,
    *,
    constraints: Constraints,
    beams: int,
    slots: int,
    choose: ChooseFn,
) -> tuple[Trellis, FinishedHypotheses]:
    """Every row of every step, and what ended in each sentence, in their order; there is one sentence at least.

    Every sentence begins with `copies` of itself, and a move may make more of them. `choose(frontier, log_probs, rows,
    weights)` sees the step's log-probabilities, minus infinity where the constraints forbid a token, and this step's
    trellis rows.
    """
    frontier = _begin(lengths, limits, beams, slots)
    state = repeat_rows(state, beams)
    trellis = Trellis()
    finished_parts: list[tuple[Tensor, FinishedHypotheses]] = []
    while len(frontier.sentence):
        shape = frontier.token.shape
        log_probs, state, weights = step(frontier.token.flatten(), state, memory)
        token, parent, log_prob = (part.flatten() for part in (frontier.token, frontier.parent, frontier.log_prob))
        rows = trellis.add(token, parent, log_prob, weights).view(shape)
        log_probs = log_probs.view(*shape, -1)
        constraints.apply(log_probs, frontier.produced, frontier.limits)
        selection = choose(frontier, log_probs, rows, weights)
        frontier, source_rows = _follow(frontier, selection, rows), selection.row
        if any(
            selection.done.tolist()
        ):  # the only moment at which a step waits for the device, unless a sentence is done
            finished_parts.append(
                select_rows((frontier.sentence, frontier.finished), selection.done.nonzero().flatten())
            )
            live = (~selection.done).nonzero().flatten()
            frontier, memory, source_rows = select_rows((frontier, memory, source_rows), live)
        state = select_rows(state, source_rows.flatten())
    order = torch.cat([sentences for sentences, _ in finished_parts]).argsort()
    return trellis, FinishedHypotheses(
        *(torch.cat(parts)[order] for parts in zip(*(some for _, some in finished_parts), strict=True))
    )


def _begin(lengths: Int[Tensor, " sentence"], limits: Limits, beams: int, slots: int) -> SearchState:
    sentences = len(lengths)
    numbers = torch.arange(sentences, device=lengths.device)
    token = numbers.new_full((sentences, beams), BOS)
    no_scores = torch.full((sentences, slots), NEG_INF, device=lengths.device)
    return SearchState(
        sentence=numbers,
        length=lengths,
        limits=limits,
        token=token,
        parent=torch.full_like(token, ROOT),
        produced=numbers.new_empty(sentences, beams, 0),
        log_prob=torch.zeros(sentences, beams, device=lengths.device),
        finished=FinishedHypotheses(no_scores, no_scores, (numbers * beams).unsqueeze(-1).expand(sentences, slots)),
        past=None,
    )


def _follow(frontier: SearchState, selection: SelectedTokens, rows: Int[Tensor, "sentence copy"]) -> SearchState:
    produced = frontier.produced.flatten(0, 1)[selection.row]
    return frontier._replace(
        token=selection.token,
        parent=rows.flatten()[selection.row],
        produced=torch.cat([produced, selection.token.unsqueeze(-1)], -1),
        log_prob=selection.log_prob,
        finished=selection.finished,
        past=selection.past,
    )


def advance_independently(
    frontier: SearchState,
    log_probs: Float[Tensor, "sentence copy vocab"],
    rows: Int[Tensor, "sentence copy"],
    token: Int[Tensor, "sentence copy"],
) -> SelectedTokens:
    """The move of a search whose copies never mix: each goes on with its own token, and has its own place to end in.

    A copy that has ended goes on too, and is ignored, until all copies of its sentence have.
    """
    log_prob = frontier.log_prob + log_probs.gather(-1, token.unsqueeze(-1)).squeeze(-1)
    last = frontier.produced.shape[-1] >= frontier.limits.maximum.unsqueeze(-1)
    ends = (token == EOS) & (frontier.finished.score == NEG_INF)
    new = FinishedHypotheses(log_prob, log_prob, rows)
    finished = FinishedHypotheses(
        *(torch.where(ends, now, before) for now, before in zip(new, frontier.finished, strict=True))
    )
    done = (finished.score != NEG_INF).all(-1) | last.squeeze(-1)
    chosen = torch.arange(token.numel(), device=token.device).view_as(token)
    return SelectedTokens(token=token, row=chosen, log_prob=log_prob, finished=finished, past=None, done=done)
