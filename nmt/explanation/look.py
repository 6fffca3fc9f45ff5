"""One look of an attention, its parts called apart: all that lies between a query and its context."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.attention.attention import Past
from nmt.attention.memory import Memory
from nmt.attention.scored import ScoredAttention, ScoredPast

Looks = Float[Tensor, "head target source"]


class Question(NamedTuple):
    """What an attention is asked: queries of one sentence, with what it remembers of that and of its own past."""

    query: Float[Tensor, "1 target query"]
    memory: Memory
    positions: Int[Tensor, "1 target"]
    past: Past = ()


class Look(NamedTuple):
    """energies = scores + mask + bias;  normalized = normalizer(energies);  weights = factor normalized

    context = selected . values. `covered` is what a history has of earlier looks, `features` what it adds to the keys,
    `before` the weights that a normalizer had made a step before, `stops` where a scope with a past has stopped.
    """

    query: Float[Tensor, "target query"]
    positions: Int[Tensor, " target"]
    keys: Float[Tensor, "head source key"]
    values: Float[Tensor, "head source value"]
    covered: Looks | None
    features: Float[Tensor, "head target source key"] | None
    scores: Looks
    mask: Float[Tensor, " source"]
    stops: Looks | None
    bias: Looks | None
    energies: Looks
    before: Looks | None
    normalized: Looks
    factor: Looks | None
    weights: Looks
    selected: Looks
    context: Float[Tensor, "head target value"]


def look(attention: ScoredAttention, question: Question) -> Look:
    """The parts of an attention called in the order of its equation. The attention must be in evaluation mode."""
    query, memory, positions, past = question
    before = ScoredPast(*past) if attention.is_stepwise else ScoredPast((), ())
    heads, source = memory.keys.shape[1:3]
    features = attention.history(before.history)
    scores = attention.score.compare_at(query, positions, memory.keys, features)
    window = attention.scope.find_window(query, positions, memory, before.scope)
    energies = scores + memory.bias[:, None, None, :]
    if window.bias is not None:
        energies = energies + window.bias
    normalized = attention.normalizer(energies, before.normalizer)
    weights = normalized if window.factor is None else normalized * window.factor
    selected = attention.selection(weights).weights
    shape = (heads, query.shape[1], source)
    return Look(
        query=query[0],
        positions=positions[0],
        keys=memory.keys[0],
        values=memory.values[0],
        covered=_find_weights(before.history, shape),
        features=None if features is None else features[0].expand(*shape, -1),
        scores=scores[0],
        mask=memory.bias[0],
        stops=_find_weights(window.past, shape),
        bias=None if window.bias is None else window.bias[0].expand(shape),
        energies=energies[0],
        before=_find_weights(before.normalizer, shape),
        normalized=normalized[0],
        factor=None if window.factor is None else window.factor[0].expand(shape),
        weights=weights[0],
        selected=selected[0],
        context=(selected @ memory.values)[0],
    )


def look_at_all(attention: ScoredAttention, questions: Sequence[Question]) -> Look:
    """The looks of several questions about one memory as one, target positions in their order."""
    looks = [look(attention, question) for question in questions]
    first = looks[0]
    fixed, axes = {"keys", "values", "mask"}, {"positions": -1, "features": 1}
    joined = {
        name: value
        if name in fixed or value is None
        else torch.cat([getattr(each, name) for each in looks], axes.get(name, -2))
        for name, value in first._asdict().items()
    }
    return Look(**joined)


def ask(
    attention: ScoredAttention,
    queries: Float[Tensor, "1 target query"],
    memory: Memory,
) -> list[Question]:
    """The questions of a decoder with these queries: one, or, where attention depends on its past, one a position."""
    positions = torch.arange(queries.shape[1], device=queries.device).unsqueeze(0)
    past = attention.start(memory)
    if not attention.is_stepwise:
        return [Question(queries, memory, positions, past)]
    questions = []
    for t in range(queries.shape[1]):
        questions.append(Question(queries[:, t : t + 1], memory, positions[:, t : t + 1], past))
        past = attention(*questions[-1]).past
    return questions


def _find_weights(past: Past, shape: tuple[int, int, int]) -> Looks | None:
    """The first tensor of a past, where it has a number for each head and source position."""
    first = past[0] if past else None
    if not isinstance(first, Tensor) or first.shape != (1, 1, shape[0], shape[2]):
        return None
    return first[0].transpose(0, 1).expand(shape)
