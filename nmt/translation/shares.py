"""Hypotheses that several processes have searched, put together in all of them."""

from collections.abc import Callable, Mapping

import numpy as np

from nmt.ranks import Ranks
from nmt.search.protocols import Hypothesis


def gather_hypotheses(
    own: Mapping[int, list[Hypothesis]], lines: int, ranks: Ranks, done: Callable[[int], object]
) -> list[list[Hypothesis]]:
    """The hypotheses of all lines, of which each process has some, by their places. done: is told how many lines more
    are known than this process had."""
    if ranks.count == 1:
        return [own[line] for line in range(lines)]
    flat = [(line, hypothesis) for line, hypotheses in own.items() for hypothesis in hypotheses]
    facts = [[line, each.tokens, each.score, each.log_prob, each.weights is not None] for line, each in flat]
    arrays = [part for _, each in flat for part in (each.log_probs, each.weights) if part is not None]
    found: list[list[Hypothesis]] = [[] for _ in range(lines)]
    for facts_there, arrays_there in ranks.gather(facts, arrays):
        parts = iter(arrays_there)
        for line, tokens, score, log_prob, has_weights in facts_there:
            log_probs: np.ndarray = next(parts)
            weights = next(parts) if has_weights else None
            found[line].append(Hypothesis(tokens, score, log_prob, weights, log_probs))
    done(lines - len(own))
    return found
